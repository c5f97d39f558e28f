/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lines of OTLP/JSON, as OpenTelemetry's collector reads them from a file (otlpjsonfile): each line
 * is a whole request, of metrics or of logs. Numbers of 64 bits are strings there, members have
 * names in lowerCamelCase, and enumerations are numbers. Names are those of the semantic
 * conventions where they have one, else begin with `tcpdwell.`.
 *
 * The put_ functions append as those of put.h, and each attribute ends with a comma, which
 * put_otlp_end() takes back. Pure, one thread at a time.
 */
#ifndef TCPDWELL_OTLP_H
#define TCPDWELL_OTLP_H

#include <stdint.h>

#include "base/text.h"

struct clock;
struct export;

/* "fin_wait_1", "syn_received": as the conventions spell states. NULL: it is no state. */
const char *otlp_state_name(unsigned int state);

/* Keys are ours, 64 bytes at the most, and what stands around them is OTLP_PAIR_BYTES. */
#define OTLP_PAIR_BYTES 128

/* At most ESCAPE_JSON_BYTES for each byte of @text, and a pair. */
char *put_otlp_text(char *p, const char *key, const char *text, size_t len);
char *put_otlp_number(char *p, const char *key, uint64_t value);

/* A member of a message and its time: `"NAME":"NS",`. At most a pair. */
char *put_otlp_time(char *p, const char *name, uint64_t wall_ns);

/* Behind the last one of a list. */
char *put_otlp_end(char *p);

/* `"scope":{…},`. At most a pair. */
char *put_otlp_scope(char *p);

/* A longer line is parted: the collector reads 1 MiB where it is not told otherwise. */
#define OTLP_LINE_BYTES (512 * 1024)

/* What metrics are of. Times are of CLOCK_MONOTONIC. */
struct otlp_metrics {
	const char *host;
	const struct clock *clock;
	uint64_t start_ns; /* when counters began */
	uint64_t now_ns;
};

/* Writes all series to @text, which the caller flushes. Returns 0 or -errno. */
int otlp_metrics_print(struct text *text, const struct export *export,
		       const struct otlp_metrics *metrics);

#endif /* TCPDWELL_OTLP_H */
