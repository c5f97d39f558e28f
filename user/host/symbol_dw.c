// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reads symbols by elfutils' libdw. */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/symbol.h"
#include "host/unwind.h"

/* DWARF's numbers of registers (psABI of each processor). */
#if defined(__x86_64__)
#define REG_SP 7
#define REG_FP 6
#elif defined(__aarch64__)
#define REG_SP 31
#define REG_FP 29
#else
#error "which registers are stack and frame pointer?"
#endif

/*
 * The most bytes of a qualified name. For a longer one the outer scopes are left out, or the end.
 */
#define NAME_BYTES 512

struct symbols {
	Dwfl *dwfl;
	Dwfl_Module *module;
	int debug;	/* the caller's; negative: none */
	bool dwarf;	/* its debugging information may be read */
	bool functions; /* its debugging information is all there, and none is in another file */
	char name[NAME_BYTES]; /* the last name asked for, at its end; the NUL stays */
};

/*
 * Gives libdwfl the caller's file. Its own search looks in many places, and asks servers that the
 * environment may name.
 */
static int find_debuginfo(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
			  const char *file, const char *link, GElf_Word crc, char **found)
{
	const struct symbols *symbols = *userdata;

	(void)module, (void)name, (void)base, (void)link, (void)crc, (void)found;
	if (!file || !symbols || symbols->debug < 0)
		return -1; /* without a file it is asked for what several files share (dwz) */
	return fcntl(symbols->debug, F_DUPFD_CLOEXEC, 0);
}

/* There is nothing to find: libdwfl was given the file. */
static int find_elf(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
		    char **file, Elf **elf)
{
	(void)module, (void)userdata, (void)name, (void)base, (void)file, (void)elf;
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = find_elf,
	.find_debuginfo = find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

/*
 * Returns true if dwz(1) has moved a part to a file that several files share, which is not at hand.
 * The symbols then name the functions.
 */
static bool shares_with_others(Dwfl_Module *module)
{
	Dwarf_Addr bias;
	Dwarf *dwarf = dwfl_module_getdwarf(module, &bias);
	const char *name;
	const void *id;

	return dwarf && dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &id) > 0;
}

struct symbols *symbols_open(int fd, int debug, bool dwarf)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	void **userdata;

	if (!symbols || own < 0)
		goto err;
	symbols->debug = debug;
	symbols->dwfl = dwfl_begin(&callbacks);
	if (!symbols->dwfl)
		goto err;
	dwfl_report_begin(symbols->dwfl);
	/* With a base of 0, addresses are the file's own. */
	symbols->module = dwfl_report_elf(symbols->dwfl, "module", "module", own, 0, true);
	if (symbols->module)
		own = -1; /* it belongs to libdwfl now */
	if (dwfl_report_end(symbols->dwfl, NULL, NULL) || !symbols->module)
		goto err;
	if (!dwfl_module_info(symbols->module, &userdata, NULL, NULL, NULL, NULL, NULL, NULL))
		goto err;
	*userdata = symbols;
	symbols->dwarf = dwarf;
	symbols->functions = dwarf && !shares_with_others(symbols->module);
	return symbols;
err:
	if (own >= 0)
		close(own);
	symbols_free(symbols);
	return NULL;
}

void symbols_free(struct symbols *symbols)
{
	if (!symbols)
		return;
	dwfl_end(symbols->dwfl);
	free(symbols);
}

/* Goes to the declaration of a function, which says what the function is a member of. */
static void find_declaration(Dwarf_Die *die)
{
	static const unsigned int ways[] = { DW_AT_abstract_origin, DW_AT_specification };
	Dwarf_Attribute attribute;
	Dwarf_Die next;

	for (unsigned int i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (dwarf_formref_die(dwarf_attr(die, ways[i], &attribute), &next))
			*die = next;
}

/* Puts @scope before the name that begins at @at. Returns false if there is no room. */
static bool put_scope(const struct symbols *symbols, char **at, const char *scope)
{
	size_t len = strlen(scope);

	if (len + 2 > (size_t)(*at - symbols->name))
		return false;
	*at -= len + 2;
	memcpy(*at, scope, len);
	memcpy(*at + len, "::", 2);
	return true;
}

/*
 * Returns the name of @function as C++ writes it, with the names of the classes and namespaces
 * around it.
 */
static const char *qualified_name(struct symbols *symbols, Dwarf_Die *function)
{
	const size_t room = sizeof(symbols->name) - 1;
	const char *name = dwarf_diename(function);
	Dwarf_Die *scopes = NULL;
	int count;
	char *at;

	if (!name)
		return NULL;
	/*
	 * A name that is too long is a template's: its beginning is kept, because its arguments say
	 * less.
	 */
	at = symbols->name + room - strnlen(name, room);
	memcpy(at, name, strnlen(name, room));
	find_declaration(function);
	count = dwarf_getscopes_die(function, &scopes);
	for (int i = 1; i < count; i++) {
		int tag = dwarf_tag(&scopes[i]);

		name = dwarf_diename(&scopes[i]);
		if (name &&
		    (tag == DW_TAG_namespace || tag == DW_TAG_class_type ||
		     tag == DW_TAG_structure_type) &&
		    !put_scope(symbols, &at, name))
			break;
	}
	free(scopes);
	return at;
}

/*
 * Returns the name of the innermost function, also if it was inlined, because the line belongs to
 * it.
 */
static const char *function_at(struct symbols *symbols, uint64_t vaddr)
{
	Dwarf_Addr bias;
	Dwarf_Die *unit = dwfl_module_addrdie(symbols->module, vaddr, &bias), *scopes = NULL;
	int count = unit ? dwarf_getscopes(unit, vaddr - bias, &scopes) : 0;
	const char *name = NULL;

	for (int i = 0; i < count && !name; i++) {
		int tag = dwarf_tag(&scopes[i]);

		if (tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine)
			name = qualified_name(symbols, &scopes[i]);
	}
	free(scopes);
	return name;
}

void symbols_find(struct symbols *symbols, uint64_t vaddr, struct symbol *symbol)
{
	Dwfl_Line *line = symbols->dwarf ? dwfl_module_getsrc(symbols->module, vaddr) : NULL;
	const char *function = symbols->functions ? function_at(symbols, vaddr) : NULL, *name;
	int number = 0;
	GElf_Off into = 0;
	GElf_Sym sym;

	*symbol = (struct symbol){ NULL };
	name = dwfl_module_addrinfo(symbols->module, vaddr, &into, &sym, NULL, NULL, NULL);
	symbol->function = function ? function : name;
	symbol->into = name ? into : 0;
	if (!line)
		return;
	symbol->file = dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL);
	symbol->line = number > 0 ? number : 0;
}

/*
 * Finds at which offset from the frame's address a register is saved. Returns false if the
 * expression is more than such an offset.
 */
static bool offset_from_frame(const Dwarf_Op *ops, size_t count, int64_t *offset)
{
	if (!count || ops[0].atom != DW_OP_call_frame_cfa)
		return false;
	*offset = 0;
	if (count == 2 && ops[1].atom == DW_OP_plus_uconst)
		*offset = (int64_t)ops[1].number;
	return count == 1 || (count == 2 && ops[1].atom == DW_OP_plus_uconst);
}

static bool rule_of_frame(Dwarf_Frame *frame, struct unwind_rule *rule)
{
	Dwarf_Op *ops;
	uint64_t reg;
	size_t count;

	if (dwarf_frame_cfa(frame, &ops, &count) || count != 1)
		return false;
	if (ops[0].atom == DW_OP_bregx) {
		reg = ops[0].number;
		rule->cfa = (int64_t)ops[0].number2;
	} else {
		reg = ops[0].atom - DW_OP_breg0;
		rule->cfa = (int64_t)ops[0].number;
	}
	rule->base = reg == REG_SP ? UNWIND_SP : UNWIND_FP;
	return reg == REG_SP || reg == REG_FP;
}

static bool rule_of_return(Dwarf_Frame *frame, int ra, struct unwind_rule *rule)
{
	Dwarf_Op memory[3], *ops;
	size_t count;

	if (dwarf_frame_register(frame, ra, memory, &ops, &count))
		return false;
	if (count) {
		rule->ra = UNWIND_RA_AT;
		return offset_from_frame(ops, count, &rule->ra_at);
	}
	rule->ra = ops ? UNWIND_RA_NONE : UNWIND_RA_LR; /* undefined, or still in its register */
	return true;
}

static void rule_of_pointer(Dwarf_Frame *frame, struct unwind_rule *rule)
{
	Dwarf_Op memory[3], *ops;
	size_t count;

	rule->fp = UNWIND_FP_LOST;
	if (dwarf_frame_register(frame, REG_FP, memory, &ops, &count))
		return;
	if (!count && !ops)
		rule->fp = UNWIND_FP_SAME;
	else if (offset_from_frame(ops, count, &rule->fp_at))
		rule->fp = UNWIND_FP_AT;
}

static bool rule_from(Dwarf_CFI *cfi, uint64_t address, struct unwind_rule *rule)
{
	Dwarf_Frame *frame;
	bool found;
	int ra;

	if (!cfi || dwarf_cfi_addrframe(cfi, address, &frame))
		return false;
	ra = dwarf_frame_info(frame, NULL, NULL, NULL);
	found = ra >= 0 && rule_of_frame(frame, rule) && rule_of_return(frame, ra, rule);
	if (found)
		rule_of_pointer(frame, rule);
	free(frame);
	return found;
}

bool symbols_rule(struct symbols *symbols, uint64_t vaddr, struct unwind_rule *rule)
{
	Dwarf_Addr bias;
	Dwarf_CFI *cfi = dwfl_module_eh_cfi(symbols->module, &bias);

	if (rule_from(cfi, vaddr - bias, rule))
		return true;
	if (!symbols->dwarf)
		return false;
	cfi = dwfl_module_dwarf_cfi(symbols->module, &bias);
	return rule_from(cfi, vaddr - bias, rule);
}
