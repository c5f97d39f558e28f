// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Answers of a worker that has been turned against the tracer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/symbol_wire.h"

static const struct symbol_request request = { .serial = 7, .op = SYMBOL_FIND };

static bool is_good(const struct symbol_answer *answer)
{
	return symbol_answer_is_good(answer, sizeof(*answer), &request);
}

static void test_answers(void **state)
{
	struct symbol_answer answer = { .serial = 7 };

	(void)state;
	assert_true(is_good(&answer));
	assert_false(symbol_answer_is_good(&answer, sizeof(answer) - 1, &request));
	assert_false(symbol_answer_is_good(&answer, sizeof(answer) + 1, &request));
	answer.serial = 6;
	assert_false(is_good(&answer));
}

#define REFUSED(change)                                        \
	do {                                                   \
		struct symbol_answer answer = { .serial = 7 }; \
                                                               \
		change;                                        \
		assert_false(is_good(&answer));                \
	} while (0)

static void test_what_cannot_be(void **state)
{
	(void)state;
	REFUSED(answer.status = 1);
	REFUSED(answer.known = 2);
	REFUSED(answer.retire = 2);
	REFUSED(answer.large = 3);
	REFUSED(answer.image.build_id_bytes = BUILD_ID_BYTES + 1);
	REFUSED(answer.image.load_count = ELF_IMAGE_LOADS + 1);
	REFUSED(memset(&answer.rule.base, 0xff, sizeof(answer.rule.base)));
	REFUSED(memset(&answer.rule.ra, 0x7f, sizeof(answer.rule.ra)));
	REFUSED(memset(&answer.rule.fp, 0x7f, sizeof(answer.rule.fp)));
	REFUSED(memset(answer.function, 'x', sizeof(answer.function)));
	REFUSED(memset(answer.file, 'x', sizeof(answer.file)));
}

static void test_requests(void **state)
{
	struct symbol_request r = request;

	(void)state;
	assert_true(symbol_request_is_good(&r, sizeof(r), 0));
	assert_false(symbol_request_is_good(&r, sizeof(r), 1));
	assert_false(symbol_request_is_good(&r, sizeof(r) - 1, 0));
	r.slot = SYMBOL_SLOTS;
	assert_false(symbol_request_is_good(&r, sizeof(r), 0));
	r = (struct symbol_request){ .op = SYMBOL_OPEN };
	assert_true(symbol_request_is_good(&r, sizeof(r), 1));
	assert_false(symbol_request_is_good(&r, sizeof(r), 0));
	r.op = SYMBOL_OPS;
	assert_false(symbol_request_is_good(&r, sizeof(r), 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_what_cannot_be),
		cmocka_unit_test(test_requests),
	};

	return cmocka_run_group_tests_name("symbol_wire", tests, NULL, NULL);
}
