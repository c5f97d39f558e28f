// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdint.h>

#include "view/hist_json.h"

void hist_json_buckets(FILE *out, const struct hist *hist)
{
	const char *comma = "";

	fputs(",\"buckets\":[", out);
	for (unsigned int i = 0; i < BUCKETS; i++) {
		uint64_t from_ns = buckets_lowest(i);
		uint64_t to_ns = i + 1 < BUCKETS ? buckets_lowest(i + 1) : UINT64_MAX;

		if (!hist->buckets[i])
			continue;
		fprintf(out,
			"%s{\"from_ns\":%" PRIu64 ",\"to_ns\":%" PRIu64 ",\"count\":%" PRIu64 "}",
			comma, from_ns, to_ns, hist->buckets[i]);
		comma = ",";
	}
	fputc(']', out);
}
