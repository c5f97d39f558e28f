// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Texts that are remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memo.h"

#define PLACES	   16
#define TEXT_BYTES 30

static void assert_found(const struct memo *memo, const struct memo_key *key, const char *want)
{
	const struct memo_text *text = memo_find(memo, key);

	if (!want) {
		assert_null(text);
		return;
	}
	assert_non_null(text);
	assert_int_equal(text->len, strlen(want));
	assert_memory_equal(text->text, want, text->len);
}

static void test_find(void **state)
{
	struct memo *memo = memo_new(PLACES, TEXT_BYTES);
	struct memo_key zero = {}, key = { .words = { 1, 2, 4, 5, 6, 7, 8 } };

	(void)state;
	assert_found(memo, &zero, NULL);
	assert_found(memo, &key, NULL);
	memo_keep(memo, &key, "one", 3);
	memo_keep(memo, &zero, "none", 4);
	assert_found(memo, &key, "one");
	assert_found(memo, &zero, "none");
	memo_keep(memo, &key, "two", 3);
	assert_found(memo, &key, "two");
	memo_free(memo);
	memo_free(NULL);
}

/* Keys that differ in any one bit are different, whatever place they have. */
static void test_every_bit_counts(void **state)
{
	struct memo_key key = { .words = { 0x5555, 0, UINT64_MAX, 0, 1, 0, UINT64_MAX } };
	struct memo *memo = memo_new(PLACES, TEXT_BYTES);

	(void)state;
	memo_keep(memo, &key, "text", 4);
	for (unsigned int bit = 0; bit < 64 * MEMO_KEY_WORDS; bit++) {
		struct memo_key other = key;

		other.words[bit / 64] ^= 1ULL << bit % 64;
		assert_found(memo, &other, NULL);
	}
	assert_found(memo, &key, "text");
	memo_free(memo);
}

/* The first three words are mostly counters: keys in a row get different places. */
static void test_counters_are_spread(void **state)
{
	struct memo *memo = memo_new(PLACES, TEXT_BYTES);
	struct memo_key key = {};

	(void)state;
	for (unsigned int word = 0; word < 3; word++) {
		unsigned int found = 0;

		for (key.words[word] = 1000; key.words[word] < 1000 + PLACES / 2; key.words[word]++)
			memo_keep(memo, &key, "text", 4);
		for (key.words[word] = 1000; key.words[word] < 1000 + PLACES / 2; key.words[word]++)
			found += memo_find(memo, &key) != NULL;
		assert_int_equal(found, PLACES / 2);
		key.words[word] = 0;
	}
	memo_free(memo);
}

/* The newest text takes the place, so memory stays bounded. */
static void test_many(void **state)
{
	struct memo *memo = memo_new(PLACES, TEXT_BYTES);
	struct memo_key key = {};
	unsigned int found = 0;

	(void)state;
	for (key.words[0] = 0; key.words[0] < 1000; key.words[0]++) {
		memo_keep(memo, &key, "text", 4);
		assert_found(memo, &key, "text");
	}
	for (key.words[0] = 0; key.words[0] < 1000; key.words[0]++)
		found += memo_find(memo, &key) != NULL;
	assert_int_equal(found, PLACES);
	memo_free(memo);
}

static void test_too_long(void **state)
{
	static const char text[] = "0123456789012345678901234567890";
	struct memo *memo = memo_new(PLACES, TEXT_BYTES);
	struct memo_key key = { .words = { 1 } };

	(void)state;
	memo_keep(memo, &key, text, TEXT_BYTES);
	assert_int_equal(memo_find(memo, &key)->len, TEXT_BYTES);
	key.words[0] = 2;
	memo_keep(memo, &key, text, TEXT_BYTES + 1);
	assert_found(memo, &key, NULL);
	memo_free(memo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_counters_are_spread),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests_name("memo", tests, NULL, NULL);
}
