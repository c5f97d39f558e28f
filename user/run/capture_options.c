// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/capture_options.h"

/* 140 000 records: half a second of a very busy host. */
#define RING_BYTES (16U << 20)

void capture_from_options(struct capture *capture, const struct options *options)
{
	*capture = (struct capture){
		.filters = options->filters,
		.program = options->program,
		.kernel_view = options->kernel_view,
		/* A table has no room for cgroups unless it is wide. */
		.cgroups = options->wide || options->format != FORMAT_TABLE ||
			   filters_have_names(&options->filters),
		.sockets = options->no_snapshot ? CAPTURE_SOCKETS_NONE : CAPTURE_SOCKETS_NOTED,
		.ring_bytes = options->ring_bytes ?: RING_BYTES,
		.rings = options->rings,
		.max_sockets = options->max_sockets,
		.backend = options->backend,
	};
}

void capture_expect_few(struct capture *capture, const struct options *options)
{
	if (!options->ring_bytes)
		capture->ring_bytes = RING_BYTES / 2;
}
