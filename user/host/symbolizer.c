// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/perf_map.h"
#include "host/procfs_maps.h"
#include "host/steward.h"
#include "host/symbol.h"
#include "host/symbol_client.h"
#include "host/symbolizer_inside.h"
#include "host/unwind.h"

struct symbolizer *symbolizer_new(struct stacks *stacks, const char *root, int stop_fd,
				  symbolizer_say *say, void *context)
{
	struct symbolizer *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->stacks = stacks;
	s->root = root;
	s->say = say;
	s->context = context;
	s->perf = -1;
	s->client = symbol_client_new(stop_fd);
	if (s->client)
		return s;
	free(s);
	return NULL;
}

void symbolizer_set_steward(struct symbolizer *s, struct steward *steward)
{
	s->steward = steward;
}

static void forget_process(struct symbolizer *s)
{
	procfs_maps_free(&s->maps);
	s->pid = 0;
	if (s->perf >= 0)
		close(s->perf);
	s->perf = -1;
	s->perf_asked = false;
}

void symbolizer_refresh(struct symbolizer *s)
{
	/* Another process may now lead to a file that could not be opened. */
	for (size_t i = 0; i < SYMBOLIZER_MODULES; i++)
		if (s->modules[i].fd < 0)
			s->modules[i] = (struct module){ 0 };
	forget_process(s);
	symbol_client_refresh(s->client);
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	symbol_client_free(s->client);
	forget_process(s);
	for (size_t i = 0; i < SYMBOLIZER_MODULES; i++)
		if (s->modules[i].inode && s->modules[i].fd >= 0)
			close(s->modules[i].fd);
	free(s);
}

/*
 * ---- What is said -------------------------------------------------------------------------------
 */

void symbolizer_say_of(struct symbolizer *s, uint64_t device, uint64_t inode, const char *path,
		       const char *why)
{
	for (size_t i = 0; i < s->said_count; i++)
		if (s->said[i].device == device && s->said[i].inode == inode)
			return;
	if (s->said_count < SYMBOLIZER_SAID_MAX) {
		s->said[s->said_count].device = device;
		s->said[s->said_count++].inode = inode;
		s->say(s->context, path, why);
	} else if (!s->said_more) {
		s->said_more = true;
		s->say(s->context, NULL, "there are more such files");
	}
}

void symbolizer_say_once(struct symbolizer *s, bool *said, const char *why)
{
	if (!*said)
		s->say(s->context, NULL, why);
	*said = true;
}

static uint64_t offset_in(const struct procfs_map *map, uint64_t pc)
{
	return pc - map->start + map->offset;
}

/* Returns true for memory that is in no file: programs put code there that they make themselves. */
static bool is_unfiled(const struct procfs_map *map)
{
	return !map->inode && strcmp(map->path, "[vdso]") && strcmp(map->path, "[vsyscall]");
}

/*
 * ---- Unwinding ----------------------------------------------------------------------------------
 */

static bool rule_at(void *context, uint64_t pc, struct unwind_rule *rule)
{
	struct symbolizer *s = context;
	const struct procfs_map *map = procfs_maps_find(&s->maps, pc);
	struct module *module = symbolizer_module_of(s, map);
	struct symbol_answer answer;
	uint64_t vaddr;

	if (!module || !elf_image_vaddr(&module->image, offset_in(map, pc), &vaddr) ||
	    !symbolizer_ask(s, module, map->path, SYMBOL_RULE, vaddr, &answer) || !answer.known)
		return false;
	*rule = answer.rule;
	return true;
}

static bool follows_call(void *context, uint64_t pc)
{
	struct symbolizer *s = context;
	const struct procfs_map *map = procfs_maps_find(&s->maps, pc);
	struct module *module = symbolizer_module_of(s, map);
	struct symbol_answer answer;

	return module &&
	       symbolizer_ask(s, module, map->path, SYMBOL_CALL, offset_in(map, pc), &answer) &&
	       answer.known;
}

static bool is_made(void *context, uint64_t pc)
{
	struct symbolizer *s = context;
	const struct procfs_map *map = procfs_maps_find(&s->maps, pc);

	return map && is_unfiled(map);
}

/*
 * Removes the signature of a return address, on this machine: how many bits it has depends on what
 * the kernel has set up.
 */
static uint64_t unsigned_address(uint64_t word)
{
#if defined(__aarch64__)
	register uint64_t lr __asm__("x30") = word;

	__asm__("hint #7" : "+r"(lr)); /* xpaclri; older processors ignore it */
	return lr;
#else
	return word;
#endif
}

static const struct unwind_ops unwind_ops = {
	.rule = rule_at,
	.follows_call = follows_call,
	.is_made = is_made,
	.unsigned_address = unsigned_address,
};

/*
 * ---- Places -------------------------------------------------------------------------------------
 */

/*
 * Names a place. If @module is not known, or could not be opened, the place stays without a name
 * for now. @back is 1 for a return address, because the call is before it.
 */
static void name_place(struct symbolizer *s, struct stack_place *place, struct module *module,
		       const char *path, uint64_t offset, unsigned int back)
{
	struct symbol symbol = { NULL };
	struct symbol_answer answer;
	uint64_t vaddr;

	if (!module || module->fd < 0)
		return;
	if (elf_image_vaddr(&module->image, offset - back, &vaddr)) {
		if (symbolizer_ask(s, module, path, SYMBOL_FIND, vaddr, &answer) && answer.known) {
			symbol.function = answer.function[0] ? answer.function : NULL;
			symbol.file = answer.file[0] ? answer.file : NULL;
			symbol.line = answer.line;
			symbol.into = answer.into + back;
		} else if (s->later) {
			return;
		}
	}
	stacks_name(place, &symbol);
}

static int perf_of(struct symbolizer *s)
{
	uint32_t inner;

	if (s->perf_asked)
		return s->perf;
	s->perf_asked = true;
	s->perf = s->steward ? steward_open_perf_map(s->steward, s->pid, &inner) :
			       perf_map_open(s->root, s->pid, &inner);
	if (inner == s->pid)
		snprintf(s->perf_path, sizeof(s->perf_path), "/tmp/perf-%" PRIu32 ".map", inner);
	else
		snprintf(s->perf_path, sizeof(s->perf_path),
			 "/proc/%" PRIu32 "/root/tmp/perf-%" PRIu32 ".map", s->pid, inner);
	if (s->perf == -EPERM)
		symbolizer_say_of(s, 0, s->pid, s->perf_path, "it is not of the process's user");
	return s->perf;
}

/*
 * Returns a place in code that the process has made, by the process's own names, or NULL if there
 * is none.
 */
static struct stack_place *place_made(struct symbolizer *s, uint64_t pc, unsigned int back)
{
	struct symbol_request request = { .op = SYMBOL_PERF, .value = pc - back };
	struct symbol_answer answer;
	struct symbol symbol = { NULL };
	unsigned int generation;
	int err;

	if (perf_of(s) < 0)
		return NULL;
	err = symbol_client_begin(s->client, &generation);
	if (!err)
		err = symbol_client_ask(s->client, &request, s->perf, &answer);
	s->later |= err == -ECANCELED;
	if (!err && !answer.status && answer.known) {
		symbol.function = answer.function;
		symbol.into = answer.into + back;
		return stacks_place_made(s->stacks, s->perf_path, pc, &symbol);
	}
	if (err == -EIO || (!err && answer.status)) {
		symbolizer_say_of(s, 0, s->pid, s->perf_path,
				  err			  ? symbol_client_reason(s->client) :
				  answer.status == -E2BIG ? "it has more than 16 MB" :
							    "it cannot be read");
		close(s->perf);
		s->perf = -1;
	}
	return NULL;
}

/* Returns the place of an address in a process that lives. */
static const struct stack_place *place_at(struct symbolizer *s, uint64_t pc, unsigned int back)
{
	const struct procfs_map *map = procfs_maps_find(&s->maps, pc);
	struct module *module = symbolizer_module_of(s, map);
	struct stack_place *place;
	uint64_t offset;

	if (!map || is_unfiled(map)) {
		place = map ? place_made(s, pc, back) : NULL;
		return place ? place : stacks_place(s->stacks, NULL, NULL, 0, pc);
	}
	offset = offset_in(map, pc);
	place = stacks_place(s->stacks, map->path, module ? module->image.build_id : NULL,
			     module ? module->image.build_id_bytes : 0, offset);
	if (place && !place->named)
		name_place(s, place, module, map->path, offset, back);
	return place;
}

/* Does the same for a process that is gone, by what the kernel has noted. */
static const struct stack_place *place_noted(struct symbolizer *s,
					     const struct tcpdwell_frame *frame, unsigned int back)
{
	bool known = frame->status == TCPDWELL_FRAME_VALID;
	struct stack_place *place;

	place = stacks_place(s->stacks, NULL, frame->build_id, known ? BUILD_ID_BYTES : 0,
			     frame->offset);
	if (place && !place->named)
		name_place(s, place, known ? symbolizer_module_by_id(s, frame->build_id) : NULL,
			   NULL, frame->offset, back);
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

static int open_maps(struct symbolizer *s)
{
	return s->steward ? steward_open_maps(s->steward, s->pid) :
			    procfs_maps_open(s->root, s->pid);
}

static void read_maps(struct symbolizer *s)
{
	int fd = open_maps(s);

	if (fd >= 0 && procfs_maps_take(&s->maps, fd))
		procfs_maps_free(&s->maps);
}

/*
 * Returns true if @pid maps now what it mapped then. The process may be gone, its number may belong
 * to another one, or it may have executed another program.
 */
static bool is_unchanged(struct symbolizer *s, const struct tcpdwell_stack *raw, uint32_t pid)
{
	if (s->pid != pid) {
		forget_process(s);
		s->pid = pid;
		read_maps(s);
	}
	if (!procfs_maps_find(&s->maps, raw->ips[0]))
		return false;
	for (unsigned int i = 0; i < frame_count(raw); i++) {
		const struct tcpdwell_frame *frame = &raw->frames[i];
		const struct procfs_map *map = procfs_maps_find(&s->maps, raw->ips[i]);
		const struct module *module = symbolizer_module_of(s, map);

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

	stack->gone = !stack->large;
	stack->end = UNWIND_CUT;
	for (unsigned int i = 0; i < count; i++) {
		/* An address in no file is usually no code: the frame pointer was none. */
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
				       uint32_t holder, bool *later)
{
	struct stack stack = { .how = raw->how };
	bool living, good;

	*later = s->later = false;
	if (raw->ip_bytes < (int)sizeof(raw->ips[0]) || !raw->ips[0])
		return NULL;
	living = is_unchanged(s, raw, raw->pid);
	stack.large = !living && s->maps.more;
	if (!living && holder) {
		living = is_unchanged(s, raw, holder);
		stack.large = !living && (stack.large || s->maps.more);
	}
	good = living ? resolve_living(s, raw, &stack) : resolve_gone(s, raw, &stack);
	*later = s->later;
	return good && stack.count && !s->later ? stacks_keep(s->stacks, &stack) : NULL;
}
