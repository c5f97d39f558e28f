// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the kernel side has summed, as a report of `stat` and as its JSON. */
#include <string.h>

#include "input.h"
#include "view/stat_json.h"
#include "view/stat_report.h"

#define ELEMENTS_MAX 128

static void take_elements(struct input *input, struct stat_table *table)
{
	for (unsigned int i = 0; i < ELEMENTS_MAX && input->left; i++) {
		struct tcpdwell_stat_key key;
		struct tcpdwell_stat stat = { 0 };

		input_take(input, &key, sizeof(key));
		key.state %= TCPDWELL_STATE_MAX;
		/* One bucket, or all of them. */
		stat.max_ns = input_u64(input);
		if (input_u8(input) & 1)
			input_take(input, stat.counts, sizeof(stat.counts));
		else
			stat.counts[input_below(input, TCPDWELL_STAT_BUCKETS)] = input_u64(input);
		CHECK(!stat_table_add(table, &key, &stat));
	}
}

static void render(const struct stat_view *view, const struct stat_style *style)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	CHECK(out && !stat_report(out, view, style) && !fclose(out));
	CHECK(is_clean(text, len));
	free(text);
	out = open_memstream(&text, &len);
	CHECK(out && !stat_json(out, view) && !fclose(out));
	CHECK(is_clean(text, len) && is_json_lines(text, len));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint8_t flags = input_u8(&input);
	struct stat_style style = {
		.columns = flags & 1 ? 80 : STAT_WIDE,
		.histogram = flags & 2,
		.utc = flags & 4,
		.top = input_u8(&input),
	};
	struct stat_view view = {
		.by = input_below(&input, TCPDWELL_BY_STATE + 1),
		.prefix4 = input_below(&input, 33),
		.prefix6 = input_below(&input, 129),
		.span_ns = input_u64(&input),
		.now_ns = input_u64(&input),
		.wall_ns = input_u64(&input),
		.lost = input_u64(&input),
	};

	view.table = stat_table_new(1 + input_u8(&input), view.by);
	CHECK(view.table);
	take_elements(&input, view.table);
	render(&view, &style);
	stat_table_free(view.table);
	return 0;
}
