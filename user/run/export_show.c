// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/http_server.h"
#include "host/ready.h"
#include "host/textfile.h"
#include "run/export_inside.h"
#include "view/otlp.h"
#include "view/prometheus.h"

struct page {
	char *text;
	size_t len;
};

static int render(const struct exporter *x, bool openmetrics, struct page *page)
{
	FILE *out = open_memstream(&page->text, &page->len);
	int err = out ? prometheus_print(out, x->export, openmetrics) : -errno;

	if (out && fclose(out) && !err)
		err = -errno;
	if (err) {
		free(page->text);
		*page = (struct page){};
	}
	return err;
}

/* A disk that is full may have room again; that is said once. */
static int write_file(struct session *session, const struct page *page)
{
	struct exporter *x = session->model;
	int err = textfile_write(x->textfile, page->text, page->len);

	if (err == -EOWNERDEAD)
		return failure_set(session->failure, STATUS_OTHER,
				   "--textfile: the process that writes it has ended, or hangs");
	if (err && err != x->file_err)
		notice_print(session->notice, NOTICE_WARNING, "--textfile: %s: the old one stays",
			     strerror(-err));
	x->file_err = err;
	return 0;
}

/* Gives the server both formats; @text is the caller's to free if that fails. */
static int publish(const struct exporter *x, const struct page *text)
{
	struct page openmetrics = {};
	int err = render(x, true, &openmetrics);

	if (!err)
		err = http_server_publish(x->server,
					  &(struct http_page){ text->text, text->len,
							       openmetrics.text, openmetrics.len });
	if (err)
		free(openmetrics.text);
	return err;
}

/* To standard output. What becomes of that is for the session to see. */
static int write_otlp(struct session *session)
{
	const struct exporter *x = session->model;
	const struct otlp_metrics metrics = {
		.host = x->host,
		.clock = session->clock,
		.start_ns = session->start_ns,
		.now_ns = x->looked_ns,
	};
	struct text *text = output_text(session->output);
	int err = otlp_metrics_print(text, x->export, &metrics);

	text_flush(text);
	return output_error(session->output) ? 0 : err;
}

/* To the file and to the server. */
static int write_prometheus(struct session *session)
{
	struct exporter *x = session->model;
	struct page text = {};
	int err = render(x, false, &text);

	if (!err && x->textfile && write_file(session, &text))
		err = -ECANCELED;
	if (!err && x->server)
		err = publish(x, &text);
	if (err || !x->server)
		free(text.text);
	return err;
}

int exporter_show(struct session *session)
{
	struct exporter *x = session->model;
	int err = x->textfile || x->server ? write_prometheus(session) : 0;

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
