// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is left of a program when its constants are known. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prune.h"

#define MAP 7 /* the descriptor of the map of constants */

/* clang-format off */
#define INSN(c, d, s, o, i) { .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }
#define MOV(to, number)	      INSN(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, number)
#define COPY(to, from)	      INSN(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define AND(to, number)	      INSN(BPF_ALU64 | BPF_AND | BPF_K, to, 0, 0, number)
#define PLACE(to, at)	      INSN(BPF_LD | BPF_IMM | BPF_DW, to, BPF_PSEUDO_MAP_VALUE, 0, MAP), \
			      INSN(0, 0, 0, 0, at)
#define FUNCTION(to, by)      INSN(BPF_LD | BPF_IMM | BPF_DW, to, BPF_PSEUDO_FUNC, 0, by), \
			      INSN(0, 0, 0, 0, 0)
#define LOAD(to, from)	      INSN(BPF_LDX | BPF_MEM | BPF_B, to, from, 0, 0)
#define IF_ZERO(what, by)     INSN(BPF_JMP | BPF_JEQ | BPF_K, what, 0, by, 0)
#define IF_LESS32(what, n, by) INSN(BPF_JMP32 | BPF_JSLT | BPF_K, what, 0, by, n)
#define JUMP(by)	      INSN(BPF_JMP | BPF_JA, 0, 0, by, 0)
#define HELP(number)	      INSN(BPF_JMP | BPF_CALL, 0, 0, 0, number)
#define CALL(by)	      INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, by)
#define EXIT		      INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
/* clang-format on */

static const uint8_t constants[16] = { 0, 1, 2 };

static int cut(struct prune *p, struct bpf_insn *insns, size_t count,
	       struct bpf_func_info *functions, uint32_t function_count)
{
	*p = (struct prune){
		.insns = insns,
		.count = count,
		.map = MAP,
		.constants = constants,
		.constant_bytes = sizeof(constants),
		.functions = functions,
		.function_count = function_count,
		.function_bytes = sizeof(*functions),
	};
	return prune(p);
}

#define CUT(p, insns, functions)                                 \
	cut(p, insns, sizeof(insns) / sizeof(*insns), functions, \
	    sizeof(functions) / sizeof(*functions))

static void assert_same(const struct prune *p, const struct bpf_insn *insns, size_t count)
{
	assert_int_equal(p->count, count);
	assert_memory_equal(p->insns, insns, count * sizeof(*insns));
}

#define ASSERT_SAME(p, insns) assert_same(p, insns, sizeof(insns) / sizeof(*insns))

static void test_switched_off(void **state)
{
	struct bpf_insn insns[] = { PLACE(1, 0), LOAD(1, 1), AND(1, 1), IF_ZERO(1, 2),
				    HELP(5),	 HELP(6),    MOV(0, 0), EXIT };
	const struct bpf_insn left[] = { PLACE(1, 0), LOAD(1, 1), AND(1, 1), MOV(0, 0), EXIT };
	struct bpf_func_info functions[] = { { 0, 1 } };
	struct prune p;

	(void)state;
	assert_int_equal(CUT(&p, insns, functions), 0);
	ASSERT_SAME(&p, left);
}

static void test_switched_on(void **state)
{
	struct bpf_insn insns[] = { PLACE(1, 1), LOAD(1, 1), IF_ZERO(1, 1), JUMP(1),
				    HELP(5),	 MOV(0, 0),  EXIT };
	const struct bpf_insn left[] = { PLACE(1, 1), LOAD(1, 1), MOV(0, 0), EXIT };
	struct bpf_func_info functions[] = { { 0, 1 } };
	struct prune p;

	(void)state;
	assert_int_equal(CUT(&p, insns, functions), 0);
	ASSERT_SAME(&p, left);
}

/* A value is unknown where two paths with different numbers meet, and so is a helper's answer. */
static void test_what_is_not_known_stays(void **state)
{
	struct bpf_insn insns[] = { HELP(5),	   MOV(6, 0), IF_ZERO(0, 1), MOV(6, 1),
				    IF_ZERO(6, 1), HELP(6),   MOV(0, 0),     EXIT };
	const struct bpf_insn left[] = { HELP(5),	MOV(6, 0), IF_ZERO(0, 1), MOV(6, 1),
					 IF_ZERO(6, 1), HELP(6),   MOV(0, 0),	  EXIT };
	struct bpf_func_info functions[] = { { 0, 1 } };
	struct prune p;

	(void)state;
	assert_int_equal(CUT(&p, insns, functions), 0);
	ASSERT_SAME(&p, left);
}

static void test_a_loop(void **state)
{
	/* r6 counts down from a known number: at the head of the loop it is unknown. */
	struct bpf_insn insns[] = { MOV(6, 2), IF_ZERO(6, 3), HELP(5), AND(6, 1),
				    JUMP(-4),  MOV(0, 0),     EXIT };
	struct bpf_func_info functions[] = { { 0, 1 } };
	struct prune p;

	(void)state;
	assert_int_equal(CUT(&p, insns, functions), 0);
	assert_int_equal(p.count, 7);
	assert_int_equal(p.insns[4].off, -4);
}

static void test_32_bits_and_signs(void **state)
{
	struct bpf_insn insns[] = { MOV(1, -1), IF_LESS32(1, 0, 1), HELP(5), MOV(0, 0), EXIT };
	const struct bpf_insn left[] = { MOV(1, -1), MOV(0, 0), EXIT };
	struct bpf_func_info functions[] = { { 0, 1 } };
	struct prune p;

	(void)state;
	assert_int_equal(CUT(&p, insns, functions), 0);
	ASSERT_SAME(&p, left);
}

/* Calls lead to the new places of their functions; a function that nobody calls is gone. */
static void test_functions(void **state)
{
	struct bpf_insn insns[] = { PLACE(1, 0), LOAD(1, 1), IF_ZERO(1, 1), CALL(4), CALL(5),
				    FUNCTION(2, 6), EXIT,
				    /* 8: switched off with its call */
				    MOV(0, 1), EXIT,
				    /* 10 */
				    MOV(0, 2), EXIT,
				    /* 12: called by its number */
				    MOV(0, 3), EXIT };
	const struct bpf_insn left[] = { PLACE(1, 0),	 LOAD(1, 1), CALL(3),
					 FUNCTION(2, 4), EXIT,	     MOV(0, 2),
					 EXIT,		 MOV(0, 3),  EXIT };
	struct bpf_func_info functions[] = { { 0, 1 }, { 9, 2 }, { 11, 3 }, { 13, 4 } };
	struct prune p;

	(void)state;
	insns[4].imm = 9 - 5;
	insns[5].imm = 11 - 6;
	insns[6].imm = 13 - 7;
	assert_int_equal(CUT(&p, insns, functions), 0);
	ASSERT_SAME(&p, left);
	assert_int_equal(p.function_count, 3);
	assert_int_equal(functions[0].insn_off, 0);
	assert_int_equal(functions[1].insn_off, 7);
	assert_int_equal(functions[1].type_id, 3);
	assert_int_equal(functions[2].insn_off, 9);
	assert_int_equal(functions[2].type_id, 4);
}

static void test_what_is_not_understood(void **state)
{
	struct bpf_insn far[] = { INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, 0), EXIT };
	struct bpf_insn out[] = { JUMP(5), EXIT };
	struct bpf_func_info functions[] = { { 0, 1 } };
	struct prune p;

	(void)state;
	assert_int_equal(CUT(&p, far, functions), -ENOTSUP);
	assert_int_equal(p.count, 2);
	assert_int_equal(CUT(&p, out, functions), -ENOTSUP);
	assert_int_equal(p.insns[0].off, 5);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_switched_off),
		cmocka_unit_test(test_switched_on),
		cmocka_unit_test(test_what_is_not_known_stays),
		cmocka_unit_test(test_a_loop),
		cmocka_unit_test(test_32_bits_and_signs),
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_what_is_not_understood),
	};

	return cmocka_run_group_tests_name("prune", tests, NULL, NULL);
}
