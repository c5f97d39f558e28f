// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "model/timewait.h"
#include "run/sink_timewait.h"
#include "host/timewait_start.h"
#include "view/screen.h"
#include "view/timewait_json.h"
#include "view/timewait_report.h"

struct timewait_sink {
	struct sink sink;
	struct style style;
	const struct options *options;
	struct text *text;
	struct timewait *tw;
	struct timewait_scope scope;
	struct screen *screen; /* NULL: not on a terminal */
	uint64_t shown_ns;     /* when the last frame was */
	struct timewait_figures figures;
};

static struct timewait_sink *sink_of(struct sink *sink)
{
	return (struct timewait_sink *)sink;
}

/*
 * Someone may be turning the knobs while the tool runs; only the own namespace's can be read then.
 */
static void read_settings_again(struct timewait_sink *ts)
{
	const struct timewait_netns *own = timewait_own_netns(ts->tw);
	struct timewait_netns again;

	if (!own)
		return;
	again = *own;
	if (!ephemeral_read(&again.ephemeral, ""))
		timewait_set_netns(ts->tw, &again);
}

/*
 * What there is to say, as text of @len bytes that the caller frees, NULL with errno set. @summary
 * is NULL while the tool runs.
 */
static char *render(struct timewait_sink *ts, uint64_t now_ns, const struct summary *summary,
		    size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (!out)
		return NULL;
	read_settings_again(ts);
	timewait_figures(ts->tw, now_ns, ts->options->top, &ts->figures);
	if (ts->options->format == FORMAT_JSON)
		timewait_json(out, &ts->figures, &ts->scope, summary,
			      clock_wall_ns(ts->style.clock, now_ns));
	else
		timewait_report(out, &ts->figures, &ts->scope, summary);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

static int show_frame(struct timewait_sink *ts, uint64_t now_ns)
{
	size_t len;
	char *text = render(ts, now_ns, NULL, &len);
	int err;

	if (!text)
		return -ENOMEM;
	err = screen_show(ts->screen, text, len);
	ts->shown_ns = now_ns;
	free(text);
	return err;
}

static int timewait_sink_start(struct sink *sink)
{
	struct timewait_sink *ts = sink_of(sink);
	uint64_t now_ns = clock_now_ns();

	timewait_begin(ts->tw, now_ns);
	timewait_look(ts->tw, &ts->options->filters, now_ns, &ts->scope);
	if (!ts->style.tty || ts->options->format != FORMAT_TABLE)
		return 0;
	ts->screen = screen_new(ts->style.fd, ts->text);
	return ts->screen ? 0 : -errno;
}

static int timewait_sink_event(struct sink *sink, const struct tcpdwell_transition *t)
{
	timewait_event(sink_of(sink)->tw, t);
	return 0;
}

static int timewait_sink_tick(struct sink *sink)
{
	struct timewait_sink *ts = sink_of(sink);
	uint64_t now_ns;

	if (!ts->screen)
		return 0;
	now_ns = clock_now_ns();
	return now_ns - ts->shown_ns < ts->options->interval_ns ? 0 : show_frame(ts, now_ns);
}

static int timewait_sink_finish(struct sink *sink, const struct summary *summary)
{
	struct timewait_sink *ts = sink_of(sink);
	size_t len;
	char *text;
	int err;

	screen_free(ts->screen);
	ts->screen = NULL;
	text = render(ts, clock_now_ns(), summary, &len);
	if (!text)
		return -ENOMEM;
	err = text_put(ts->text, text, len) ?: text_flush(ts->text);
	free(text);
	return err;
}

static void timewait_sink_free(struct sink *sink)
{
	struct timewait_sink *ts = sink_of(sink);

	if (!sink)
		return;
	screen_free(ts->screen);
	timewait_free(ts->tw);
	text_free(ts->text);
	free(ts);
}

static const struct sink_ops timewait_sink_ops = {
	.start = timewait_sink_start,
	.event = timewait_sink_event,
	.tick = timewait_sink_tick,
	.finish = timewait_sink_finish,
	.free = timewait_sink_free,
};

struct sink *sink_timewait_new(const struct style *style, const struct options *options)
{
	struct timewait_sink *ts = calloc(1, sizeof(*ts));

	if (!ts)
		return NULL;
	ts->sink.ops = &timewait_sink_ops;
	ts->style = *style;
	ts->options = options;
	ts->tw = timewait_new();
	ts->text = text_new(style->fd, TEXT_REPORT_BYTES, style->stop_fd);
	if (ts->tw && ts->text)
		return &ts->sink;
	timewait_sink_free(&ts->sink);
	return NULL;
}
