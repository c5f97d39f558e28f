/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a scraper asks: the head of a request of HTTP/1.x (RFC 9112), of which the method, the path
 * and what it accepts are looked at. Pure, any thread. The bytes may be anything.
 */
#ifndef TCPDWELL_HTTP_H
#define TCPDWELL_HTTP_H

#include <stdbool.h>
#include <stddef.h>

/* A head that is longer is refused. */
#define HTTP_HEAD_BYTES 8192

enum http_outcome {
	HTTP_MORE,  /* the head goes on */
	HTTP_READY, /* the request is filled */
	HTTP_BAD,   /* it is no request */
};

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OTHER };

struct http_request {
	enum http_method method;
	char path[32];	  /* without a query; empty: longer than any that is served */
	bool openmetrics; /* it likes OpenMetrics as much as the text format, or better */
};

enum http_outcome http_parse(const char *bytes, size_t len, struct http_request *request);

#endif /* TCPDWELL_HTTP_H */
