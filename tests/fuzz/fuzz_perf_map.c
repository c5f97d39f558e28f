// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* /tmp/perf-PID.map; the first eight bytes of the input are the address to look up. */
#include <string.h>

#include "host/perf_map.h"
#include "input.h"

#define NAME_BYTES 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint64_t address = input_u64(&input), into = 0;
	int fd = input_file(input.at, input.left);
	char *name = malloc(NAME_BYTES), *line;
	size_t len;

	CHECK(name && !perf_map_find(fd, address, name, NAME_BYTES, &into));
	CHECK(memchr(name, 0, NAME_BYTES));
	line = (char *)input_rest(&input, &len);
	if (perf_map_line(line, len, address, name, NAME_BYTES, &into))
		CHECK(memchr(name, 0, NAME_BYTES) && into <= address);
	free(line);
	free(name);
	return 0;
}
