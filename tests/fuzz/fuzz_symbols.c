// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Messages between the tracer and the process that reads files, which a file may have turned
 * against the tracer. What is accepted is then used as the tracer uses it. The first byte says who
 * sent the rest.
 */
#include <string.h>

#include "host/symbol_wire.h"
#include "host/unwind.h"
#include "input.h"

static bool rule_at(void *context, uint64_t pc, struct unwind_rule *rule)
{
	const struct symbol_answer *answer = context;

	*rule = answer->rule;
	return answer->known ^ (pc & 1);
}

static bool yes(void *context, uint64_t pc)
{
	(void)context, (void)pc;
	return true;
}

static bool no(void *context, uint64_t pc)
{
	(void)context, (void)pc;
	return false;
}

static void use(struct symbol_answer *answer, struct input *input)
{
	const struct unwind_ops ops[] = { { rule_at, yes, no, NULL }, { rule_at, no, yes, NULL } };
	struct tcpdwell_stack *stack = malloc(sizeof(*stack));
	struct unwound unwound;
	uint64_t vaddr;

	CHECK(stack);
	input_take(input, stack, sizeof(*stack));
	elf_image_vaddr(&answer->image, stack->ip, &vaddr);
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		unwind(&unwound, stack, &ops[i], answer);
		CHECK(unwound.count <= TCPDWELL_STACK_FRAMES && unwound.guessed <= unwound.count);
	}
	CHECK(strlen(answer->function) < SYMBOL_TEXT_BYTES);
	CHECK(strlen(answer->file) < SYMBOL_TEXT_BYTES);
	free(stack);
}

static void hear(struct input *input)
{
	struct symbol_request request = { 0 };
	struct symbol_answer *answer = malloc(sizeof(*answer));
	size_t len = input->left < sizeof(*answer) ? input->left : sizeof(*answer);

	CHECK(answer);
	input_take(input, answer, sizeof(*answer));
	request.serial = answer->serial;
	if (symbol_answer_is_good(answer, len, &request))
		use(answer, input);
	free(answer);
}

static void serve(struct input *input)
{
	size_t fds = input_below(input, 3), len = input->left;
	struct symbol_request request;

	input_take(input, &request, sizeof(request));
	if (symbol_request_is_good(&request, len, fds))
		CHECK(request.slot < SYMBOL_SLOTS && request.op < SYMBOL_OPS && fds < 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	if (input_u8(&input) & 1)
		hear(&input);
	else
		serve(&input);
	return 0;
}
