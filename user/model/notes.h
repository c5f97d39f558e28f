/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a snapshot says of each connection beside its state, by the hash of its ends: who has it,
 * and whether bind() took its port. It is asked once all is noted, and of no use after that.
 *
 * Forty bytes each. No more than NOTES_MAX are kept; of the others nothing is known. One thread at
 * a time.
 */
#ifndef TCPDWELL_NOTES_H
#define TCPDWELL_NOTES_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

/* They take 10 MiB while it is looked around. */
#define NOTES_MAX (1U << 18)

struct note {
	uint64_t ends; /* the hash */
	uint32_t pid;  /* 0: nobody is known to have it */
	bool bound;
	char comm[TCPDWELL_COMM_LEN];
};

struct notes;

/* Returns NULL with errno set if there is no memory. The caller frees it. */
struct notes *notes_new(void);

/* NULL-safe. */
void notes_free(struct notes *notes);

/* Keeps a copy, if there is room. One connection may have several. */
void notes_add(struct notes *notes, const struct note *note);

/* One of these ends, that names a process if any does; NULL: none. Valid until the next change. */
const struct note *notes_find(struct notes *notes, uint64_t ends);

/* Keeps none any more. */
void notes_forget(struct notes *notes);

#endif /* TCPDWELL_NOTES_H */
