// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/http_server.h"
#include "host/ready.h"
#include "host/textfile.h"
#include "run/export_inside.h"
#include "view/otlp.h"
#include "view/prometheus.h"

/*
 * A buffer in memory that grows in small steps: a page may be several megabytes, so doubling its
 * size would waste too much.
 */
struct page {
	char *text;
	size_t len, room;
	bool failed;
};

#define PAGE_STEP_BYTES (128 * 1024)

static ssize_t page_write(void *cookie, const char *bytes, size_t len)
{
	struct page *page = cookie;

	if (page->len + len > page->room) {
		size_t room = page->len + len + PAGE_STEP_BYTES;
		char *text = realloc(page->text, room);

		if (!text) {
			page->failed = true;
			return 0;
		}
		page->text = text;
		page->room = room;
	}
	memcpy(page->text + page->len, bytes, len);
	page->len += len;
	return len;
}

/* Answers only where the stream is; it does not move it. */
static int page_seek(void *cookie, off64_t *offset, int whence)
{
	const struct page *page = cookie;

	if (whence != SEEK_CUR || *offset)
		return -1;
	*offset = page->len;
	return 0;
}

/* Opens @page for writing. Returns NULL with errno set, as fopen(3) does. */
static FILE *page_open(struct page *page)
{
	static const cookie_io_functions_t functions = { .write = page_write, .seek = page_seek };

	*page = (struct page){};
	return fopencookie(page, "w", functions);
}

/*
 * Closes @out, which was printed to with the result @err. If either failed, it frees the text of
 * @page. Returns 0 or -errno.
 */
static int page_close(struct page *page, FILE *out, int err)
{
	if (fclose(out) && !err)
		err = -errno;
	if (page->failed)
		err = -ENOMEM;
	if (err) {
		free(page->text);
		*page = (struct page){};
	}
	return err;
}

/*
 * Writes the text file. A write that fails is reported once and is no reason to end: a full disk
 * may have room again later.
 */
static int write_file(struct session *session, const struct page *page)
{
	struct exporter *x = session->model;
	int err = textfile_write(x->textfile, page->text, page->len);

	if (err == -EOWNERDEAD) {
		failure_set(session->failure, STATUS_OTHER,
			    "--textfile: the process that writes it has ended, or hangs");
		return -ECANCELED;
	}
	if (err && err != x->file_err)
		notice_print(session->notice, NOTICE_WARNING, "--textfile: %s: %s", strerror(-err),
			     err == -ENOENT ? "the folder is gone" : "the old one stays");
	x->file_err = err;
	return 0;
}

static int replace_file(struct session *session)
{
	const struct exporter *x = session->model;
	struct page page;
	FILE *out = page_open(&page);
	int err = out ? page_close(&page, out, prometheus_print(out, x->export, false)) : -errno;

	if (!err)
		err = write_file(session, &page);
	free(page.text);
	return err;
}

static void add_piece(struct http_body *body, size_t at, size_t end)
{
	body->pieces[body->count++] = (struct http_piece){ at, end - at };
}

/* Takes both formats out of @page: each has heads of its own, and both share the samples. */
static struct http_page take_apart(const struct page *page, const struct prometheus_part *parts,
				   unsigned int count)
{
	struct http_page shown = { .text = page->text };
	size_t at = 0;

	for (unsigned int i = 0; i < count; i++) {
		const struct prometheus_part *part = &parts[i];

		add_piece(&shown.plain, at, part->text_end);
		add_piece(&shown.plain, part->openmetrics_end, part->samples_end);
		add_piece(&shown.openmetrics, part->text_end, part->samples_end);
		at = part->samples_end;
	}
	add_piece(&shown.openmetrics, at, page->len);
	return shown;
}

_Static_assert(HTTP_PIECES > 2 * PROMETHEUS_PARTS, "each part is two pieces, and there is an end");

/* Gives both formats to the server. */
static int publish(const struct exporter *x)
{
	struct prometheus_part parts[PROMETHEUS_PARTS];
	struct http_page shown;
	struct page page;
	FILE *out = page_open(&page);
	int count = out ? prometheus_print_both(out, x->export, parts) : -errno;
	int err = out ? page_close(&page, out, count < 0 ? count : 0) : count;

	if (err)
		return err;
	shown = take_apart(&page, parts, count);
	err = http_server_publish(x->server, &shown);
	if (err)
		free(page.text);
	return err;
}

/* Writes the metrics to standard output. The session itself notices errors of the output. */
static int write_otlp(struct session *session)
{
	struct exporter *x = session->model;
	struct text *text = output_text(session->output);
	struct otlp_metrics metrics = {
		.host = x->host,
		.clock = session->clock,
		.start_ns = session->start_ns,
		.now_ns = x->looked_ns,
	};
	int err;

	if (!x->start_wall_ns)
		x->start_wall_ns = clock_wall_ns(session->clock, session->start_ns);
	metrics.start_wall_ns = x->start_wall_ns;
	err = otlp_metrics_print(text, x->export, &metrics);
	text_flush(text);
	return output_error(session->output) ? 0 : err;
}

int exporter_show(struct session *session)
{
	struct exporter *x = session->model;
	int err = x->textfile ? replace_file(session) : 0;

	if (!err && x->server)
		err = publish(x);
	if (!err && session->options->format == FORMAT_OTLP)
		err = write_otlp(session);
	if (err)
		return err == -ECANCELED ?
			       -1 :
			       failure_errno(session->failure, "cannot write the metrics", -err);
	ready_tell(x->ready);
	if (x->ready >= 0)
		close(x->ready);
	x->ready = -1;
	return 0;
}
