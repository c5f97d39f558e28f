/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeps each stack, as it is shown, only once. Equal places in the code are the same struct
 * stack_place, and equal stacks the same struct stack, so they can be compared by pointer. Pure,
 * one thread.
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

/* A place in the code. Texts are as they were found, and must be escaped. */
struct stack_place {
	const char *module; /* path as the process saw it; NULL: not known */
	uint64_t offset;    /* in the file; the address if neither module nor build id is known */
	uint8_t build_id[BUILD_ID_BYTES];
	uint8_t build_id_bytes;
	bool named; /* the following is filled in, as far as it is known */
	const char *function;
	const char *file;
	uint64_t into; /* bytes from the beginning of the function */
	unsigned int line;
};

struct stack {
	uint8_t how; /* TCPDWELL_OWNER_ACCEPT or TCPDWELL_OWNER_CONNECT */
	uint8_t end; /* enum unwind_end */
	bool gone;   /* the process was gone, so only its frame pointers are known */
	bool large;  /* it maps more code than is looked through: whether it ended is not known */
	uint8_t count;
	uint8_t guessed; /* index of a frame that may be none; 0: there is no such frame */
	const struct stack_place *frames[TCPDWELL_STACK_FRAMES]; /* innermost first */
};

/* Why a socket has no stack. */
enum stack_none {
	STACK_OLDER,	  /* the socket is older than the tracer */
	STACK_UNACCEPTED, /* nobody has accepted it yet */
	STACK_UNSEEN,	  /* it was connected or accepted where the tracer does not see it */
	STACK_NO_ROOM,
	STACK_UNREADABLE,
	STACK_LATER, /* its files take long to read, and this look had no time left */
	STACK_NONE_COUNT,
};

struct stacks;

/*
 * Returns NULL with errno set if there is no memory. The caller frees it, and with it all that it
 * returned.
 */
struct stacks *stacks_new(void);

/* NULL-safe. */
void stacks_free(struct stacks *stacks);

/*
 * Returns the place with this module, build id and offset. A new one is not named yet. @module may
 * be NULL. Returns NULL if there is no room or no memory.
 */
struct stack_place *stacks_place(struct stacks *stacks, const char *module, const uint8_t *build_id,
				 uint8_t build_id_bytes, uint64_t offset);

/*
 * Returns the place in code that a process has made, with this address and this name. Such code may
 * be another function's at another time. The place is already named. @module is where the name is
 * from. Returns NULL as above.
 */
struct stack_place *stacks_place_made(struct stacks *stacks, const char *module, uint64_t address,
				      const struct symbol *symbol);

/* Copies what @symbol knows into the place. */
void stacks_name(struct stack_place *place, const struct symbol *symbol);

/*
 * Returns the kept stack that equals @stack, whose frames are from stacks_place(). Returns NULL as
 * above.
 */
const struct stack *stacks_keep(struct stacks *stacks, const struct stack *stack);

#endif /* TCPDWELL_STACKS_H */
