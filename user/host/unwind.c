// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "host/unwind.h"

/*
 * How many words at the top of the stack are searched for the caller of a system call's wrapper,
 * where no rule tells. glibc's wrappers reserve fewer.
 */
#define GUESS_WORDS 16

/* What is known of a frame's registers. */
struct registers {
	uint64_t pc, sp, fp;
	bool sp_known, fp_known;
	bool chained; /* the kernel's next return address is that of the frame at fp */
};

static bool read_word(const struct tcpdwell_stack *stack, uint64_t address, uint64_t *word)
{
	uint64_t at = address - stack->sp;

	if (stack->top_bytes > sizeof(stack->top) || at > stack->top_bytes ||
	    stack->top_bytes - at < sizeof(*word))
		return false;
	memcpy(word, stack->top + at, sizeof(*word));
	return true;
}

/*
 * Returns the return address without its signature. The kernel's walk has removed signatures
 * itself.
 */
static uint64_t return_address(const struct unwind_ops *ops, uint64_t word)
{
	return ops->unsigned_address ? ops->unsigned_address(word) : word;
}

static size_t chain_length(const struct tcpdwell_stack *stack)
{
	size_t count = stack->ip_bytes > 0 ? stack->ip_bytes / sizeof(stack->ips[0]) : 0;

	return count < TCPDWELL_STACK_FRAMES ? count : TCPDWELL_STACK_FRAMES;
}

/*
 * Returns true if a rule is that of a function with a frame pointer: its return address and the
 * saved frame pointer lie next to each other.
 */
static bool is_standard(const struct unwind_rule *rule)
{
	return rule->base == UNWIND_FP && rule->ra == UNWIND_RA_AT && rule->fp == UNWIND_FP_AT &&
	       rule->ra_at - (uint64_t)rule->fp_at == sizeof(uint64_t);
}

/*
 * Goes to the caller by the kernel's walk. The caller's registers are not known, but the walk goes
 * on from there.
 */
static bool step_by_chain(struct registers *r, const struct tcpdwell_stack *stack, size_t *chain)
{
	if (!r->chained || *chain >= chain_length(stack))
		return false;
	r->pc = stack->ips[(*chain)++];
	r->sp_known = r->fp_known = false;
	return true;
}

static bool step_by_rule(struct registers *r, const struct tcpdwell_stack *stack,
			 const struct unwind_ops *ops, const struct unwind_rule *rule,
			 size_t *chain)
{
	bool known = rule->base == UNWIND_SP ? r->sp_known : r->fp_known;
	uint64_t cfa = (rule->base == UNWIND_SP ? r->sp : r->fp) + rule->cfa;
	uint64_t pc = 0, fp = 0;
	bool fp_known;

	if (!known || (rule->ra == UNWIND_RA_AT && !read_word(stack, cfa + rule->ra_at, &pc)))
		return is_standard(rule) && step_by_chain(r, stack, chain);
	if (rule->ra == UNWIND_RA_LR)
		pc = stack->lr;
	pc = return_address(ops, pc);
	fp_known = rule->fp == UNWIND_FP_AT && read_word(stack, cfa + rule->fp_at, &fp);
	r->pc = pc;
	r->sp = cfa;
	r->sp_known = true;
	if (rule->fp == UNWIND_FP_SAME)
		return true;
	if (r->chained && is_standard(rule) && *chain < chain_length(stack) &&
	    stack->ips[*chain] == pc)
		++*chain;
	else
		r->chained = false;
	r->fp = fp;
	r->fp_known = fp_known;
	return true;
}

/*
 * Guesses the caller. There is no rule, and the kernel's walk begins at the caller's caller. It
 * takes the first word on the stack that looks like a return address, unless the walk has it, too.
 */
static void guess(struct unwound *u, const struct tcpdwell_stack *stack,
		  const struct unwind_ops *ops, void *context)
{
	uint64_t pc = return_address(ops, stack->lr);
	bool found = pc && ops->follows_call(context, pc);

	for (unsigned int i = 0; i < GUESS_WORDS && !found; i++) {
		if (!read_word(stack, stack->sp + i * sizeof(pc), &pc))
			return;
		pc = return_address(ops, pc);
		found = ops->follows_call(context, pc);
	}
	if (!found || (chain_length(stack) > 1 && pc == stack->ips[1]))
		return;
	u->guessed = u->count;
	u->pcs[u->count++] = pc;
}

static bool is_return(const struct unwind_ops *ops, void *context, uint64_t pc)
{
	return ops->follows_call(context, pc) || ops->is_made(context, pc);
}

void unwind(struct unwound *u, const struct tcpdwell_stack *stack, const struct unwind_ops *ops,
	    void *context)
{
	struct registers r = {
		.pc = stack->ips[0],
		.sp = stack->sp,
		.fp = stack->fp,
		.sp_known = stack->top_bytes,
		.fp_known = stack->top_bytes,
		.chained = true,
	};
	size_t chain = 1;
	bool more;

	*u = (struct unwound){ .end = UNWIND_CUT };
	if (!chain_length(stack) || !r.pc)
		return;
	for (more = true; more && u->count < TCPDWELL_STACK_FRAMES;) {
		struct unwind_rule rule;
		bool first = !u->count, known = ops->rule(context, r.pc - !first, &rule);

		u->pcs[u->count++] = r.pc;
		if (known && rule.ra == UNWIND_RA_NONE) {
			u->end = UNWIND_WHOLE;
			return;
		}
		if (known && rule.ra == UNWIND_RA_LR && !first)
			return; /* the register has been overwritten since */
		if (!known && first)
			guess(u, stack, ops, context);
		more = known ? step_by_rule(&r, stack, ops, &rule, &chain) :
			       step_by_chain(&r, stack, &chain);
		if (more && (!r.pc || (!known && !is_return(ops, context, r.pc))))
			return; /* the value there was no frame pointer */
		if (!more && !known && chain > 1)
			u->end = UNWIND_CHAIN;
	}
	if (more)
		u->end = UNWIND_DEEP;
}
