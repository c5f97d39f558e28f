/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stacks as they are shown, each kept once: equal places in the code are the same struct
 * stack_place, and equal stacks the same struct stack, so that whoever counts compares pointers.
 * Pure, one thread.
 */
#ifndef TCPDWELL_STACKS_H
#define TCPDWELL_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/elf_image.h"
#include "host/unwind.h"
#include "wire.h"

struct symbol;

/* A place in the code. Texts are as they were found: to be escaped. */
struct stack_place {
	const char *module; /* path as the process saw it, NULL: not known */
	uint64_t offset;    /* in the file; without module and build id, the address */
	uint8_t build_id[BUILD_ID_BYTES];
	uint8_t build_id_bytes;
	bool named; /* the following is filled in, as far as it is to be had */
	const char *function;
	const char *file;
	uint64_t into; /* function */
	unsigned int line;
};

struct stack {
	uint8_t how; /* TCPDWELL_OWNER_ACCEPT or TCPDWELL_OWNER_CONNECT */
	uint8_t end; /* enum unwind_end */
	bool gone;   /* the process was, so frame pointers are all that is known */
	uint8_t count;
	uint8_t guessed; /* index of a frame that may be none, 0: of no frame */
	const struct stack_place *frames[TCPDWELL_STACK_FRAMES]; /* innermost first */
};

/* Why a socket has none. */
enum stack_none {
	STACK_OLDER,	  /* than the tracer */
	STACK_UNACCEPTED, /* nobody has accepted it yet */
	STACK_UNSEEN,	  /* connected or accepted where the tracer does not see it */
	STACK_NO_ROOM,
	STACK_UNREADABLE,
	STACK_LATER, /* its files take long to read: there was no time left in this look */
	STACK_NONE_COUNT,
};

struct stacks;

/* Returns NULL with errno set if there is no memory. The caller frees it, and all it gave out. */
struct stacks *stacks_new(void);

/* NULL-safe. */
void stacks_free(struct stacks *stacks);

/*
 * The place with these marks; if it is new, not named. @module may be NULL. Returns NULL if there
 * is no room or no memory.
 */
struct stack_place *stacks_place(struct stacks *stacks, const char *module, const uint8_t *build_id,
				 uint8_t build_id_bytes, uint64_t offset);

/*
 * The place in code that a process has made, which may be another function's at another time: with
 * this address and this name, and named. @module is where the name is from. NULL as above.
 */
struct stack_place *stacks_place_made(struct stacks *stacks, const char *module, uint64_t address,
				      const struct symbol *symbol);

/* Copies what is known of it into the place. */
void stacks_name(struct stack_place *place, const struct symbol *symbol);

/* The one that equals @stack, whose frames are of stacks_place(). NULL as above. */
const struct stack *stacks_keep(struct stacks *stacks, const struct stack *stack);

#endif /* TCPDWELL_STACKS_H */
