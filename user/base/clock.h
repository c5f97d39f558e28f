/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Converts times of CLOCK_MONOTONIC, with which the kernel side stamps, into times that people
 * read.
 *
 * A struct clock knows the offset of CLOCK_REALTIME. Both clocks are slewed alike, so the offset
 * stays the same until someone steps the wall clock or the host sleeps. Rows show the new time from
 * the next tick on. A struct stamp formats times. It keeps the text of the last second, and each
 * user has a stamp of its own.
 *
 * All times are nanoseconds. One thread at a time.
 */
#ifndef TCPDWELL_CLOCK_H
#define TCPDWELL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct clock;

/* How often clock_tick() asks the kernel. */
#define CLOCK_RESAMPLE_NS 1000000000ULL

/*
 * Sets how far the process's CLOCK_MONOTONIC is ahead of the kernel's own: they differ in a time
 * namespace. All times here are of the kernel's clock. To be called before any other function; it
 * is 0 until then.
 */
void clock_set_ahead_ns(int64_t ahead_ns);

/* Returns the present time of the kernel's CLOCK_MONOTONIC. */
uint64_t clock_now_ns(void);

/*
 * Makes a clock, samples it once, and starts it now. It also reads the time zone. Returns NULL with
 * errno set if there is no memory. The caller frees it.
 */
struct clock *clock_new(void);

/* NULL-safe. */
void clock_free(struct clock *clock);

/* Sets the moment from which clock_since_start_ns() counts. */
void clock_set_start(struct clock *clock, uint64_t mono_ns);

/* Samples again if a second has passed. Cheap enough for every turn of the main loop. */
void clock_tick(struct clock *clock);

/*
 * Takes one sample: @wall_ns was read between @before_ns and @after_ns, both monotonic. If the
 * clock's offset agrees with it, the clock keeps that offset, so that jitter of the reading does
 * not show.
 */
void clock_sample(struct clock *clock, uint64_t before_ns, uint64_t wall_ns, uint64_t after_ns);

/* Returns CLOCK_REALTIME at @mono_ns, since the Epoch. */
uint64_t clock_wall_ns(const struct clock *clock, uint64_t mono_ns);

/* Returns the time since the start, or 0 if @mono_ns is before it. */
uint64_t clock_since_start_ns(const struct clock *clock, uint64_t mono_ns);

/* The text of one second. A fresh one is all zero. */
struct stamp {
	uint64_t second; /* since the Epoch, plus one; 0: none */
	char text[20];
};

/* Append functions as in put.h. */

/* RFC 3339 in UTC: 2024-02-29T23:59:59.000000001Z. 30 bytes up to the year 9999. */
char *put_rfc3339(char *p, struct stamp *stamp, uint64_t wall_ns);

/* HH:MM:SS in the local time zone, or in UTC. 8 bytes. */
char *put_time(char *p, struct stamp *stamp, uint64_t wall_ns, bool utc);

/* HH:MM:SS.ffffff, cut after the microsecond. 15 bytes. */
char *put_time_us(char *p, struct stamp *stamp, uint64_t wall_ns, bool utc);

/* Seconds with six digits behind the point. At most 18 bytes. */
char *put_seconds_us(char *p, uint64_t ns);

#endif /* TCPDWELL_CLOCK_H */
