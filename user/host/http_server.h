/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Serves the page that was last published to whoever asks for it, from a thread of its own that
 * never asks the kernel for anything but bytes. /metrics is the page, /healthz says whether the
 * page is new enough, and / says what there is.
 *
 * It speaks HTTP/1.x without TLS, with one request a connection. It uses no library: the one that
 * was tried brings TLS and ten more libraries, 6 MB, into each process that root runs, and cannot
 * be linked statically. base/http.h parses as much of HTTP as is needed.
 *
 * All is bounded: HTTP_SERVER_CONNECTIONS at a time, 8 KiB of a request, five seconds to send it,
 * ten to read the answer. If all places are taken, the connection that has been silent for longest
 * is closed.
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

/* Room for the head and the samples of each metric, in one format. */
#define HTTP_PIECES 64

/* A body consists of so many pieces of a text. */
struct http_body {
	unsigned int count;
	struct http_piece pieces[HTTP_PIECES];
};

/*
 * A page in both formats, which have most bytes in common. @text was allocated by malloc(). The
 * server takes it over.
 */
struct http_page {
	char *text;
	struct http_body plain;
	struct http_body openmetrics;
};

struct http_server;

/*
 * Starts the thread, with the privileges of a thread of privilege.h. The server takes over
 * @listener. A page that is older than @fresh_ns is not healthy. Returns NULL with errno set, and
 * has then closed the listener.
 */
struct http_server *http_server_new(int listener, uint64_t fresh_ns);

/* Ends the thread and its connections. NULL-safe. */
void http_server_free(struct http_server *server);

/* Replaces the page. A page that is being sent is sent to its end. Returns 0 or -ENOMEM. */
int http_server_publish(struct http_server *server, const struct http_page *page);

#endif /* TCPDWELL_HTTP_SERVER_H */
