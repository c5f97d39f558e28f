/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Serves the last page that was published, to whoever asks for it, from a thread of its own that
 * never asks the kernel for anything but bytes. /metrics is the page, /healthz says whether it is
 * new enough, / says what there is.
 *
 * HTTP/1.x without TLS, one request a connection. There is no library in between: the one that was
 * tried brings TLS and ten more libraries into each process that root runs, 6 MB, and cannot be
 * linked statically; what is needed of HTTP is base/http.h.
 *
 * All is bounded: HTTP_SERVER_CONNECTIONS at a time, 8 KiB of a request, five seconds to say it,
 * ten to read the answer. Where all places are taken, the one that has been silent for the longest
 * makes room.
 */
#ifndef TCPDWELL_HTTP_SERVER_H
#define TCPDWELL_HTTP_SERVER_H

#include <stddef.h>
#include <stdint.h>

#define HTTP_SERVER_CONNECTIONS 64

/* A range of bytes. */
struct http_piece {
	size_t at;
	size_t len;
};

/* Room for the heads and the samples of each metric, in one format. */
#define HTTP_PIECES 64

/* A body is that many pieces of a text. */
struct http_body {
	unsigned int count;
	struct http_piece pieces[HTTP_PIECES];
};

/*
 * In both formats, which have most of their bytes in common: @text was allocated by malloc(), and
 * becomes the server's.
 */
struct http_page {
	char *text;
	struct http_body plain;
	struct http_body openmetrics;
};

struct http_server;

/*
 * Starts the thread with the privileges of those of privilege.h. @listener becomes the server's. A
 * page that is older than @fresh_ns is not healthy. Returns NULL with errno set; then the listener
 * is closed.
 */
struct http_server *http_server_new(int listener, uint64_t fresh_ns);

/* Ends the thread and what it serves. NULL-safe. */
void http_server_free(struct http_server *server);

/* Replaces the page; those that are being sent are sent to their end. Returns 0 or -ENOMEM. */
int http_server_publish(struct http_server *server, const struct http_page *page);

#endif /* TCPDWELL_HTTP_SERVER_H */
