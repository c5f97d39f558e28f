/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sink of `tcpdwell timewait`: takes rows, shows figures in place on a terminal while they
 * come, and writes the report or the JSON object at the end.
 */
#ifndef TCPDWELL_SINK_TIMEWAIT_H
#define TCPDWELL_SINK_TIMEWAIT_H

#include "cli/options.h"
#include "view/sink.h"

/*
 * @options must outlive the sink. What is to be seen from the start on must be attached when start
 * is called, and the process must still have its privileges then. Returns NULL with errno set; the
 * caller frees it by ops->free.
 */
struct sink *sink_timewait_new(const struct style *style, const struct options *options);

#endif /* TCPDWELL_SINK_TIMEWAIT_H */
