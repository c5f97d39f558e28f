// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/put.h"

struct clock {
	uint64_t offset_ns; /* modulo 2^64: the wall clock may be behind */
	uint64_t start_ns;
	uint64_t sampled_ns;
};

static uint64_t read_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int64_t monotonic_ahead_ns; /* set once, before there are threads */

void clock_set_ahead_ns(int64_t ahead_ns)
{
	monotonic_ahead_ns = ahead_ns;
}

uint64_t clock_now_ns(void)
{
	return read_ns(CLOCK_MONOTONIC) - monotonic_ahead_ns;
}

void clock_sample(struct clock *clock, uint64_t before_ns, uint64_t wall_ns, uint64_t after_ns)
{
	uint64_t least = wall_ns - after_ns;
	uint64_t span = after_ns - before_ns;

	clock->sampled_ns = after_ns;
	if (clock->offset_ns - least > span)
		clock->offset_ns = least + span / 2;
}

/*
 * Reads the wall clock between two readings of the monotonic one, a few times: the tightest pair is
 * the one that was not interrupted.
 */
static void sample_now(struct clock *clock)
{
	uint64_t before, wall, after, best_before = 0, best_wall = 0, best_after = UINT64_MAX;

	for (int i = 0; i < 4; i++) {
		before = clock_now_ns();
		wall = read_ns(CLOCK_REALTIME);
		after = clock_now_ns();
		if (after - before >= best_after - best_before)
			continue;
		best_before = before;
		best_wall = wall;
		best_after = after;
	}
	clock_sample(clock, best_before, best_wall, best_after);
}

struct clock *clock_new(void)
{
	struct clock *clock = calloc(1, sizeof(*clock));

	if (!clock)
		return NULL;
	tzset();
	sample_now(clock);
	clock->start_ns = clock->sampled_ns;
	return clock;
}

void clock_free(struct clock *clock)
{
	free(clock);
}

void clock_set_start(struct clock *clock, uint64_t mono_ns)
{
	clock->start_ns = mono_ns;
}

void clock_tick(struct clock *clock)
{
	if (clock_now_ns() - clock->sampled_ns >= CLOCK_RESAMPLE_NS)
		sample_now(clock);
}

uint64_t clock_wall_ns(const struct clock *clock, uint64_t mono_ns)
{
	return mono_ns + clock->offset_ns;
}

uint64_t clock_since_start_ns(const struct clock *clock, uint64_t mono_ns)
{
	return mono_ns > clock->start_ns ? mono_ns - clock->start_ns : 0;
}

/* The broken-down time costs more than the rest of a row, so it is made once a second. */
static void stamp_set(struct stamp *stamp, uint64_t second, const char *format, bool utc)
{
	time_t t = second;
	struct tm tm;

	if (stamp->second == second + 1)
		return;
	if (utc)
		gmtime_r(&t, &tm);
	else
		localtime_r(&t, &tm);
	strftime(stamp->text, sizeof(stamp->text), format, &tm);
	stamp->second = second + 1;
}

char *put_rfc3339(char *p, struct stamp *stamp, uint64_t wall_ns)
{
	stamp_set(stamp, wall_ns / NS_PER_S, "%Y-%m-%dT%H:%M:%S", true);
	p = put_bytes(p, stamp->text, sizeof("2024-02-29T23:59:59") - 1);
	p = put_9digits(put_char(p, '.'), wall_ns % NS_PER_S);
	return put_char(p, 'Z');
}

char *put_time(char *p, struct stamp *stamp, uint64_t wall_ns, bool utc)
{
	stamp_set(stamp, wall_ns / NS_PER_S, "%H:%M:%S", utc);
	return put_bytes(p, stamp->text, sizeof("23:59:59") - 1);
}

char *put_time_us(char *p, struct stamp *stamp, uint64_t wall_ns, bool utc)
{
	p = put_time(p, stamp, wall_ns, utc);
	return put_6digits(put_char(p, '.'), wall_ns % NS_PER_S / 1000);
}

char *put_seconds_us(char *p, uint64_t ns)
{
	p = put_u64(p, ns / NS_PER_S);
	return put_6digits(put_char(p, '.'), ns % NS_PER_S / 1000);
}
