// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A build without libdw knows no names: modules, offsets and build ids have to do. */
#include <stddef.h>

#include "host/symbol.h"

struct symbols *symbols_open(int fd, int debug, bool dwarf)
{
	(void)fd, (void)debug, (void)dwarf;
	return NULL;
}

void symbols_free(struct symbols *symbols)
{
	(void)symbols;
}

void symbols_find(struct symbols *symbols, uint64_t vaddr, struct symbol *symbol)
{
	(void)symbols;
	(void)vaddr;
	*symbol = (struct symbol){ NULL };
}

bool symbols_rule(struct symbols *symbols, uint64_t vaddr, struct unwind_rule *rule)
{
	(void)symbols;
	(void)vaddr;
	(void)rule;
	return false;
}
