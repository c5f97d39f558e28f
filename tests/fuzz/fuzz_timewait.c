// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A host's settings, what was in TIME_WAIT and rows, as the report of `timewait` and its JSON. */
#include <string.h>

#include "rows.h"
#include "view/timewait_json.h"
#include "view/timewait_report.h"

#define START_NS   1000000000000ULL
#define EVENTS_MAX 256

/* What ephemeral_read() may find. */
static void take_settings(struct input *input, struct timewait *tw)
{
	struct timewait_netns netns = { .inode = input_below(input, 4) };
	struct ephemeral *e = &netns.ephemeral;
	uint16_t a = input_u16(input), b = input_u16(input);

	netns.own = !netns.inode;
	input_take(input, netns.name, sizeof(netns.name) - 1);
	e->known = input_u8(input) & 1;
	e->low = 1 + (a < b ? a : b) % 65535;
	e->high = e->low + (UINT16_MAX - e->low) * input_u8(input) / 255;
	e->usable = e->high - e->low + 1;
	e->reserved = input_u16(input) % (e->usable + 1);
	e->usable -= e->reserved;
	e->tw_reuse = input_u8(input);
	e->timestamps = input_u8(input) & 1;
	e->tw_reuse_delay_ms = input_u32(input);
	e->fin_timeout_s = input_u32(input);
	e->max_tw_buckets = input_u32(input);
	timewait_set_netns(tw, &netns);
}

static void take_old(struct input *input, struct timewait *tw)
{
	struct timewait_old old = {
		.netns = input_below(input, 4),
		.family = input_u8(input) & 1 ? 6 : 4,
		.listens = input_below(input, 4),
		.lport = input_u16(input),
		.rport = input_u16(input),
		.left_ns = input_time_ns(input, 0),
	};

	input_take(input, old.laddr, sizeof(old.laddr));
	input_take(input, old.raddr, sizeof(old.raddr));
	timewait_add_old(tw, START_NS, &old);
}

static void take_row(struct input *input, struct timewait *tw, uint64_t *now_ns)
{
	struct tcpdwell_port_use use = {};
	struct tcpdwell_transition t;

	rows_take(input, &t);
	t.netns %= 4;
	t.time_ns = input_time_ns(input, *now_ns);
	if (t.time_ns > *now_ns)
		*now_ns = t.time_ns;
	use.scope = t.uid % 3;
	use.bound = t.pid % 2;
	use.low = t.holders;
	use.high = t.err;
	timewait_event(tw, &t, &use);
}

static void render(struct input *input, struct timewait *tw, uint64_t now_ns)
{
	static struct timewait_figures figures;
	struct timewait_scope scope = { .closed = input_u8(input) };
	struct summary summary = rows_take_summary(input);
	char *text = NULL;
	size_t len;
	FILE *out;

	timewait_figures(tw, now_ns, input_below(input, TIMEWAIT_TOP_MAX + 1), &figures);
	for (unsigned int i = 0; i < 2; i++) {
		out = open_memstream(&text, &len);
		CHECK(out);
		timewait_report(out, &figures, &scope, i ? &summary : NULL);
		CHECK(!fclose(out) && is_clean(text, len));
		free(text);
	}
	out = open_memstream(&text, &len);
	CHECK(out);
	timewait_json(out, &figures, &scope, &summary, input_u64(input));
	CHECK(!fclose(out) && is_clean(text, len) && is_json_lines(text, len));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct timewait *tw = timewait_new();
	uint64_t now_ns = START_NS;

	CHECK(tw);
	timewait_begin(tw, START_NS);
	for (unsigned int i = 0; i < EVENTS_MAX && input.left; i++) {
		switch (input_below(&input, 8)) {
		case 0:
			take_settings(&input, tw);
			break;
		case 1:
			take_old(&input, tw);
			break;
		case 2:
			render(&input, tw, now_ns);
			break;
		default:
			take_row(&input, tw, &now_ns);
		}
	}
	render(&input, tw, now_ns);
	timewait_free(tw);
	return 0;
}
