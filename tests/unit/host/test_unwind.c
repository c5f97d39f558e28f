// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Stacks of three functions: the outermost at 300, which calls one at 200, which calls a wrapper of
 * a system call at 100.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/unwind.h"

#define SP 0x7000

struct code {
	struct unwind_rule rules[4]; /* by the hundreds of an address */
	bool has_rule[4];
	uint64_t no_call; /* an address that no call is before */
};

static bool rule(void *context, uint64_t pc, struct unwind_rule *found)
{
	const struct code *code = context;

	if (pc >= 400 || !code->has_rule[pc / 100])
		return false;
	*found = code->rules[pc / 100];
	return true;
}

static bool follows_call(void *context, uint64_t pc)
{
	const struct code *code = context;

	return pc > 100 && pc < 400 && pc != code->no_call;
}

/* The last hundred is code that is in no file. */
static bool is_made(void *context, uint64_t pc)
{
	(void)context;
	return pc >= 900 && pc < 1000;
}

static const struct unwind_ops ops = {
	.rule = rule,
	.follows_call = follows_call,
	.is_made = is_made,
};

/* Nothing but a return address: a leaf. */
static const struct unwind_rule leaf = { .base = UNWIND_SP, .cfa = 8, .ra_at = -8 };

/* push %rbp; mov %rsp, %rbp. */
static const struct unwind_rule pointer = {
	.base = UNWIND_FP,
	.cfa = 16,
	.ra_at = -8,
	.fp = UNWIND_FP_AT,
	.fp_at = -16,
};

static const struct unwind_rule outermost = { .base = UNWIND_SP, .cfa = 8, .ra = UNWIND_RA_NONE };

static void put(struct tcpdwell_stack *stack, unsigned int at, uint64_t word)
{
	memcpy(stack->top + at, &word, sizeof(word));
}

/* As the kernel sees it: the wrapper, and what frame pointers lead to. */
static struct tcpdwell_stack stack_of(unsigned int ips, uint64_t first, uint64_t second)
{
	return (struct tcpdwell_stack){
		.ip_bytes = ips * 8,
		.ip = first,
		.sp = SP,
		.fp = SP + 32,
		.top_bytes = TCPDWELL_STACK_BYTES,
		.ips = { first, second },
	};
}

static struct unwound unwind_it(const struct tcpdwell_stack *stack, struct code *code)
{
	struct unwound u;

	unwind(&u, stack, &ops, code);
	return u;
}

/* The kernel's walk passes over 210: the wrapper has no frame of its own. */
static void test_wrapper_without_frame(void **state)
{
	struct code code = {
		.rules = { [1] = leaf, [2] = pointer, [3] = outermost },
		.has_rule = { [1] = true, [2] = true, [3] = true },
	};
	struct tcpdwell_stack stack = stack_of(2, 150, 310);
	struct unwound u;

	(void)state;
	put(&stack, 0, 210);
	put(&stack, 32, 0);
	put(&stack, 40, 310);
	u = unwind_it(&stack, &code);
	assert_int_equal(u.count, 3);
	assert_int_equal(u.pcs[0], 150);
	assert_int_equal(u.pcs[1], 210);
	assert_int_equal(u.pcs[2], 310);
	assert_int_equal(u.end, UNWIND_WHOLE);
	assert_int_equal(u.guessed, 0);
}

/* The frame lies beyond what was copied: the kernel has walked it. */
static void test_large_frame(void **state)
{
	struct code code = {
		.rules = { [1] = leaf, [2] = pointer, [3] = outermost },
		.has_rule = { [1] = true, [2] = true, [3] = true },
	};
	struct tcpdwell_stack stack = stack_of(2, 150, 310);
	struct unwound u;

	(void)state;
	stack.fp = SP + TCPDWELL_STACK_BYTES - 8; /* half of it is in */
	put(&stack, 0, 210);
	u = unwind_it(&stack, &code);
	assert_int_equal(u.count, 3);
	assert_int_equal(u.pcs[2], 310);
	assert_int_equal(u.end, UNWIND_WHOLE);
}

/* Without any frame pointer the tables lead on, as far as the copy goes. */
static void test_tables_alone(void **state)
{
	struct code code = {
		.rules = { [1] = leaf,
			   [2] = { .base = UNWIND_SP, .cfa = 24, .ra_at = -8 },
			   [3] = { .base = UNWIND_SP, .cfa = TCPDWELL_STACK_BYTES, .ra_at = -8 } },
		.has_rule = { [1] = true, [2] = true, [3] = true },
	};
	struct tcpdwell_stack stack = stack_of(1, 150, 0);
	struct unwound u;

	(void)state;
	stack.fp = 0;
	put(&stack, 0, 210);
	put(&stack, 24, 310);
	u = unwind_it(&stack, &code);
	assert_int_equal(u.count, 3);
	assert_int_equal(u.pcs[2], 310);
	assert_int_equal(u.end, UNWIND_CUT);
}

/* In a build without tables, what looks like a return address may be none, and is marked. */
static void test_guess(void **state)
{
	struct code code = { .no_call = 220 };
	struct tcpdwell_stack stack = stack_of(2, 150, 310);
	struct unwound u;

	(void)state;
	put(&stack, 0, 7);
	put(&stack, 8, 220);
	put(&stack, 16, 210);
	u = unwind_it(&stack, &code);
	assert_int_equal(u.count, 3);
	assert_int_equal(u.pcs[1], 210);
	assert_int_equal(u.guessed, 1);
	assert_int_equal(u.pcs[2], 310);
	assert_int_equal(u.end, UNWIND_CHAIN);
	put(&stack, 16, 310); /* the kernel's walk has it: no guess */
	u = unwind_it(&stack, &code);
	assert_int_equal(u.count, 2);
	assert_int_equal(u.guessed, 0);
}

/* If code uses the frame pointer's register for something else, the kernel's walk goes astray. */
static void test_no_frame_pointer(void **state)
{
	struct code code = { .no_call = 0 };
	struct tcpdwell_stack stack = stack_of(2, 150, 4711);
	struct unwound u;

	(void)state;
	u = unwind_it(&stack, &code);
	assert_int_equal(u.count, 1);
	assert_int_equal(u.end, UNWIND_CUT);
	stack.ip_bytes = 8;
	u = unwind_it(&stack, &code);
	assert_int_equal(u.count, 1);
	assert_int_equal(u.end, UNWIND_CUT);
}

/* Code that is in no file has no rules, and its calls cannot be checked: frame pointers lead on. */
static void test_made(void **state)
{
	struct code code = {
		.rules = { [1] = leaf },
		.has_rule = { [1] = true },
	};
	struct tcpdwell_stack stack = stack_of(3, 150, 920);
	struct unwound u;

	(void)state;
	stack.ips[2] = 930;
	put(&stack, 0, 910);
	u = unwind_it(&stack, &code);
	assert_int_equal(u.count, 4);
	assert_int_equal(u.pcs[1], 910);
	assert_int_equal(u.pcs[3], 930);
	assert_int_equal(u.end, UNWIND_CHAIN);
}

/* arm64: a leaf's caller is in the link register, but the caller of no other function is. */
static void test_link_register(void **state)
{
	struct code code = {
		.rules = { [1] = { .base = UNWIND_SP, .ra = UNWIND_RA_LR },
			   [2] = { .base = UNWIND_SP, .ra = UNWIND_RA_LR } },
		.has_rule = { [1] = true, [2] = true },
	};
	struct tcpdwell_stack stack = stack_of(1, 150, 0);
	struct unwound u;

	(void)state;
	stack.lr = 210;
	u = unwind_it(&stack, &code);
	assert_int_equal(u.count, 2);
	assert_int_equal(u.pcs[1], 210);
	assert_int_equal(u.end, UNWIND_CUT);
}

static uint64_t without_top_half(uint64_t word)
{
	return word & UINT32_MAX;
}

/* arm64: the return address that a function saves is signed; those of the kernel's walk are not. */
static void test_signed_addresses(void **state)
{
	const uint64_t signature = 0x5a00000000000000;
	struct unwind_ops signs = ops;
	struct code code = {
		.rules = { [1] = { .base = UNWIND_SP, .ra = UNWIND_RA_LR },
			   [2] = pointer,
			   [3] = outermost },
		.has_rule = { [1] = true, [2] = true, [3] = true },
	};
	struct tcpdwell_stack stack = stack_of(2, 150, 310);
	struct unwound u;

	(void)state;
	signs.unsigned_address = without_top_half;
	stack.lr = 210 | signature;
	put(&stack, 40, 310 | signature);
	unwind(&u, &stack, &signs, &code);
	assert_int_equal(u.count, 3);
	assert_int_equal(u.pcs[1], 210);
	assert_int_equal(u.pcs[2], 310);
	assert_int_equal(u.end, UNWIND_WHOLE);

	/* There are only guesses: first the register, then the stack. */
	code.has_rule[1] = false;
	unwind(&u, &stack, &signs, &code);
	assert_int_equal(u.guessed, 1);
	assert_int_equal(u.pcs[1], 210);
	stack.lr = 0;
	put(&stack, 8, 220 | signature);
	unwind(&u, &stack, &signs, &code);
	assert_int_equal(u.guessed, 1);
	assert_int_equal(u.pcs[1], 220);
}

/* The stack is a recursion, or the tables lead in a circle. */
static void test_endless(void **state)
{
	struct code code = {
		.rules = { [1] = { .base = UNWIND_SP, .cfa = 0, .ra_at = 0 } },
		.has_rule = { [1] = true },
	};
	struct tcpdwell_stack stack = stack_of(1, 150, 0);
	struct unwound u;

	(void)state;
	put(&stack, 0, 150);
	u = unwind_it(&stack, &code);
	assert_int_equal(u.count, TCPDWELL_STACK_FRAMES);
	assert_int_equal(u.end, UNWIND_DEEP);
}

/* What a file says may be anything. */
static void test_far_away(void **state)
{
	struct code code = {
		.rules = { [1] = { .base = UNWIND_FP, .fp = UNWIND_FP_AT, .fp_at = INT64_MAX } },
		.has_rule = { [1] = true },
	};
	struct tcpdwell_stack stack = stack_of(2, 150, 210);

	(void)state;
	stack.fp = 0;
	assert_int_equal(unwind_it(&stack, &code).count, 1);
}

static void test_nothing(void **state)
{
	struct code code = { .no_call = 0 };
	struct tcpdwell_stack stack = stack_of(0, 150, 0);

	(void)state;
	assert_int_equal(unwind_it(&stack, &code).count, 0);
	stack.ip_bytes = -14;
	assert_int_equal(unwind_it(&stack, &code).count, 0);
	stack = stack_of(1, 0, 0); /* a thread of the kernel's own */
	assert_int_equal(unwind_it(&stack, &code).count, 0);
	stack = stack_of(1, 150, 0); /* the registers are not known */
	stack.top_bytes = 0;
	assert_int_equal(unwind_it(&stack, &code).count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrapper_without_frame),
		cmocka_unit_test(test_large_frame),
		cmocka_unit_test(test_tables_alone),
		cmocka_unit_test(test_guess),
		cmocka_unit_test(test_no_frame_pointer),
		cmocka_unit_test(test_made),
		cmocka_unit_test(test_link_register),
		cmocka_unit_test(test_signed_addresses),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_far_away),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests_name("unwind", tests, NULL, NULL);
}
