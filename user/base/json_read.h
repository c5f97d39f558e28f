/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads JSON (RFC 8259) from front to back, as far as its reader asks: the files of others, of
 * which a word or two is wanted.
 *
 * What is malformed ends: each function then returns false, and so does every later one. What is
 * skipped is not held to the grammar. Nothing is allocated, and nesting takes no stack. Any thread.
 */
#ifndef TCPDWELL_JSON_READ_H
#define TCPDWELL_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>

struct json_read {
	const char *at;
	const char *end;
};

/* What stands between the quotes, as it stands there. */
struct json_string {
	const char *at;
	size_t len;
	bool escaped; /* it has a backslash, and means something else */
};

/*
 * Goes to the next member of the object that is read, the first one where it begins, and on to its
 * value, which is to be read or skipped before the next call. false: there is none, and the object
 * is behind.
 */
bool json_member(struct json_read *json, struct json_string *name);

/* The same for the items of an array. */
bool json_item(struct json_read *json);

/* Reads a value that is a string. */
bool json_string(struct json_read *json, struct json_string *string);

/* Passes over a value. */
bool json_skip(struct json_read *json);

bool json_is(const struct json_string *string, const char *text);

#endif /* TCPDWELL_JSON_READ_H */
