// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Numbers and addresses. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/put.h"
#include "base/text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Room for any one field, and the slack. */
struct buffer {
	char text[64 + TEXT_SLACK_BYTES];
};

static const char *ended(struct buffer *buffer, char *end)
{
	*end = '\0';
	return buffer->text;
}

static void assert_u64(uint64_t v)
{
	struct buffer buffer;
	char want[32];

	snprintf(want, sizeof(want), "%" PRIu64, v);
	assert_string_equal(ended(&buffer, put_u64(buffer.text, v)), want);
}

static void test_u64(void **state)
{
	(void)state;
	assert_u64(0);
	for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10) {
		assert_u64(power - 1);
		assert_u64(power);
		assert_u64(power + 1);
	}
	assert_u64(10000000000000000000ULL);
	assert_u64(UINT32_MAX);
	assert_u64(UINT64_MAX);
	srandom(1);
	for (int i = 0; i < 10000; i++)
		assert_u64(((uint64_t)random() << 33 ^ random()) >> (random() % 64));
}

static void test_u16(void **state)
{
	struct buffer buffer;
	char want[8];

	(void)state;
	for (unsigned int v = 0; v <= UINT16_MAX; v++) {
		snprintf(want, sizeof(want), "%u", v);
		assert_string_equal(ended(&buffer, put_u16(buffer.text, v)), want);
	}
}

static void test_leading_zeros(void **state)
{
	static const uint32_t values[] = { 0, 1, 9, 10, 123456, 999999 };
	struct buffer buffer;
	char want[16];

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		snprintf(want, sizeof(want), "%06" PRIu32, values[i]);
		assert_string_equal(ended(&buffer, put_6digits(buffer.text, values[i])), want);
		snprintf(want, sizeof(want), "%09" PRIu32, values[i] * 1000 + 7);
		assert_string_equal(ended(&buffer, put_9digits(buffer.text, values[i] * 1000 + 7)),
				    want);
	}
}

/* Tests each half of eight digits with every value. */
static void test_8digits(void **state)
{
	struct buffer buffer;
	char want[16];

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		snprintf(want, sizeof(want), "%04" PRIu32 "%04" PRIu32, i, 9999 - i);
		assert_string_equal(ended(&buffer, put_8digits(buffer.text, i * 10000 + 9999 - i)),
				    want);
		assert_u64(i * 10000 + 9999 - i);
		assert_u64(i);
	}
}

static void test_fill(void **state)
{
	struct buffer buffer;
	char *p;

	(void)state;
	p = put_fill(put_literal(buffer.text, "ab"), buffer.text, 5);
	assert_string_equal(ended(&buffer, p), "ab   ");
	p = put_fill(put_literal(buffer.text, "abcde"), buffer.text, 5);
	assert_string_equal(ended(&buffer, p), "abcde");
	p = put_fill(put_literal(buffer.text, "abcdefg"), buffer.text, 5);
	assert_string_equal(ended(&buffer, p), "abcdefg");
}

static void test_word(void **state)
{
	struct word word = word_make("FIN_WAIT1");
	struct buffer buffer;

	(void)state;
	assert_string_equal(ended(&buffer, put_word(buffer.text, &word)), "FIN_WAIT1");
	word = word_make("");
	assert_string_equal(ended(&buffer, put_word(buffer.text, &word)), "");
	word = word_make("0123456789012345678901234567890123456789");
	assert_int_equal(word.len, sizeof(word.text));
}

static void test_ipv4(void **state)
{
	struct buffer buffer;
	char want[INET_ADDRSTRLEN];
	uint8_t addr[4];

	(void)state;
	for (unsigned int v = 0; v < 256; v++) {
		addr[0] = v;
		addr[1] = 255 - v;
		addr[2] = v / 3;
		addr[3] = v;
		inet_ntop(AF_INET, addr, want, sizeof(want));
		assert_string_equal(ended(&buffer, put_ipv4(buffer.text, addr)), want);
	}
}

static void assert_ipv6(const char *full, const char *want)
{
	struct buffer buffer;
	uint8_t addr[16];

	assert_int_equal(inet_pton(AF_INET6, full, addr), 1);
	assert_string_equal(ended(&buffer, put_ipv6(buffer.text, addr)), want);
}

/* The sections are those of RFC 5952. */
static void test_ipv6(void **state)
{
	(void)state;
	assert_ipv6("0:0:0:0:0:0:0:0", "::");
	assert_ipv6("0:0:0:0:0:0:0:1", "::1");
	assert_ipv6("1:0:0:0:0:0:0:0", "1::");
	assert_ipv6("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8");
	assert_ipv6("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	/* 4.1: leading zeros are dropped. */
	assert_ipv6("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1");
	assert_ipv6("2001:0db8:00a0:0b00:c000:0001:0010:0100", "2001:db8:a0:b00:c000:1:10:100");
	/* 4.2.1: :: stands for as many groups as possible. */
	assert_ipv6("2001:db8:0:0:0:0:2:1", "2001:db8::2:1");
	/* 4.2.2: one group of zeros stays. */
	assert_ipv6("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1");
	assert_ipv6("0:1:1:1:1:1:1:1", "0:1:1:1:1:1:1:1");
	assert_ipv6("1:1:1:1:1:1:1:0", "1:1:1:1:1:1:1:0");
	/* 4.2.3: :: stands for the longest run, and for the first of equal ones. */
	assert_ipv6("2001:0:0:1:0:0:0:1", "2001:0:0:1::1");
	assert_ipv6("2001:0:0:0:1:0:0:1", "2001::1:0:0:1");
	assert_ipv6("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");
	assert_ipv6("0:0:1:0:0:1:0:0", "::1:0:0:1:0:0");
	assert_ipv6("1:0:0:0:0:0:0:1", "1::1");
	assert_ipv6("1:2:3:4:5:6:0:0", "1:2:3:4:5:6::");
	/* 4.3: lower case. */
	assert_ipv6("2001:DB8::ABCD:EF01", "2001:db8::abcd:ef01");
	/* 5: a v4-mapped address in mixed notation. */
	assert_ipv6("::ffff:192.0.2.1", "::ffff:192.0.2.1");
	assert_ipv6("::ffff:0:0", "::ffff:0.0.0.0");
	assert_ipv6("::fffe:c000:201", "::fffe:c000:201");
	assert_ipv6("fe80::1", "fe80::1");
}

/* The C library agrees on everything but ::/96, where it prints IPv4 for addresses that are not. */
static void test_ipv6_random(void **state)
{
	char want[INET6_ADDRSTRLEN];
	struct buffer buffer;
	uint8_t addr[16];

	(void)state;
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		for (int group = 0; group < 8; group++) {
			int v = random() % 3 ? 0 : random() >> (random() % 31);

			addr[2 * group] = v >> 8;
			addr[2 * group + 1] = v;
		}
		addr[0] = 0x20;
		inet_ntop(AF_INET6, addr, want, sizeof(want));
		assert_string_equal(ended(&buffer, put_ipv6(buffer.text, addr)), want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),	      cmocka_unit_test(test_u16),
		cmocka_unit_test(test_leading_zeros), cmocka_unit_test(test_8digits),
		cmocka_unit_test(test_fill),	      cmocka_unit_test(test_word),
		cmocka_unit_test(test_ipv4),	      cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_ipv6_random),
	};

	return cmocka_run_group_tests_name("put", tests, NULL, NULL);
}
