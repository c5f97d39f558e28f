/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a snapshot says of each connection besides its state, by the hash of its ends: who holds it,
 * and whether bind() took its port. All notes are added first, then searched, then forgotten.
 *
 * A note takes forty bytes. At most NOTES_MAX are kept; of other connections nothing is known. One
 * thread at a time.
 */
#ifndef TCPDWELL_NOTES_H
#define TCPDWELL_NOTES_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

/* They take 10 MiB during the look. */
#define NOTES_MAX (1U << 18)

struct note {
	uint64_t ends; /* the hash */
	uint32_t pid;  /* 0: no process is known */
	bool bound;
	char comm[TCPDWELL_COMM_LEN];
};

struct notes;

/* Returns NULL with errno set if there is no memory. The caller frees it. */
struct notes *notes_new(void);

/* NULL-safe. */
void notes_free(struct notes *notes);

/* Keeps a copy if there is room. A connection may have several notes. */
void notes_add(struct notes *notes, const struct note *note);

/*
 * Returns a note of these ends, preferably one that names a process; NULL: there is none. Valid
 * until the next change.
 */
const struct note *notes_find(struct notes *notes, uint64_t ends);

/* Forgets all notes, and frees their memory. */
void notes_forget(struct notes *notes);

#endif /* TCPDWELL_NOTES_H */
