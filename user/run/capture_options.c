// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/capture_options.h"

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
		.ring_bytes = options->ring_bytes,
		.rings = options->rings,
		.max_sockets = options->max_sockets,
		.backend = options->backend,
	};
}
