// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Rows as a table: any record, in any style. */
#include "rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	rows_render(data, size, sink_table_new, NULL);
	return 0;
}
