// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "input.h"

void input_take(struct input *input, void *to, size_t len)
{
	size_t part = len < input->left ? len : input->left;

	memset(to, 0, len);
	if (!part)
		return;
	memcpy(to, input->at, part);
	input->at += part;
	input->left -= part;
}

uint8_t input_u8(struct input *input)
{
	uint8_t v;

	input_take(input, &v, sizeof(v));
	return v;
}

uint16_t input_u16(struct input *input)
{
	uint16_t v;

	input_take(input, &v, sizeof(v));
	return v;
}

uint32_t input_u32(struct input *input)
{
	uint32_t v;

	input_take(input, &v, sizeof(v));
	return v;
}

uint64_t input_u64(struct input *input)
{
	uint64_t v;

	input_take(input, &v, sizeof(v));
	return v;
}

unsigned int input_below(struct input *input, unsigned int end)
{
	return input_u8(input) % end;
}

uint64_t input_time_ns(struct input *input, uint64_t base_ns)
{
	return input_u8(input) & 1 ? input_u64(input) : base_ns + input_u32(input) * 100ULL;
}

uint8_t *input_rest(struct input *input, size_t *len)
{
	uint8_t *copy = malloc(input->left ?: 1);

	CHECK(copy);
	*len = input->left;
	input_take(input, copy, *len);
	return copy;
}

char *input_text(struct input *input)
{
	size_t len = input->left;
	char *copy = malloc(len + 1);

	CHECK(copy);
	input_take(input, copy, len);
	copy[len] = '\0';
	return copy;
}

int input_file(const void *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("input", MFD_CLOEXEC);
	CHECK(fd >= 0 && !ftruncate(fd, 0) && !lseek(fd, 0, SEEK_SET));
	CHECK(pwrite(fd, data, size, 0) == (ssize_t)size);
	return fd;
}

/*
 * ---- What came out ------------------------------------------------------------------------------
 */

/* Returns how many bytes the character at @s has; 0 if it is none, or must not pass. */
static size_t character(const unsigned char *s, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t bytes = *s < 0x80 ? 1 : *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
	uint32_t code = bytes == 1 ? *s : *s & (0x7f >> bytes);

	if (bytes > len || (*s >= 0x80 && *s < 0xc2) || *s > 0xf4)
		return 0;
	for (size_t i = 1; i < bytes; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < least[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	if ((code < ' ' && code != '\n') || (code >= 0x7f && code < 0xa0))
		return 0;
	return bytes;
}

bool is_clean(const char *text, size_t len)
{
	for (size_t i = 0, bytes; i < len; i += bytes) {
		bytes = character((const unsigned char *)text + i, len - i);
		if (!bytes)
			return false;
	}
	return true;
}

/* What is left of a text. */
struct json {
	const char *at;
	const char *end;
	unsigned int depth;
};

static bool json_value(struct json *json);

static bool json_char(struct json *json, char c)
{
	if (json->at == json->end || *json->at != c)
		return false;
	json->at++;
	return true;
}

static bool json_word(struct json *json, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(json->end - json->at) < len || memcmp(json->at, word, len))
		return false;
	json->at += len;
	return true;
}

static bool json_digits(struct json *json)
{
	const char *start = json->at;

	while (json->at < json->end && *json->at >= '0' && *json->at <= '9')
		json->at++;
	return json->at > start;
}

static bool json_number(struct json *json)
{
	const char *start;

	json_char(json, '-');
	start = json->at;
	if (!json_digits(json) || (*start == '0' && json->at > start + 1))
		return false;
	if (json_char(json, '.') && !json_digits(json))
		return false;
	if (!json_char(json, 'e') && !json_char(json, 'E'))
		return true;
	if (!json_char(json, '-'))
		json_char(json, '+');
	return json_digits(json);
}

static bool json_string(struct json *json)
{
	if (!json_char(json, '"'))
		return false;
	while (json->at < json->end) {
		char c = *json->at++;

		if (c == '"')
			return true;
		if ((unsigned char)c < ' ')
			return false;
		if (c != '\\')
			continue;
		if (json->at == json->end || !strchr("\"\\/bfnrtu", *json->at))
			return false;
		if (*json->at++ != 'u')
			continue;
		for (int i = 0; i < 4; i++, json->at++)
			if (json->at == json->end ||
			    !memchr("0123456789abcdefABCDEF", *json->at, 22))
				return false;
	}
	return false;
}

static bool json_list(struct json *json, char end, bool named)
{
	if (json_char(json, end))
		return true;
	do {
		if (named && (!json_string(json) || !json_char(json, ':')))
			return false;
		if (!json_value(json))
			return false;
	} while (json_char(json, ','));
	return json_char(json, end);
}

/* Takes a value without blanks around it: no rendering writes any. */
static bool json_value(struct json *json)
{
	bool good;

	if (json->at == json->end || json->depth > 32)
		return false;
	json->depth++;
	if (json_char(json, '{'))
		good = json_list(json, '}', true);
	else if (json_char(json, '['))
		good = json_list(json, ']', false);
	else if (*json->at == '"')
		good = json_string(json);
	else
		good = json_word(json, "null") || json_word(json, "true") ||
		       json_word(json, "false") || json_number(json);
	json->depth--;
	return good;
}

bool is_json(const char *text, size_t len)
{
	struct json json = { .at = text, .end = text + len };

	return json_value(&json) && json.at == json.end;
}

bool is_json_lines(const char *text, size_t len)
{
	for (size_t line; len; text += line + 1, len -= line + 1) {
		const char *end = memchr(text, '\n', len);

		if (!end)
			return false;
		line = end - text;
		if (!is_json(text, line))
			return false;
	}
	return true;
}
