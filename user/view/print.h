/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Values of a report on their way into a stdio stream: reports are short, and read by people or by
 * jq. Errors stay in the stream. Any thread.
 */
#ifndef TCPDWELL_PRINT_H
#define TCPDWELL_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "host/container.h"
#include "model/ages.h"

/* An age of the worth of enum tcpdwell_dwell, right-aligned: `3.20s`, `>12s`, `-`. */
void print_age(FILE *out, uint64_t ns, uint8_t worth, unsigned int width);

/*
 * An age by its bounds, right-aligned: `3.20s`, `>12s`, `<80s`, `10s@to@80s` with the text @to
 * between them, `-` where nothing is known. Bounds that read the same are one.
 */
void print_bounds(FILE *out, struct age age, const char *to, unsigned int width);

/* The same of one that is known to the end. */
void print_duration(FILE *out, uint64_t ns, unsigned int width);

/* Text that others chose, escaped, in a field of @width columns, cut to it; 0: as long as it is. */
void print_text(FILE *out, const char *text, unsigned int width);

/* An end as a table shows it: 127.0.0.1:80, [::1]:80, with `*` for a port that is 0. */
void print_end(FILE *out, unsigned int family, const uint8_t *addr, uint16_t port,
	       unsigned int width);

/* JSON: a string, or null for NULL. */
void print_json_string(FILE *out, const char *text);
/* NAME_ns, the lower bound; NAME, its worth; NAME_max_ns. null: not known. */
void print_json_age(FILE *out, const char *name, struct age age);
void print_json_addr(FILE *out, const char *name, unsigned int family, const uint8_t *addr);

/* A cell of CSV, of text that others chose; nothing for NULL. */
void print_csv_text(FILE *out, const char *text);

/* Members behind others: `,"name":value`; null for what is not @known, and for no or empty text. */
void print_json_number(FILE *out, const char *name, bool known, uint64_t v);
void print_json_text(FILE *out, const char *name, const char *text);

/* The same of what people call a container; @texts as container_texts() sets them, or NULL. */
void print_json_names(FILE *out, const char *const texts[CONTAINER_TEXTS]);

/* The current time as RFC 3339 in UTC, quoted. */
void print_json_time(FILE *out, uint64_t wall_ns);

#endif /* TCPDWELL_PRINT_H */
