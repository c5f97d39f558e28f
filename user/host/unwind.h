/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds return addresses in what the kernel side keeps of a stack. It uses the rules that a
 * compiler leaves for each place in the code, where there are any, and frame pointers otherwise.
 * Pure.
 *
 * The caller of accept() is found only by both together. The C library mostly has no frame
 * pointers, and a chain of them skips the function that called into it.
 */
#ifndef TCPDWELL_UNWIND_H
#define TCPDWELL_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/* How to find a function's caller from one place in its code (DWARF 5, section 6.4). */
struct unwind_rule {
	enum { UNWIND_SP, UNWIND_FP } base;
	int64_t cfa; /* the frame's address: base + cfa */
	enum { UNWIND_RA_AT, UNWIND_RA_LR, UNWIND_RA_NONE } ra;
	int64_t ra_at; /* the return address is at the frame's address + ra_at */
	enum { UNWIND_FP_SAME, UNWIND_FP_AT, UNWIND_FP_LOST } fp;
	int64_t fp_at; /* the caller's frame pointer is at the frame's address + fp_at */
};

enum unwind_end {
	UNWIND_WHOLE, /* the walk reached the function that nobody called */
	UNWIND_DEEP,  /* there are more frames than are kept */
	UNWIND_CHAIN, /* frame pointers lead no further, so this may be all */
	UNWIND_CUT,   /* there is neither a rule nor a frame pointer to go on by */
};

struct unwound {
	uint64_t pcs[TCPDWELL_STACK_FRAMES]; /* the first one is no return address */
	size_t count;
	size_t guessed; /* index of an address that was only found on the stack; 0: none */
	enum unwind_end end;
};

struct unwind_ops {
	/* Finds the rule for @pc. Returns false if there is none. */
	bool (*rule)(void *context, uint64_t pc, struct unwind_rule *rule);
	/* Returns true if @pc follows a call, so that it may be a return address. */
	bool (*follows_call)(void *context, uint64_t pc);
	/* Returns true if there is code at @pc that is in no file, so that nobody can tell. */
	bool (*is_made)(void *context, uint64_t pc);
	/*
	 * Returns the address that a signed return address stands for. NULL: return addresses are
	 * not signed.
	 */
	uint64_t (*unsigned_address)(uint64_t word);
};

/* Finds the frames of @stack, innermost first. */
void unwind(struct unwound *unwound, const struct tcpdwell_stack *stack,
	    const struct unwind_ops *ops, void *context);

#endif /* TCPDWELL_UNWIND_H */
