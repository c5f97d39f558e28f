// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An answer of NETLINK_SOCK_DIAG. */
#include "host/sockdiag.h"
#include "input.h"

static int visit(void *context, const struct sockdiag_socket *socket)
{
	size_t *count = context;

	CHECK(socket->family == 4 || socket->family == 6);
	++*count;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	size_t len, count = 0;
	uint8_t *answer = input_rest(&input, &len);
	int end = sockdiag_parse(answer, len, 1000, visit, &count);

	CHECK(end <= 1);
	free(answer);
	return 0;
}
