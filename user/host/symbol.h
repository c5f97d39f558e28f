/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an ELF file and its debugging information say of its code: names, lines, and how to get from
 * a frame to its caller. There are two: symbol_dw.c asks elfutils' libdw, symbol_none.c, for a
 * build without it, knows nothing.
 *
 * Nothing is run, nothing fetched, no other file opened. Addresses are those that the file itself
 * uses. What a hostile file can do to this code is not known: it runs where it can do no harm, see
 * symbol_worker.h. One thread.
 */
#ifndef TCPDWELL_SYMBOL_H
#define TCPDWELL_SYMBOL_H

#include <stdbool.h>
#include <stdint.h>

struct unwind_rule;
struct symbols;

/* One place in the code. The texts are the owner's of struct symbols. */
struct symbol {
	const char *function; /* NULL: not known */
	uint64_t into;	      /* bytes from its beginning */
	const char *file;     /* NULL: not known */
	unsigned int line;
};

/*
 * @debug is what was stripped from the file, negative: nothing is at hand. Without @dwarf its
 * debugging information is not read, only its symbols. Both descriptors stay the caller's. Returns
 * NULL if nothing is to be had. The caller frees it.
 */
struct symbols *symbols_open(int fd, int debug, bool dwarf);

/* NULL-safe. */
void symbols_free(struct symbols *symbols);

void symbols_find(struct symbols *symbols, uint64_t vaddr, struct symbol *symbol);

/* Returns whether there is a rule, and one of the simple form that compilers write. */
bool symbols_rule(struct symbols *symbols, uint64_t vaddr, struct unwind_rule *rule);

#endif /* TCPDWELL_SYMBOL_H */
