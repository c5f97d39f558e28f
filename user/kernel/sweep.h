/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looks now and then for connections that the kernel side remembers but that are gone: a kernel may
 * run no program when a connection ends (bpf/sweep.bpf.h). Such connections are forgotten, and
 * counted as missed.
 *
 * A thread without privileges does it once a minute, or less often if it would otherwise take more
 * than a thousandth of a processor. A look takes a third of a microsecond for each connection.
 */
#ifndef TCPDWELL_SWEEP_H
#define TCPDWELL_SWEEP_H

#include <stdint.h>

struct programs;
struct sweep;
struct tables;

/*
 * Starts the thread. It goes through all of @tables with @programs. Both must outlive it. Returns
 * NULL with errno set.
 */
struct sweep *sweep_new(const struct programs *programs, const struct tables *tables);

/*
 * Stops the thread, and looks once more while the programs still tell of ends, so that the count is
 * complete. Returns 0, or -errno of the first look that the kernel refused. NULL-safe.
 */
int sweep_finish(struct sweep *sweep);

/*
 * Has the same programs tell of the connections that go on, instead of looking for those that are
 * gone (bpf/open.bpf.h). They do so while @asked, a variable of the kernel side, is set. It may be
 * called any time before the sweep is freed. Returns 0 or -errno: -EOPNOTSUPP for NULL.
 */
int sweep_tell_open(struct sweep *sweep, volatile uint32_t *asked);

/* NULL-safe. */
void sweep_free(struct sweep *sweep);

#endif /* TCPDWELL_SWEEP_H */
