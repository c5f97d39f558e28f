// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>
#include <strings.h>

#include "base/http.h"

struct span {
	const char *at;
	size_t len;
};

/*
 * Takes the bytes before @byte off the front of @from, which then begins behind that byte. Takes
 * all if there is none.
 */
static struct span take_until(struct span *from, char byte)
{
	const char *found = from->len ? memchr(from->at, byte, from->len) : NULL;
	struct span taken = { from->at, found ? (size_t)(found - from->at) : from->len };
	size_t gone = taken.len + (found != NULL);

	from->at += gone;
	from->len -= gone;
	return taken;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span trimmed(struct span text)
{
	while (text.len && is_blank(*text.at)) {
		text.at++;
		text.len--;
	}
	while (text.len && is_blank(text.at[text.len - 1]))
		text.len--;
	return text;
}

static bool is(struct span text, const char *word)
{
	return text.len == strlen(word) && !strncasecmp(text.at, word, text.len);
}

/*
 * Returns a quality in thousandths, with as many digits as RFC 9110 allows. Returns 1000 if it is
 * none.
 */
static unsigned int quality_of(struct span text)
{
	unsigned int value = 0, unit = 1000;

	if (!text.len || (text.at[0] != '0' && text.at[0] != '1'))
		return 1000;
	value = (text.at[0] - '0') * unit;
	for (size_t i = 2; i < text.len && i < 5 && text.at[1] == '.'; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			break;
		unit /= 10;
		value += (text.at[i] - '0') * unit;
	}
	return value < 1000 ? value : 1000;
}

/* How much a client likes a format, in thousandths. */
struct liked {
	unsigned int openmetrics;
	unsigned int text;
	unsigned int text_wild;
	unsigned int any;
};

static void grow(unsigned int *liked, unsigned int quality)
{
	if (quality > *liked)
		*liked = quality;
}

/* Takes one media range with its parameters. Other versions of OpenMetrics are not served. */
static void take_range(struct span range, struct liked *liked)
{
	struct span type = trimmed(take_until(&range, ';'));
	unsigned int quality = 1000;
	bool served = true;

	while (range.len) {
		struct span parameter = take_until(&range, ';');
		struct span name = trimmed(take_until(&parameter, '='));

		if (is(name, "q"))
			quality = quality_of(trimmed(parameter));
		if (is(name, "version"))
			served = is(trimmed(parameter), "1.0.0");
	}
	if (is(type, "application/openmetrics-text") && served)
		grow(&liked->openmetrics, quality);
	else if (is(type, "text/plain"))
		grow(&liked->text, quality);
	else if (is(type, "text/*"))
		grow(&liked->text_wild, quality);
	else if (is(type, "*/*"))
		grow(&liked->any, quality);
}

/*
 * Returns true if @accept names OpenMetrics, and likes it as much as the text format, or better.
 */
static bool likes_openmetrics(struct span accept)
{
	struct liked liked = { 0 };

	while (accept.len)
		take_range(take_until(&accept, ','), &liked);
	return liked.openmetrics && liked.openmetrics >= (liked.text		  ?:
								  liked.text_wild ?:
										    liked.any);
}

static void set_path(struct http_request *request, struct span target)
{
	struct span path = take_until(&target, '?');

	if (path.len < sizeof(request->path) && !memchr(path.at, '\0', path.len))
		memcpy(request->path, path.at, path.len);
}

/* Reads METHOD TARGET HTTP/1.x. */
static bool take_request_line(struct span line, struct http_request *request)
{
	struct span method = take_until(&line, ' ');
	struct span target = take_until(&line, ' ');
	struct span version = trimmed(line);

	if (!method.len || !target.len || version.len != 8 || memcmp(version.at, "HTTP/1.", 7) != 0)
		return false;
	request->method = HTTP_OTHER;
	if (method.len == 3 && !memcmp(method.at, "GET", 3))
		request->method = HTTP_GET;
	if (method.len == 4 && !memcmp(method.at, "HEAD", 4))
		request->method = HTTP_HEAD;
	set_path(request, target);
	return true;
}

/* Returns where the empty line begins that ends a head, or NULL if it is not there yet. */
static const char *end_of_head(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != '\n')
			continue;
		if (i + 1 < len && bytes[i + 1] == '\n')
			return bytes + i + 1;
		if (i + 2 < len && bytes[i + 1] == '\r' && bytes[i + 2] == '\n')
			return bytes + i + 1;
	}
	return NULL;
}

enum http_outcome http_parse(const char *bytes, size_t len, struct http_request *request)
{
	const char *end = end_of_head(bytes, len);
	struct span head = { bytes, end ? (size_t)(end - bytes) : len }, line;

	*request = (struct http_request){ .method = HTTP_OTHER };
	if (!end)
		return len >= HTTP_HEAD_BYTES ? HTTP_BAD : HTTP_MORE;
	line = take_until(&head, '\n');
	if (!take_request_line(line, request))
		return HTTP_BAD;
	while (head.len) {
		line = take_until(&head, '\n');
		if (is(take_until(&line, ':'), "accept"))
			request->openmetrics |= likes_openmetrics(line);
	}
	return HTTP_READY;
}
