/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads JSON (RFC 8259) from front to back, as far as its caller asks. It is for files of others,
 * from which only a word or two is wanted.
 *
 * Malformed JSON ends the reading: the function returns false, and so does every later one. What is
 * skipped is not checked against the grammar. Nothing is allocated, and nesting takes no stack. Any
 * thread.
 */
#ifndef TCPDWELL_JSON_READ_H
#define TCPDWELL_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>

struct json_read {
	const char *at;
	const char *end;
};

/* The bytes between the quotes, as they stand there. */
struct json_string {
	const char *at;
	size_t len;
	bool escaped; /* it has a backslash, so its bytes are not its meaning */
};

/*
 * Goes to the next member of the object that is being read, or to its first one if the object
 * starts here. It reads the member's name and stops at its value, which the caller must read or
 * skip before the next call. Returns false if there is no further member; the object is then
 * behind.
 */
bool json_member(struct json_read *json, struct json_string *name);

/* Does the same for the items of an array. */
bool json_item(struct json_read *json);

/* Reads a value that is a string. */
bool json_string(struct json_read *json, struct json_string *string);

/* Skips a value. */
bool json_skip(struct json_read *json);

bool json_is(const struct json_string *string, const char *text);

#endif /* TCPDWELL_JSON_READ_H */
