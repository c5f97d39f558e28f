// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Stacks are kept once, counted for a leak, and shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.h"
#include "host/symbol.h"
#include "model/leaks.h"
#include "host/stacks.h"
#include "view/stacks_report.h"

#define SECOND 1000000000ULL
#define START  (1000 * SECOND)

static const uint8_t id[BUILD_ID_BYTES] = { 0xab, 0xcd, [19] = 0x01 };

static int make(void **state)
{
	*state = stacks_new();
	return *state ? 0 : -1;
}

static int unmake(void **state)
{
	stacks_free(*state);
	return 0;
}

/* Makes a place in /bin/server, with or without a name. */
static struct stack_place *place_of(struct stacks *stacks, uint64_t offset, const char *function,
				    const char *file, unsigned int line)
{
	struct stack_place *place = stacks_place(stacks, "/bin/server", id, sizeof(id), offset);
	struct symbol symbol = { function, 16, file, line };

	assert_non_null(place);
	if (!place->named)
		stacks_name(place, &symbol);
	return place;
}

static void test_places_are_kept_once(void **state)
{
	struct stacks *stacks = *state;
	struct stack_place *place = stacks_place(stacks, "/a", id, sizeof(id), 1);

	assert_ptr_equal(stacks_place(stacks, "/a", id, sizeof(id), 1), place);
	assert_ptr_not_equal(stacks_place(stacks, "/b", id, sizeof(id), 1), place);
	assert_ptr_not_equal(stacks_place(stacks, "/a", id, sizeof(id), 2), place);
	assert_ptr_not_equal(stacks_place(stacks, "/a", NULL, 0, 1), place);
	assert_ptr_not_equal(stacks_place(stacks, NULL, id, sizeof(id), 1), place);
}

static void test_stacks_are_kept_once(void **state)
{
	struct stacks *stacks = *state;
	struct stack stack = { .count = 2, .how = TCPDWELL_OWNER_ACCEPT };
	const struct stack *kept;

	stack.frames[0] = place_of(stacks, 1, "accept", NULL, 0);
	stack.frames[1] = place_of(stacks, 2, "serve", NULL, 0);
	kept = stacks_keep(stacks, &stack);
	assert_ptr_equal(stacks_keep(stacks, &stack), kept);
	stack.how = TCPDWELL_OWNER_CONNECT;
	assert_ptr_not_equal(stacks_keep(stacks, &stack), kept);
	stack.how = TCPDWELL_OWNER_ACCEPT;
	stack.count = 1;
	assert_ptr_not_equal(stacks_keep(stacks, &stack), kept);
}

static void test_no_end_of_memory(void **state)
{
	struct stacks *stacks = *state;
	uint64_t offset = 0;

	while (stacks_place(stacks, NULL, NULL, 0, offset))
		offset++;
	assert_in_range(offset, 1000, 100000);
	assert_non_null(stacks_place(stacks, NULL, NULL, 0, 0)); /* what is known stays so */
}

/*
 * ---- Of a leak ----------------------------------------------------------------------------------
 */

struct answers {
	const struct stack *two[2];
};

/* Descriptors 0 and 1 have no stack; 2 to 5 have one, and those from 6 on another. */
static const struct stack *answer(void *context, const struct tcpdwell_socket *socket,
				  enum stack_none *none)
{
	const struct answers *answers = context;

	*none = socket->fd ? STACK_UNSEEN : STACK_OLDER;
	if (socket->fd < 2)
		return NULL;
	return answers->two[socket->fd >= 6];
}

static void assert_report(const struct leak *leak, void (*report)(FILE *, const struct leak *),
			  const char *want)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	report(out, leak);
	fclose(out);
	assert_string_equal(text, want);
	free(text);
}

static const struct leak *leak_of(struct leaks *leaks, struct sockets *sockets, uint32_t count)
{
	static const struct filters no_filters;

	for (uint32_t fd = 0; fd < count; fd++) {
		struct tcpdwell_socket s = {
			.kind = TCPDWELL_SOCKET,
			.key = fd + 1,
			.state = TCPDWELL_CLOSE_WAIT,
			.family = 4,
			.since = TCPDWELL_DWELL_EXACT,
			.since_ns = START - fd,
			.pid = 10,
			.fd = fd,
		};

		assert_int_equal(sockets_add(sockets, &s), 0);
	}
	assert_int_equal(leaks_look(leaks, sockets, &no_filters, START + SECOND), 0);
	assert_int_equal(leaks_count(leaks), 1);
	return leaks_at(leaks, 0);
}

static void test_leak(void **state)
{
	struct leaks *leaks = leaks_new(1U << TCPDWELL_CLOSE_WAIT, SECOND / 2);
	struct sockets *sockets = sockets_new();
	struct stack stack = { .count = 2, .how = TCPDWELL_OWNER_ACCEPT, .end = UNWIND_WHOLE };
	struct answers answers;
	const struct leak *leak;

	stack.frames[0] = place_of(*state, 0x10, "accept", NULL, 0);
	stack.frames[1] = place_of(*state, 0x20, "serve\x1b", "a\"b.c", 42);
	answers.two[0] = stacks_keep(*state, &stack);
	stack = (struct stack){
		.count = 2, .how = TCPDWELL_OWNER_CONNECT, .end = UNWIND_CUT, .guessed = 1
	};
	stack.frames[0] = stacks_place(*state, NULL, NULL, 0, 0x1234);
	stack.frames[1] = place_of(*state, 0x30, NULL, NULL, 0);
	answers.two[1] = stacks_keep(*state, &stack);
	leaks_set_stacks(leaks, answer, &answers);

	leak = leak_of(leaks, sockets, 11);
	assert_int_equal(leak->stack_count, 2);
	assert_ptr_equal(leak->stacks[0].stack, answers.two[1]);
	assert_int_equal(leak->stacks[0].count, 5);
	assert_int_equal(leak->stacks[1].count, 4);
	assert_int_equal(leak->no_stack[STACK_OLDER], 1);
	assert_report(
		leak, stacks_report,
		"  5 came from this connect:\n"
		"    0x1234\n"
		"    ? /bin/server+0x30 (build id "
		"abcd000000000000000000000000000000000001)\n"
		"    … the callers are not known: no frame pointers\n"
		"  4 came from this accept:\n"
		"    accept+0x10 in /bin/server\n"
		"    serve\\x1b a\"b.c:42\n"
		"  no stack of 1: older than the tracer\n"
		"  no stack of 1: made where the tracer does not see it: by io_uring, or in a "
		"call older than it\n");
	leaks_free(leaks);
	sockets_free(sockets);
}

static void test_json(void **state)
{
	struct leaks *leaks = leaks_new(1U << TCPDWELL_CLOSE_WAIT, SECOND / 2);
	struct sockets *sockets = sockets_new();
	struct stack stack = { .count = 2, .how = TCPDWELL_OWNER_ACCEPT, .end = UNWIND_CHAIN };
	struct answers answers;

	stack.frames[0] = stacks_place(*state, NULL, NULL, 0, 4660);
	stack.frames[1] = place_of(*state, 32, "serve\x1b", "a\"b.c", 42);
	stack.guessed = 1;
	answers.two[0] = stacks_keep(*state, &stack);
	leaks_set_stacks(leaks, answer, &answers);
	assert_report(
		leak_of(leaks, sockets, 3), stacks_json,
		",\"stacks\":[{\"count\":1,\"how\":\"accept\",\"end\":\"chain\",\"gone\":false,"
		"\"frames\":[{\"function\":null,\"file\":null,\"line\":null,\"module\":null,"
		"\"build_id\":null,\"offset\":4660,\"guessed\":false},"
		"{\"function\":\"serve\\u001b\",\"file\":\"a\\\"b.c\",\"line\":42,"
		"\"module\":\"/bin/server\","
		"\"build_id\":\"abcd000000000000000000000000000000000001\",\"offset\":32,"
		"\"guessed\":true}]}],\"no_stack\":{\"older\":1,\"unaccepted\":0,\"unseen\":1,"
		"\"no_room\":0,\"unreadable\":0,\"later\":0}");
	leaks_free(leaks);
	sockets_free(sockets);
}

static void test_nobody_asked(void **state)
{
	struct leak leak = { .count = 1 };

	(void)state;
	assert_report(&leak, stacks_report, "");
	assert_report(&leak, stacks_json, ",\"stacks\":null,\"no_stack\":null");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_places_are_kept_once, make, unmake),
		cmocka_unit_test_setup_teardown(test_stacks_are_kept_once, make, unmake),
		cmocka_unit_test_setup_teardown(test_no_end_of_memory, make, unmake),
		cmocka_unit_test_setup_teardown(test_leak, make, unmake),
		cmocka_unit_test_setup_teardown(test_json, make, unmake),
		cmocka_unit_test_setup_teardown(test_nobody_asked, make, unmake),
	};

	return cmocka_run_group_tests_name("stacks", tests, NULL, NULL);
}
