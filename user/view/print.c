// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/escape.h"
#include "base/put.h"
#include "base/tcpstate.h"
#include "base/text.h"
#include "view/print.h"
#include "wire.h"

/* Longer text is escaped in pieces of this many bytes, so that the escaped piece fits. */
#define PIECE_BYTES 64

void print_age(FILE *out, uint64_t ns, uint8_t worth, unsigned int width)
{
	char text[64 + TEXT_SLACK_BYTES];
	unsigned int columns;
	char *end = put_dwell_right(text, worth, ns, width, &columns);

	fprintf(out, "%.*s", (int)(end - text), text);
}

void duration_text(char *text, size_t size, uint64_t ns)
{
	char digits[16 + TEXT_SLACK_BYTES];
	unsigned int columns;
	char *end = put_duration(digits, ns, DURATION_DOWN, &columns);

	snprintf(text, size, "%.*s", (int)(end - digits), digits);
}

void print_bounds(FILE *out, struct age age, const char *to, unsigned int width)
{
	char least[32], most[32], text[80];

	duration_text(least, sizeof(least), age.least_ns);
	duration_text(most, sizeof(most), age.most_ns == AGE_UNBOUNDED ? 0 : age.most_ns);
	if (age.most_ns == AGE_UNBOUNDED)
		snprintf(text, sizeof(text), age.least_ns ? ">%s" : "-", least);
	else if (!strcmp(least, most))
		snprintf(text, sizeof(text), "%s", least);
	else if (!age.least_ns)
		snprintf(text, sizeof(text), "<%s", most);
	else
		snprintf(text, sizeof(text), "%s%s%s", least, to, most);
	fprintf(out, "%*s", (int)width, text);
}

void print_duration(FILE *out, uint64_t ns, unsigned int width)
{
	print_age(out, ns, TCPDWELL_DWELL_EXACT, width);
}

void print_least(FILE *out, uint64_t ns)
{
	char text[DURATION_TEXT_BYTES];

	duration_text(text, sizeof(text), ns);
	fputs(text, out);
}

void print_text(FILE *out, const char *text, unsigned int width)
{
	char piece[ESCAPE_TEXT_BYTES * PIECE_BYTES + TEXT_SLACK_BYTES];
	size_t len = strlen(text);
	unsigned int columns = 0;
	char *end;

	if (width) {
		end = put_escaped_cut(piece, text, len, width < PIECE_BYTES ? width : PIECE_BYTES,
				      &columns);
		fprintf(out, "%.*s%*s", (int)(end - piece), piece,
			columns < width ? (int)(width - columns) : 0, "");
		return;
	}
	while (len) {
		size_t part = len < PIECE_BYTES ? len : PIECE_BYTES;

		/* A piece must not end within a character, which has at most four bytes. */
		for (size_t i = 0; i < 3 && part < len && (text[part] & 0xc0) == 0x80; i++)
			part--;
		end = put_escaped(piece, text, part, &columns);
		fprintf(out, "%.*s", (int)(end - piece), piece);
		text += part;
		len -= part;
	}
}

char *put_end(char *p, unsigned int family, const uint8_t *addr, uint16_t port)
{
	p = put_char(put_host(p, family, addr), ':');
	return port ? put_u16(p, port) : put_char(p, '*');
}

void print_end(FILE *out, unsigned int family, const uint8_t *addr, uint16_t port,
	       unsigned int width)
{
	char text[64 + TEXT_SLACK_BYTES], *p = put_end(text, family, addr, port);

	fprintf(out, "%.*s%*s", (int)(p - text), text,
		(size_t)(p - text) < width ? (int)(width - (p - text)) : 0, "");
}

void print_json_string(FILE *out, const char *text)
{
	char *json;
	size_t len;

	if (!text) {
		fputs("null", out);
		return;
	}
	len = strlen(text);
	json = malloc(2 + ESCAPE_JSON_BYTES * len + TEXT_SLACK_BYTES);
	if (!json) {
		fputs("null", out);
		return;
	}
	fprintf(out, "%.*s", (int)(put_json(json, text, len) - json), json);
	free(json);
}

void print_json_age(FILE *out, const char *name, struct age age)
{
	uint8_t worth = age_worth(age);

	if (worth == TCPDWELL_DWELL_UNKNOWN)
		fprintf(out, "\"%s_ns\":null", name);
	else
		fprintf(out, "\"%s_ns\":%" PRIu64, name, age.least_ns);
	fprintf(out, ",\"%s\":\"%s\",\"%s_max_ns\":", name, dwell_name(worth), name);
	if (age.most_ns == AGE_UNBOUNDED)
		fputs("null", out);
	else
		fprintf(out, "%" PRIu64, age.most_ns);
}

void print_json_addr(FILE *out, const char *name, unsigned int family, const uint8_t *addr)
{
	char text[40 + TEXT_SLACK_BYTES];

	fprintf(out, "\"%s\":\"%.*s\"", name, (int)(put_addr(text, family, addr) - text), text);
}

void print_json_number(FILE *out, const char *name, bool known, uint64_t v)
{
	if (known)
		fprintf(out, ",\"%s\":%" PRIu64, name, v);
	else
		fprintf(out, ",\"%s\":null", name);
}

void print_json_text(FILE *out, const char *name, const char *text)
{
	fprintf(out, ",\"%s\":", name);
	print_json_string(out, text && *text ? text : NULL);
}

void print_json_names(FILE *out, const char *const texts[CONTAINER_TEXTS])
{
	for (unsigned int i = 0; i < CONTAINER_TEXTS; i++)
		print_json_text(out, container_text_names[i], texts ? texts[i] : NULL);
}

void print_json_time(FILE *out, uint64_t wall_ns)
{
	char text[32 + TEXT_SLACK_BYTES];
	struct stamp stamp = {};

	fprintf(out, "\"%.*s\"", (int)(put_rfc3339(text, &stamp, wall_ns) - text), text);
}
