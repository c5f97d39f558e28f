/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Parses the head of a scraper's HTTP/1.x request (RFC 9112). It looks at the method, the path and
 * what the scraper accepts. Pure, any thread. The bytes may be anything.
 */
#ifndef TCPDWELL_HTTP_H
#define TCPDWELL_HTTP_H

#include <stdbool.h>
#include <stddef.h>

/* A longer head is refused. */
#define HTTP_HEAD_BYTES 8192

enum http_outcome {
	HTTP_MORE,  /* the head is not complete yet */
	HTTP_READY, /* the request is filled */
	HTTP_BAD,   /* this is no request */
};

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OTHER };

struct http_request {
	enum http_method method;
	char path[32];	  /* without a query; empty: longer than any path that is served */
	bool openmetrics; /* liked, in version 1.0.0, as much as the text format, or better */
};

enum http_outcome http_parse(const char *bytes, size_t len, struct http_request *request);

#endif /* TCPDWELL_HTTP_H */
