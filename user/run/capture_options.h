/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every command that is given these options asks of the kernel side (kernel/capture.h):
 * filters, sizes, backend, and what exists at the start. What a command wants beside that, it adds
 * itself.
 */
#ifndef TCPDWELL_CAPTURE_OPTIONS_H
#define TCPDWELL_CAPTURE_OPTIONS_H

#include "cli/options.h"
#include "kernel/capture.h"

/* @capture has then pointers into @options, which must outlive it. */
void capture_from_options(struct capture *capture, const struct options *options);

#endif /* TCPDWELL_CAPTURE_OPTIONS_H */
