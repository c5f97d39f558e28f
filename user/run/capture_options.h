/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Computes from the options what every command asks of the kernel side (kernel/capture.h): filters,
 * sizes, the backend, and whether the sockets that exist are looked at. A command adds what it
 * wants besides.
 */
#ifndef TCPDWELL_CAPTURE_OPTIONS_H
#define TCPDWELL_CAPTURE_OPTIONS_H

#include "cli/options.h"
#include "kernel/capture.h"

/* Fills @capture. It then holds pointers into @options, which must outlive it. */
void capture_from_options(struct capture *capture, const struct options *options);

/*
 * For a command that gets no more than half of the rows, in bytes: half of the ring holds them for
 * as long, unless an option says how large it is.
 */
void capture_expect_few(struct capture *capture, const struct options *options);

#endif /* TCPDWELL_CAPTURE_OPTIONS_H */
