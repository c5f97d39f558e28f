// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Bytes of the ring, or of a file, as a record. */
#include <string.h>

#include "base/decode.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tcpdwell_transition t;

	if (decode_record(data, size, &t) != DECODED_TRANSITION)
		return 0;
	CHECK(t.from && t.from < TCPDWELL_STATE_MAX && t.to && t.to < TCPDWELL_STATE_MAX);
	CHECK(t.family == 4 || t.family == 6);
	CHECK(t.owner < TCPDWELL_OWNER_MAX && t.reason < TCPDWELL_REASON_MAX);
	CHECK(memchr(t.comm, 0, sizeof(t.comm)));
	return 0;
}
