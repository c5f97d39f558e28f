// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A request of a scraper, whole and in two pieces. */
#include <string.h>

#include "base/http.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	size_t len;
	char *bytes = (char *)input_rest(&input, &len);
	struct http_request request, half;
	enum http_outcome outcome = http_parse(bytes, len, &request);

	CHECK(memchr(request.path, '\0', sizeof(request.path)));
	CHECK(request.method <= HTTP_OTHER && outcome <= HTTP_BAD);
	CHECK(outcome != HTTP_MORE || len < HTTP_HEAD_BYTES);
	/* Each piece that has the whole head must give the same result. */
	if (http_parse(bytes, len / 2, &half) == HTTP_READY)
		CHECK(outcome == HTTP_READY && !strcmp(half.path, request.path) &&
		      half.method == request.method && half.openmetrics == request.openmetrics);
	free(bytes);
	return 0;
}
