/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lines of OTLP/JSON, as OpenTelemetry's collector reads them from a file (otlpjsonfile). Each line
 * is a whole request, of metrics or of logs. In this format numbers of 64 bits are strings, members
 * have names in lowerCamelCase, and enumerations are numbers. Names are those of the semantic
 * conventions if there is one, else they begin with `tcpdwell.`.
 *
 * The put_ functions append as those of put.h do. Each attribute ends with a comma; put_otlp_end()
 * removes the last one. Pure, one thread at a time.
 */
#ifndef TCPDWELL_OTLP_H
#define TCPDWELL_OTLP_H

#include <stdint.h>

#include "base/text.h"

struct clock;
struct export;

/*
 * Returns "fin_wait_1", "syn_received" and so on: states as the conventions spell them. NULL: it is
 * no state.
 */
const char *otlp_state_name(unsigned int state);

/* Keys are constants of at most 64 bytes. Key and surrounding text take at most OTLP_PAIR_BYTES. */
#define OTLP_PAIR_BYTES 128

/* Appends at most ESCAPE_JSON_BYTES for each byte of @text, plus a pair. */
char *put_otlp_text(char *p, const char *key, const char *text, size_t len);
char *put_otlp_number(char *p, const char *key, uint64_t value);

/* Appends a time as a member of a message: `"NAME":"NS",`. At most a pair. */
char *put_otlp_time(char *p, const char *name, uint64_t wall_ns);

/* To be called after the last item of a list: removes its comma. */
char *put_otlp_end(char *p);

/* Appends `"scope":{…},`. At most a pair. */
char *put_otlp_scope(char *p);

/* A longer line is split: by default the collector reads lines of up to 1 MiB. */
#define OTLP_LINE_BYTES (512 * 1024)

/* What the metrics are about. Times are of CLOCK_MONOTONIC. */
struct otlp_metrics {
	const char *host;
	const struct clock *clock;
	uint64_t start_ns; /* when counters began */
	/* The same by the wall clock. It stays the same when that clock is set. */
	uint64_t start_wall_ns;
	uint64_t now_ns;
};

/* Writes all series to @text, which the caller flushes. Returns 0 or -errno. */
int otlp_metrics_print(struct text *text, const struct export *export,
		       const struct otlp_metrics *metrics);

#endif /* TCPDWELL_OTLP_H */
