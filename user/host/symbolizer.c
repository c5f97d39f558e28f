// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/procfs_maps.h"
#include "host/symbol.h"
#include "host/symbolizer.h"
#include "host/unwind.h"

/* A file of code. */
struct module {
	uint64_t device, inode;
	int fd; /* negative: it could not be opened */
	struct elf_image image;
	struct symbols *symbols; /* NULL: none, or not asked for yet */
	bool asked;
};

struct symbolizer {
	struct stacks *stacks;
	const char *root;
	struct module modules[SYMBOLIZER_MODULES];
	size_t module_count;
	uint32_t pid; /* whose maps these are, 0: nobody's */
	struct procfs_maps maps;
};

struct symbolizer *symbolizer_new(struct stacks *stacks, const char *root)
{
	struct symbolizer *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->stacks = stacks;
	s->root = root;
	return s;
}

/* Another process may lead to what could not be opened. */
static void forget_unopened(struct symbolizer *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->module_count; i++)
		if (s->modules[i].fd >= 0)
			s->modules[kept++] = s->modules[i];
	s->module_count = kept;
}

void symbolizer_refresh(struct symbolizer *s)
{
	forget_unopened(s);
	procfs_maps_free(&s->maps);
	s->pid = 0;
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	symbolizer_refresh(s);
	for (size_t i = 0; i < s->module_count; i++) {
		symbols_free(s->modules[i].symbols);
		close(s->modules[i].fd);
	}
	free(s);
}

/*
 * ---- Modules ------------------------------------------------------------------------------------
 */

/* The file behind a mapping of s->pid, NULL if it is none or there are too many. */
static struct module *module_of(struct symbolizer *s, const struct procfs_map *map)
{
	struct module *module;

	if (!map || !map->inode)
		return NULL;
	for (size_t i = 0; i < s->module_count; i++) {
		module = &s->modules[i];
		if (module->inode == map->inode && module->device == map->device)
			return module;
	}
	if (s->module_count == SYMBOLIZER_MODULES)
		return NULL;
	module = &s->modules[s->module_count++];
	*module = (struct module){
		.device = map->device,
		.inode = map->inode,
		.fd = procfs_map_open(s->root, s->pid, map),
	};
	if (module->fd >= 0)
		elf_image_read(&module->image, module->fd);
	return module;
}

static struct module *module_by_id(struct symbolizer *s, const uint8_t *id)
{
	for (size_t i = 0; i < s->module_count; i++)
		if (s->modules[i].image.build_id_bytes == BUILD_ID_BYTES &&
		    !memcmp(s->modules[i].image.build_id, id, BUILD_ID_BYTES))
			return &s->modules[i];
	return NULL;
}

static struct symbols *symbols_of(struct module *module)
{
	if (!module->asked && module->fd >= 0)
		module->symbols = symbols_open(module->fd);
	module->asked = true;
	return module->symbols;
}

static uint64_t offset_in(const struct procfs_map *map, uint64_t pc)
{
	return pc - map->start + map->offset;
}

/*
 * ---- Unwinding ----------------------------------------------------------------------------------
 */

static bool rule_at(void *context, uint64_t pc, struct unwind_rule *rule)
{
	struct symbolizer *s = context;
	const struct procfs_map *map = procfs_maps_find(&s->maps, pc);
	struct module *module = module_of(s, map);
	uint64_t vaddr;

	return module && symbols_of(module) &&
	       elf_image_vaddr(&module->image, offset_in(map, pc), &vaddr) &&
	       symbols_rule(module->symbols, vaddr, rule);
}

/* Whether the last of these bytes are a call: near, direct or by a register or memory. */
static bool ends_in_call(const uint8_t *code, size_t len)
{
#if defined(__aarch64__)
	uint32_t instruction;

	if (len < sizeof(instruction))
		return false;
	memcpy(&instruction, code + len - sizeof(instruction), sizeof(instruction));
	return (instruction & 0xfc000000) == 0x94000000 || /* bl */
	       (instruction & 0xfffffc1f) == 0xd63f0000;   /* blr */
#else
	if (len >= 5 && code[len - 5] == 0xe8)
		return true;
	/* ff /2 with a register, or with memory at no, 8 or 32 bits of displacement. */
	for (size_t size = 2; size <= 7 && size <= len; size++)
		if (code[len - size] == 0xff && (code[len - size + 1] & 0x38) == 0x10)
			return true;
	return false;
#endif
}

static bool follows_call(void *context, uint64_t pc)
{
	struct symbolizer *s = context;
	const struct procfs_map *map = procfs_maps_find(&s->maps, pc);
	const struct module *module = module_of(s, map);
	uint8_t code[7];
	uint64_t offset;

	if (!module || module->fd < 0)
		return false;
	offset = offset_in(map, pc);
	if (offset < sizeof(code) ||
	    pread(module->fd, code, sizeof(code), offset - sizeof(code)) != sizeof(code))
		return false;
	return ends_in_call(code, sizeof(code));
}

static const struct unwind_ops unwind_ops = { .rule = rule_at, .follows_call = follows_call };

/*
 * ---- Places -------------------------------------------------------------------------------------
 */

/*
 * Of a @module that is not known, or could not be opened, the place stays without a name for now.
 * @back is 1 for a return address: the call is before it.
 */
static void name_place(struct stack_place *place, struct module *module, uint64_t offset,
		       unsigned int back)
{
	struct symbol symbol = { NULL };
	uint64_t vaddr;

	if (!module || module->fd < 0)
		return;
	if (symbols_of(module) && elf_image_vaddr(&module->image, offset - back, &vaddr)) {
		symbols_find(module->symbols, vaddr, &symbol);
		symbol.into += back;
	}
	stacks_name(place, &symbol);
}

/* A place of a process that lives. */
static struct stack_place *place_at(struct symbolizer *s, uint64_t pc, unsigned int back)
{
	const struct procfs_map *map = procfs_maps_find(&s->maps, pc);
	struct module *module = module_of(s, map);
	uint64_t offset = map ? offset_in(map, pc) : pc;
	struct stack_place *place;

	place = stacks_place(s->stacks, map && *map->path ? map->path : NULL,
			     module ? module->image.build_id : NULL,
			     module ? module->image.build_id_bytes : 0, offset);
	if (place && !place->named)
		name_place(place, module, offset, back);
	return place;
}

/* The same of one that is gone, by the kernel's notes. */
static struct stack_place *place_noted(struct symbolizer *s, const struct tcpdwell_frame *frame,
				       unsigned int back)
{
	bool known = frame->status == TCPDWELL_FRAME_VALID;
	struct stack_place *place;

	place = stacks_place(s->stacks, NULL, frame->build_id, known ? BUILD_ID_BYTES : 0,
			     frame->offset);
	if (place && !place->named)
		name_place(place, known ? module_by_id(s, frame->build_id) : NULL, frame->offset,
			   back);
	return place;
}

/*
 * ---- Stacks -------------------------------------------------------------------------------------
 */

static unsigned int frame_count(const struct tcpdwell_stack *raw)
{
	size_t count = raw->frame_bytes > 0 ? raw->frame_bytes / sizeof(raw->frames[0]) : 0;

	return count < TCPDWELL_STACK_FRAMES ? count : TCPDWELL_STACK_FRAMES;
}

/*
 * Whether @pid has mapped now what was mapped then: the process may be gone, its number another's,
 * or have executed another program.
 */
static bool is_unchanged(struct symbolizer *s, const struct tcpdwell_stack *raw, uint32_t pid)
{
	if (s->pid != pid) {
		symbolizer_refresh(s);
		s->pid = pid;
		if (procfs_maps_read(&s->maps, s->root, pid))
			procfs_maps_free(&s->maps);
	}
	if (!procfs_maps_find(&s->maps, raw->ips[0]))
		return false;
	for (unsigned int i = 0; i < frame_count(raw); i++) {
		const struct tcpdwell_frame *frame = &raw->frames[i];
		const struct procfs_map *map = procfs_maps_find(&s->maps, raw->ips[i]);
		const struct module *module = module_of(s, map);

		if (frame->status != TCPDWELL_FRAME_VALID)
			continue;
		if (!map || offset_in(map, raw->ips[i]) != frame->offset)
			return false;
		if (module && module->image.build_id_bytes == BUILD_ID_BYTES &&
		    memcmp(module->image.build_id, frame->build_id, BUILD_ID_BYTES))
			return false;
	}
	return true;
}

static bool resolve_living(struct symbolizer *s, const struct tcpdwell_stack *raw,
			   struct stack *stack)
{
	struct unwound unwound;

	unwind(&unwound, raw, &unwind_ops, s);
	stack->end = unwound.end;
	stack->guessed = unwound.guessed;
	for (size_t i = 0; i < unwound.count; i++) {
		stack->frames[i] = place_at(s, unwound.pcs[i], i ? 1 : 0);
		if (!stack->frames[i])
			return false;
	}
	stack->count = unwound.count;
	return true;
}

static bool resolve_gone(struct symbolizer *s, const struct tcpdwell_stack *raw,
			 struct stack *stack)
{
	unsigned int count = frame_count(raw);

	stack->gone = true;
	stack->end = UNWIND_CUT;
	for (unsigned int i = 0; i < count; i++) {
		/* What is in no file is no code, as a rule: a frame pointer that was none. */
		if (i && raw->frames[i].status != TCPDWELL_FRAME_VALID)
			break;
		stack->frames[i] = place_noted(s, &raw->frames[i], i ? 1 : 0);
		if (!stack->frames[i])
			return false;
		stack->count++;
	}
	return true;
}

const struct stack *symbolizer_resolve(struct symbolizer *s, const struct tcpdwell_stack *raw,
				       uint32_t holder)
{
	struct stack stack = { .how = raw->how };
	bool good;

	if (raw->ip_bytes < (int)sizeof(raw->ips[0]) || !raw->ips[0])
		return NULL;
	if (is_unchanged(s, raw, raw->pid) || (holder && is_unchanged(s, raw, holder)))
		good = resolve_living(s, raw, &stack);
	else
		good = resolve_gone(s, raw, &stack);
	return good && stack.count ? stacks_keep(s->stacks, &stack) : NULL;
}
