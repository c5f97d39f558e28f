// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Records that are too short, longer, of another kind, or with impossible values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/decode.h"
#include "sample.h"

#define SIZE sizeof(struct tcpdwell_transition)

/* Decodes a copy of just @size bytes, one byte off any alignment. */
static enum decoded decode_copy(const void *data, size_t size, struct tcpdwell_transition *t)
{
	char *copy = malloc(size + 1);
	enum decoded result;

	memcpy(copy + 1, data, size);
	result = decode_record(copy + 1, size, t);
	free(copy);
	return result;
}

static void test_whole(void **state)
{
	struct tcpdwell_transition in = sample_row(), out;

	(void)state;
	assert_int_equal(decode_copy(&in, SIZE, &out), DECODED_TRANSITION);
	assert_memory_equal(&in, &out, SIZE);
}

static void test_short(void **state)
{
	struct tcpdwell_transition in = sample_row(), out;

	(void)state;
	for (size_t size = 0; size < SIZE; size++) {
		/* A record has fewer bytes than it says, and then as few as it says. */
		in.size = SIZE;
		assert_int_equal(decode_copy(&in, size, &out), DECODED_BAD);
		in.size = size;
		assert_int_equal(decode_copy(&in, size, &out), DECODED_BAD);
		assert_int_equal(decode_copy(&in, SIZE, &out), DECODED_BAD);
	}
}

/* A longer record tells of the port completely or not at all. */
static void test_port_use(void **state)
{
	struct tcpdwell_port_transition in = {
		.t = sample_row(),
		.use = { .scope = 7, .low = 1000, .high = 2000, .bound = 1 },
	};
	struct tcpdwell_port_use out;

	(void)state;
	in.t.size = sizeof(in);
	out = decode_port_use(&in, sizeof(in));
	assert_memory_equal(&out, &in.use, sizeof(out));
	for (size_t size = 0; size < sizeof(in); size++) {
		in.t.size = size;
		out = decode_port_use(&in, sizeof(in));
		assert_false(out.bound || out.scope || out.low || out.high);
		in.t.size = sizeof(in);
		out = decode_port_use(&in, size);
		assert_false(out.bound || out.scope || out.low || out.high);
	}
}

static void test_longer(void **state)
{
	char bytes[SIZE + 40];
	struct tcpdwell_transition in = sample_row(), out;

	(void)state;
	in.size = sizeof(bytes);
	memset(bytes, 0xff, sizeof(bytes));
	memcpy(bytes, &in, SIZE);
	assert_int_equal(decode_copy(bytes, sizeof(bytes), &out), DECODED_TRANSITION);
	assert_memory_equal(&in, &out, SIZE);
	assert_int_equal(decode_copy(bytes, sizeof(bytes) - 1, &out), DECODED_BAD);

	/* A ring may pad a record with bytes behind it. */
	in.size = SIZE;
	memcpy(bytes, &in, SIZE);
	assert_int_equal(decode_copy(bytes, sizeof(bytes), &out), DECODED_TRANSITION);
}

static void test_unknown_kind(void **state)
{
	struct tcpdwell_transition in = sample_row(), out;

	(void)state;
	in.kind = 0;
	assert_int_equal(decode_copy(&in, SIZE, &out), DECODED_UNKNOWN);
	in.kind = 0xffff;
	assert_int_equal(decode_copy(&in, SIZE, &out), DECODED_UNKNOWN);
	in.size = 4;
	assert_int_equal(decode_copy(&in, 4, &out), DECODED_UNKNOWN);
	in.size = 3;
	assert_int_equal(decode_copy(&in, 4, &out), DECODED_BAD);
	in.size = 0;
	assert_int_equal(decode_copy(&in, SIZE, &out), DECODED_BAD);
}

/* Checks that the byte at @offset is accepted exactly from @first to @last. */
static void check_byte(size_t offset, unsigned int first, unsigned int last)
{
	struct tcpdwell_transition in = sample_row(), out;

	for (unsigned int v = 0; v < 256; v++) {
		((uint8_t *)&in)[offset] = v;
		assert_int_equal(decode_copy(&in, SIZE, &out),
				 v >= first && v <= last ? DECODED_TRANSITION : DECODED_BAD);
	}
}

static void test_numbers_in_range(void **state)
{
	struct tcpdwell_transition in = sample_row(), out;

	(void)state;
	check_byte(offsetof(struct tcpdwell_transition, from), 1, 11);
	check_byte(offsetof(struct tcpdwell_transition, to), 1, 11);
	check_byte(offsetof(struct tcpdwell_transition, source), 0, 2);
	check_byte(offsetof(struct tcpdwell_transition, dwell), 0, 2);
	check_byte(offsetof(struct tcpdwell_transition, owner), 0, 5);
	check_byte(offsetof(struct tcpdwell_transition, reason), 0, TCPDWELL_REASON_MAX - 1);
	for (unsigned int v = 0; v < 256; v++) {
		in.family = v;
		assert_int_equal(decode_copy(&in, SIZE, &out),
				 v == 4 || v == 6 ? DECODED_TRANSITION : DECODED_BAD);
	}
}

static void test_comm_is_terminated(void **state)
{
	struct tcpdwell_transition in = sample_row(), out;

	(void)state;
	memset(in.comm, 'x', sizeof(in.comm));
	assert_int_equal(decode_copy(&in, SIZE, &out), DECODED_TRANSITION);
	assert_string_equal(out.comm, "xxxxxxxxxxxxxxx");
}

/* Tests a connection, and records that are none. */
static void test_connection(void **state)
{
	struct tcpdwell_connection c = {
		.kind = TCPDWELL_CONNECTION,
		.size = sizeof(c),
		.state = TCPDWELL_CLOSE,
		.family = 4,
	}, got;
	struct tcpdwell_transition t;

	(void)state;
	memset(c.comm, 'x', sizeof(c.comm));
	assert_int_equal(decode_connection(&c, sizeof(c), &got), DECODED_CONNECTION);
	assert_int_equal(strlen(got.comm), TCPDWELL_COMM_LEN - 1);
	assert_int_equal(decode_record(&c, sizeof(c), &t), DECODED_UNKNOWN);
	assert_int_equal(decode_connection(&c, sizeof(c) - 1, &got), DECODED_BAD);
	c.life.worth = (TCPDWELL_DWELL_AT_LEAST + 1U) << tcpdwell_life_worth_at(TCPDWELL_CLOSING);
	assert_int_equal(decode_connection(&c, sizeof(c), &got), DECODED_BAD);
	c.life.worth = TCPDWELL_DWELL_AT_LEAST << tcpdwell_life_worth_at(TCPDWELL_CLOSING);
	assert_int_equal(decode_connection(&c, sizeof(c), &got), DECODED_CONNECTION);
	c.state = TCPDWELL_STATE_MAX;
	assert_int_equal(decode_connection(&c, sizeof(c), &got), DECODED_BAD);
	c.state = TCPDWELL_CLOSE;
	c.size = sizeof(c) - 1;
	assert_int_equal(decode_connection(&c, sizeof(c), &got), DECODED_BAD);
	c.kind = TCPDWELL_TRANSITION;
	assert_int_equal(decode_connection(&c, sizeof(c), &got), DECODED_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connection),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_longer),
		cmocka_unit_test(test_port_use),
		cmocka_unit_test(test_unknown_kind),
		cmocka_unit_test(test_numbers_in_range),
		cmocka_unit_test(test_comm_is_terminated),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
