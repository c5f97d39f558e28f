/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bytes that a fuzzer hands to a harness, taken from the front. Where they run out, what is
 * taken is zero. Also what a harness holds against what came out.
 *
 * A harness is one file fuzz_NAME.c with LLVMFuzzerTestOneInput(). libFuzzer runs it (make fuzz),
 * and replay.c over corpus/NAME (make check). A CHECK() that fails, and what the sanitizers find,
 * ends the process.
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

/* 0 to @end - 1; @end is 1 to 256. */
unsigned int input_below(struct input *input, unsigned int end);

/* A time near @base_ns as a rule, or any other. */
uint64_t input_time_ns(struct input *input, uint64_t base_ns);

/*
 * All that is left, in memory of just that size, so that a sanitizer sees who reads beyond it; as
 * text a NUL is behind it, and maybe others within. The caller frees it.
 */
uint8_t *input_rest(struct input *input, size_t *len);
char *input_text(struct input *input);

/* A descriptor of a file in memory with these bytes: the same one with each call, at its begin. */
int input_file(const void *data, size_t size);

/* Nothing that a terminal would obey: UTF-8 without control characters, but newlines. */
bool is_clean(const char *text, size_t len);

/* One JSON value (RFC 8259) and nothing else. */
bool is_json(const char *text, size_t len);

/* Lines of it; the last one is whole. */
bool is_json_lines(const char *text, size_t len);

#endif /* TCPDWELL_FUZZ_INPUT_H */
