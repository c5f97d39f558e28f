// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "base/json_read.h"

static bool fail(struct json_read *json)
{
	json->at = json->end;
	return false;
}

/* Returns the next character that is no blank, without taking it, or 0 if there is none. */
static char next(struct json_read *json)
{
	while (json->at < json->end && *json->at && strchr(" \t\r\n", *json->at))
		json->at++;
	return json->at < json->end ? *json->at : 0;
}

static bool take(struct json_read *json, char c)
{
	if (next(json) != c)
		return false;
	json->at++;
	return true;
}

/*
 * Takes the opening character or a comma. Returns true if something follows before the closing one.
 */
static bool enter(struct json_read *json, char open, char close)
{
	if (take(json, open))
		return take(json, close) ? false : next(json) || fail(json);
	if (take(json, ','))
		return true;
	return take(json, close) ? false : fail(json);
}

bool json_member(struct json_read *json, struct json_string *name)
{
	return enter(json, '{', '}') && json_string(json, name) && (take(json, ':') || fail(json));
}

bool json_item(struct json_read *json)
{
	return enter(json, '[', ']');
}

bool json_string(struct json_read *json, struct json_string *string)
{
	if (!take(json, '"'))
		return fail(json);
	*string = (struct json_string){ .at = json->at };
	for (; json->at < json->end; json->at++) {
		if (*json->at == '"') {
			string->len = json->at++ - string->at;
			return true;
		}
		if (*json->at != '\\')
			continue;
		string->escaped = true;
		if (++json->at == json->end)
			break;
	}
	return fail(json);
}

/* Skips a number, true, false or null. */
static bool skip_word(struct json_read *json)
{
	const char *start = json->at;

	while (json->at < json->end && *json->at && !strchr(",:]}[{\" \t\r\n", *json->at))
		json->at++;
	return json->at > start || fail(json);
}

bool json_skip(struct json_read *json)
{
	struct json_string string;
	size_t depth = 0;

	do {
		char c = next(json);

		if (c == '"') {
			if (!json_string(json, &string))
				return false;
		} else if (c == '{' || c == '[') {
			depth++;
			json->at++;
		} else if (depth && (c == '}' || c == ']')) {
			depth--;
			json->at++;
		} else if (depth && (c == ',' || c == ':')) {
			json->at++;
		} else if (!skip_word(json)) {
			return false;
		}
	} while (depth);
	return true;
}

bool json_is(const struct json_string *string, const char *text)
{
	return string->len == strlen(text) && !memcmp(string->at, text, string->len);
}
