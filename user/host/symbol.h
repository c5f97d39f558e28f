/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads what an ELF file and its debugging information say of its code: names, lines, and how to
 * get from a frame to its caller. There are two versions. symbol_dw.c asks elfutils' libdw.
 * symbol_none.c is for a build without it, and knows nothing.
 *
 * Nothing is run, nothing is fetched, and no other file is opened. Addresses are those that the
 * file itself uses. What a hostile file can do to this code is not known. So the code runs where it
 * can do no harm, see symbol_worker.h. One thread.
 */
#ifndef TCPDWELL_SYMBOL_H
#define TCPDWELL_SYMBOL_H

#include <stdbool.h>
#include <stdint.h>

struct unwind_rule;
struct symbols;

/* One place in the code. struct symbols owns the texts. */
struct symbol {
	const char *function; /* NULL: not known */
	uint64_t into;	      /* bytes from the beginning of the function */
	const char *file;     /* NULL: not known */
	unsigned int line;
};

/*
 * Opens the symbols of a file. @debug is the file with what was stripped from it; negative: there
 * is none at hand. Without @dwarf only the symbols are read, and not the debugging information.
 * Both descriptors stay the caller's. Returns NULL if nothing can be read. The caller frees it.
 */
struct symbols *symbols_open(int fd, int debug, bool dwarf);

/* NULL-safe. */
void symbols_free(struct symbols *symbols);

void symbols_find(struct symbols *symbols, uint64_t vaddr, struct symbol *symbol);

/*
 * Finds the rule for an address. Returns false if there is none, or none of the simple form that
 * compilers write.
 */
bool symbols_rule(struct symbols *symbols, uint64_t vaddr, struct unwind_rule *rule);

#endif /* TCPDWELL_SYMBOL_H */
