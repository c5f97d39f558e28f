// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The text of /proc/PID/cgroup, and a path as it stands there. */
#include <string.h>

#include "host/container.h"
#include "input.h"

static void check(const struct container *container)
{
	const char *const texts[] = { container->unit,	       container->id,	   container->name,
				      container->inner_unit,   container->pod_uid, container->pod,
				      container->pod_namespace };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		CHECK(memchr(texts[i], 0, CONTAINER_TEXT_BYTES));
	CHECK(memchr(container->short_id, 0, CONTAINER_SHORT_BYTES));
	CHECK(!container->id[0] || !container->name[0]);
	CHECK(!container->id[0] == !container->short_id[0]);
	CHECK(container->foreign <= 1);
	CHECK(*container_label(container) || !container->inner_unit[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	char *text = input_text(&input);
	struct container container;

	container_of_path(&container, text);
	check(&container);
	container_of_text(&container, text);
	check(&container);
	free(text);
	return 0;
}
