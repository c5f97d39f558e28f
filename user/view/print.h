/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes values of a report to a stdio stream. Reports are short, and read by people or by jq.
 * Errors stay in the stream. Any thread.
 */
#ifndef TCPDWELL_PRINT_H
#define TCPDWELL_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "host/container.h"
#include "model/ages.h"

/* Prints an age with its worth (enum tcpdwell_dwell), right-aligned: `3.20s`, `>12s`, `-`. */
void print_age(FILE *out, uint64_t ns, uint8_t worth, unsigned int width);

/*
 * Prints an age by its bounds, right-aligned: `3.20s`, `>12s`, `<80s`, `10s@to@80s` with the text
 * @to in between, or `-` if nothing is known. Bounds that look the same are printed once.
 */
void print_bounds(FILE *out, struct age age, const char *to, unsigned int width);

/* Prints an exact duration in the same way. */
void print_duration(FILE *out, uint64_t ns, unsigned int width);

/* Writes a duration, rounded down so that it does not seem longer than it is. Ends with a 0. */
void duration_text(char *text, size_t size, uint64_t ns);

#define DURATION_TEXT_BYTES 16

/* Prints the same. */
void print_least(FILE *out, uint64_t ns);

/*
 * Prints text that others chose, escaped, in a field of @width columns, and cut to it; 0: not cut.
 */
void print_text(FILE *out, const char *text, unsigned int width);

/* Appends an end as a report shows it: 127.0.0.1:80, [::1]:80, with `*` for port 0 (put.h). */
char *put_end(char *p, unsigned int family, const uint8_t *addr, uint16_t port);

/* Prints the same, left-aligned. */
void print_end(FILE *out, unsigned int family, const uint8_t *addr, uint16_t port,
	       unsigned int width);

/* Prints a JSON string, or null for NULL. */
void print_json_string(FILE *out, const char *text);
/* Prints NAME_ns (the lower bound), NAME (its worth) and NAME_max_ns. null: not known. */
void print_json_age(FILE *out, const char *name, struct age age);
void print_json_addr(FILE *out, const char *name, unsigned int family, const uint8_t *addr);

/*
 * Print a member after others: `,"name":value`. The value is null if it is not @known, and for NULL
 * or empty text.
 */
void print_json_number(FILE *out, const char *name, bool known, uint64_t v);
void print_json_text(FILE *out, const char *name, const char *text);

/*
 * Prints what people call a container in the same way. @texts are set by container_texts(), or
 * NULL.
 */
void print_json_names(FILE *out, const char *const texts[CONTAINER_TEXTS]);

/* Prints a time as RFC 3339 in UTC, quoted. */
void print_json_time(FILE *out, uint64_t wall_ns);

#endif /* TCPDWELL_PRINT_H */
