/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A harness takes the bytes that the fuzzer gives it from the front. When they run out, what is
 * taken is zero. This also has checks that a harness makes of the output.
 *
 * A harness is one file fuzz_NAME.c with LLVMFuzzerTestOneInput(). libFuzzer runs it (make fuzz),
 * and replay.c runs it over corpus/NAME (make check). A CHECK() that fails ends the process, and so
 * does whatever the sanitizers find.
 */
#ifndef TCPDWELL_FUZZ_INPUT_H
#define TCPDWELL_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(what)                                                                        \
	do {                                                                               \
		if (!(what)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			abort();                                                           \
		}                                                                          \
	} while (0)

/* libFuzzer's interface. @data is only valid during the call. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at;
	size_t left;
};

void input_take(struct input *input, void *to, size_t len);
uint8_t input_u8(struct input *input);
uint16_t input_u16(struct input *input);
uint32_t input_u32(struct input *input);
uint64_t input_u64(struct input *input);

/* Takes a number from 0 to @end - 1; @end is 1 to 256. */
unsigned int input_below(struct input *input, unsigned int end);

/* Takes a time, usually near @base_ns, sometimes any other. */
uint64_t input_time_ns(struct input *input, uint64_t base_ns);

/*
 * Takes all that is left. The memory has just that size, so that a sanitizer sees reads beyond it.
 * As text it ends with a NUL, and there may be others within. The caller frees it.
 */
uint8_t *input_rest(struct input *input, size_t *len);
char *input_text(struct input *input);

/* Returns a descriptor of a file in memory with these bytes, at its beginning; always the same. */
int input_file(const void *data, size_t size);

/* Whether a terminal would obey nothing in it: it is UTF-8 without controls except newlines. */
bool is_clean(const char *text, size_t len);

/* Whether the text is one JSON value (RFC 8259) and nothing else. */
bool is_json(const char *text, size_t len);

/* Whether the text is lines of JSON values, the last of them complete. */
bool is_json_lines(const char *text, size_t len);

#endif /* TCPDWELL_FUZZ_INPUT_H */
