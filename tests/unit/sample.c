// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE /* memfd_create() */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/text.h"
#include "sample.h"

#define NS_PER_S 1000000000ULL

struct tcpdwell_transition sample_row(void)
{
	struct tcpdwell_transition t = {
		.kind = TCPDWELL_TRANSITION,
		.size = sizeof(t),
		.from = TCPDWELL_ESTABLISHED,
		.to = TCPDWELL_CLOSE_WAIT,
		.family = 4,
		.source = TCPDWELL_SOURCE_TRACEPOINT,
		.time_ns = 12 * NS_PER_S + 345,
		.dwell_ns = 3200000,
		.cookie = 4097,
		.netns = 4026531840U,
		.pid = 1234,
		.uid = 33,
		.dwell = TCPDWELL_DWELL_EXACT,
		.owner = TCPDWELL_OWNER_ACCEPT,
		.lport = 443,
		.rport = 50000,
		.comm = "nginx",
		.laddr = { 192, 0, 2, 1 },
		.raddr = { 198, 51, 100, 7 },
	};

	return t;
}

struct clock *sample_clock(void)
{
	struct clock *clock = clock_new();

	assert_non_null(clock);
	clock_sample(clock, 12 * NS_PER_S, 1709251198 * NS_PER_S, 12 * NS_PER_S);
	clock_set_start(clock, 10 * NS_PER_S);
	return clock;
}

struct style sample_style(const struct clock *clock)
{
	struct style style = { .clock = clock };
	int fd = memfd_create("rows", MFD_CLOEXEC);

	assert_true(fd >= 0);
	style.text = text_new(fd, TEXT_ROWS_BYTES, NULL);
	assert_non_null(style.text);
	return style;
}

void sample_style_end(struct style *style)
{
	close(text_fd(style->text));
	text_free(style->text);
}

char *sample_read(int fd)
{
	struct stat st;
	char *text;

	assert_int_equal(fstat(fd, &st), 0);
	text = malloc(st.st_size + 1);
	assert_non_null(text);
	assert_int_equal(pread(fd, text, st.st_size, 0), st.st_size);
	text[st.st_size] = '\0';
	return text;
}

int sample_set_up(void **state)
{
	struct sample *sample = malloc(sizeof(*sample));

	sample->clock = sample_clock();
	sample->style = sample_style(sample->clock);
	*state = sample;
	return 0;
}

int sample_tear_down(void **state)
{
	struct sample *sample = *state;

	sample_style_end(&sample->style);
	clock_free(sample->clock);
	free(sample);
	return 0;
}

static char *render(struct sink *(*make)(const struct style *style), const struct style *style,
		    const struct tcpdwell_transition *rows, const struct names *names, size_t count,
		    const struct summary *summary)
{
	struct sink *sink = make(style);
	int fd = text_fd(style->text);

	assert_non_null(sink);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(sink->ops->start(sink), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(sink->ops->event(sink, &rows[i], names ? &names[i] : NULL), 0);
	if (summary)
		assert_int_equal(sink->ops->finish(sink, summary), 0);
	else
		assert_int_equal(sink->ops->tick(sink), 0);
	sink->ops->free(sink);
	return sample_read(fd);
}

char *sample_render(struct sink *(*make)(const struct style *style), const struct style *style,
		    const struct tcpdwell_transition *rows, size_t count,
		    const struct summary *summary)
{
	return render(make, style, rows, NULL, count, summary);
}

char *sample_render_named(struct sink *(*make)(const struct style *style),
			  const struct style *style, const struct tcpdwell_transition *rows,
			  const struct names *names, size_t count)
{
	return render(make, style, rows, names, count, NULL);
}
