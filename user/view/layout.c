// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <limits.h>

#include "view/layout.h"
#include "view/sink.h"

/* The least width of the last columns: a reason fits in one of its forms. */
#define LAST_WIDTH (CLOSED_WIDTH + SHORT_REASON_WIDTH)

/* Returns the number of columns before FROM. */
static unsigned int lead_width(const struct style *style, const struct layout *layout)
{
	unsigned int width = PID_WIDTH + 1 + layout->comm + 1 + layout->local + 1 + layout->remote +
			     1 + DWELL_WIDTH + 1;

	if (style->wall_time)
		width += (layout->compact ? SHORT_TIME_WIDTH : TIME_WIDTH) + 1;
	if (style->since_start)
		width += (layout->compact ? SHORT_SECONDS_WIDTH : SECONDS_WIDTH) + 1;
	return width;
}

static struct layout layout_wide(void)
{
	return (struct layout){
		.errnos = true,
		.limit = UINT_MAX,
		.comm = COMM_WIDTH,
		.local = IPV6_WIDTH,
		.remote = IPV6_WIDTH,
	};
}

/* In a file nothing is cut, and there is room for each errno. */
static struct layout layout_full(void)
{
	return (struct layout){
		.errnos = true,
		.limit = UINT_MAX,
		.comm = COMM_WIDTH,
		.local = IPV4_WIDTH,
		.remote = IPV4_WIDTH,
	};
}

/*
 * Uses the spare columns in this order: the states, the reason's short name and half of comm, the
 * rest of comm, the local address. What does not fit is left out.
 */
static struct layout layout_compact(const struct style *style)
{
	enum { STATES = 18, REASON = 24, COMM_MIN = 8 };
	struct layout layout = {
		.compact = true,
		.errnos = true,
		.limit = style->columns,
		.comm = 0,
		.local = PORT_WIDTH,
		.remote = IPV4_WIDTH,
	};
	unsigned int lead = lead_width(style, &layout);
	unsigned int spare;

	if (lead + COMM_MIN + REASON <= style->columns)
		spare = style->columns - lead - REASON;
	else if (lead + COMM_MIN + STATES <= style->columns)
		spare = style->columns - lead - STATES;
	else
		spare = COMM_MIN;
	layout.comm = spare < COMM_WIDTH ? spare : COMM_WIDTH;
	if (spare - layout.comm >= IPV4_WIDTH - PORT_WIDTH)
		layout.local = IPV4_WIDTH;
	return layout;
}

struct layout layout_for(const struct style *style)
{
	struct layout layout = layout_full();

	if (style->wide)
		return layout_wide();
	if (!style->tty || !style->columns)
		return layout;
	if (style->columns < lead_width(style, &layout) + LAST_WIDTH)
		return layout_compact(style);
	layout.limit = style->columns;
	return layout;
}
