// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/elf_sections.h"
#include "host/perf_map.h"
#include "host/procfs_maps.h"
#include "host/steward.h"
#include "host/symbol.h"
#include "host/symbol_client.h"
#include "host/symbolizer.h"
#include "host/untrusted.h"
#include "host/unwind.h"

/* Where distributions install what was stripped from a file, by its build id. */
#define DEBUG_PATH "/usr/lib/debug/.build-id"

/*
 * Build ids of files that were closed to make room. They tell when names are missing for that
 * reason.
 */
#define EVICTED_MAX 1024

/* A file of code. Its index in the table is its slot in the worker. */
struct module {
	uint64_t device, inode;	 /* 0: the place is free */
	uint64_t used;		 /* a larger number is later */
	int fd;			 /* negative: the file could not be opened */
	unsigned int generation; /* of the worker that has the file; 0: none has */
	bool known;		 /* its image is known */
	bool unreadable;	 /* there is nothing in it, or reading it does harm */
	struct elf_image image;
};

struct symbolizer {
	struct stacks *stacks;
	const char *root;
	struct symbol_client *client;
	struct steward *steward; /* NULL: none */
	symbolizer_say *say;
	void *context;

	struct module modules[SYMBOLIZER_MODULES];
	uint64_t uses;
	uint8_t evicted[EVICTED_MAX][BUILD_ID_BYTES];
	size_t evicted_count; /* also counts those that were overwritten */

	struct {
		uint64_t device, inode;
	} said[SYMBOLIZER_SAID_MAX];
	size_t said_count;
	bool said_more, said_dead, said_evicted;

	bool later;   /* something of the present stack could not be looked up in time */
	uint32_t pid; /* the process of these maps; 0: none */
	struct procfs_maps maps;
	int perf; /* the process's map of names; negative: it has none, or was not asked */
	bool perf_asked;
	char perf_path[64];
};

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

/*
 * Says it once for each file. Users of the host decide how many files there are, so not all are
 * named.
 */
static void say_of(struct symbolizer *s, uint64_t device, uint64_t inode, const char *path,
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

static void say_once(struct symbolizer *s, bool *said, const char *why)
{
	if (!*said)
		s->say(s->context, NULL, why);
	*said = true;
}

/*
 * ---- Modules ------------------------------------------------------------------------------------
 */

/* Closes the file that was unused for longest. */
static struct module *evict(struct symbolizer *s)
{
	struct module *oldest = &s->modules[0];

	for (size_t i = 1; i < SYMBOLIZER_MODULES; i++)
		if (s->modules[i].used < oldest->used)
			oldest = &s->modules[i];
	if (oldest->inode && oldest->image.build_id_bytes == BUILD_ID_BYTES)
		memcpy(s->evicted[s->evicted_count++ % EVICTED_MAX], oldest->image.build_id,
		       BUILD_ID_BYTES);
	if (oldest->inode && oldest->fd >= 0)
		close(oldest->fd);
	*oldest = (struct module){ 0 };
	return oldest;
}

static bool was_evicted(const struct symbolizer *s, const uint8_t *id)
{
	size_t count = s->evicted_count < EVICTED_MAX ? s->evicted_count : EVICTED_MAX;

	for (size_t i = 0; i < count; i++)
		if (!memcmp(s->evicted[i], id, BUILD_ID_BYTES))
			return true;
	return false;
}

/* Gives up a file, because the worker or the file is at fault: it has no names from now on. */
static void blame(struct symbolizer *s, struct module *module, const char *path, const char *why)
{
	module->unreadable = true;
	say_of(s, module->device, module->inode, path, why);
}

static int ask(struct symbolizer *s, struct module *module, enum symbol_op op, uint64_t value,
	       int fd, const char *path, struct symbol_answer *answer)
{
	struct symbol_request request = {
		.op = op,
		.slot = module - s->modules,
		.value = value,
	};
	int err = symbol_client_ask(s->client, &request, fd, answer);

	if (err == -EIO)
		blame(s, module, path, symbol_client_reason(s->client));
	s->later |= err == -ECANCELED;
	return err;
}

/*
 * Hands the worker what a distribution has stripped from a file. Only the distribution writes
 * there.
 */
static void hand_over_debug(struct symbolizer *s, struct module *module)
{
	char name[sizeof(DEBUG_PATH) + 2 * BUILD_ID_BYTES + sizeof("//.debug")], *p = name;
	const struct elf_image *image = &module->image;
	struct symbol_answer answer;
	struct stat st;
	int fd;

	if (image->build_id_bytes < 2)
		return;
	p += sprintf(p, "%s/%02x/", DEBUG_PATH, image->build_id[0]);
	for (int i = 1; i < image->build_id_bytes; i++)
		p += sprintf(p, "%02x", image->build_id[i]);
	strcpy(p, ".debug");
	fd = untrusted_open_file(name, 0);
	if (fd < 0 || fstat(fd, &st))
		return;
	if (!ask(s, module, SYMBOL_DEBUG, 0, fd, name, &answer) && answer.large != ELF_SECTIONS_ALL)
		say_of(s, st.st_dev, st.st_ino, name, "it unpacks to more than 24 MB");
	close(fd);
}

static void take_image(struct symbolizer *s, struct module *module, const char *path,
		       const struct symbol_answer *answer)
{
	if (answer->status) {
		blame(s, module, path,
		      answer->status == -ENOEXEC ? "it is no ELF file" : "it cannot be read");
		return;
	}
	module->image = answer->image;
	module->known = true;
	if (answer->large == ELF_SECTIONS_SYMBOLS)
		say_of(s, module->device, module->inode, path,
		       "its debugging information unpacks to more than 24 MB");
	else if (answer->large == ELF_SECTIONS_NONE)
		say_of(s, module->device, module->inode, path,
		       "its sections make no sense, or unpack to more than 24 MB");
}

/* Makes sure that the worker has the file. Returns 0 if the worker may be asked about it. */
static int hand_over(struct symbolizer *s, struct module *module, const char *path)
{
	struct symbol_answer answer;
	unsigned int generation;
	int err;

	if (module->fd < 0 || module->unreadable)
		return -ENOENT;
	err = symbol_client_begin(s->client, &generation);
	s->later |= err == -ECANCELED;
	if (err == -EPIPE)
		say_once(s, &s->said_dead, "the process that looks for them has ended");
	if (err || module->generation == generation)
		return err;
	err = ask(s, module, SYMBOL_OPEN, 0, module->fd, path, &answer);
	if (err)
		return err;
	module->generation = generation;
	take_image(s, module, path, &answer);
	/* A worker may retire after any answer. */
	if (!module->unreadable && !symbol_client_begin(s->client, &generation) &&
	    module->generation == generation)
		hand_over_debug(s, module);
	return module->unreadable ? -ENOENT : 0;
}

/* Asks the worker about @value in the file. Returns true if there is an answer. */
static bool ask_of(struct symbolizer *s, struct module *module, const char *path, enum symbol_op op,
		   uint64_t value, struct symbol_answer *answer)
{
	unsigned int generation;
	int err;

	/*
	 * Between the two calls there may be a new worker, which has to be told of the file. Once
	 * is enough.
	 */
	for (unsigned int tries = 0; tries < 2; tries++) {
		err = hand_over(s, module, path);
		if (err)
			return false;
		err = symbol_client_begin(s->client, &generation);
		s->later |= err == -ECANCELED;
		if (err)
			return false;
		if (generation == module->generation)
			return !ask(s, module, op, value, -1, path, answer);
	}
	return false;
}

static int open_map_once(struct symbolizer *s, const struct procfs_map *map)
{
	return s->steward ? steward_open_mapped(s->steward, s->pid, map->start) :
			    procfs_map_open(s->root, s->pid, map);
}

static int open_map(struct symbolizer *s, const struct procfs_map *map)
{
	int fd = open_map_once(s, map);

	if (fd == -EMFILE || fd == -ENFILE) {
		evict(s);
		fd = open_map_once(s, map);
	}
	if (fd == -EWOULDBLOCK)
		say_of(s, map->device, map->inode, map->path, "a process holds a lease on it");
	else if (fd == -EMFILE || fd == -ENFILE)
		say_of(s, map->device, map->inode, map->path, "too many files are open");
	return fd;
}

/*
 * Returns the file behind a mapping of s->pid, or NULL if there is none. It is valid until the next
 * call.
 */
static struct module *module_of(struct symbolizer *s, const struct procfs_map *map)
{
	struct module *module = NULL;
	int fd;

	if (!map || !map->inode)
		return NULL;
	for (size_t i = 0; i < SYMBOLIZER_MODULES && !module; i++)
		if (s->modules[i].inode == map->inode && s->modules[i].device == map->device)
			module = &s->modules[i];
	if (!module) {
		fd = open_map(s, map);
		module = evict(s);
		*module = (struct module){
			.device = map->device,
			.inode = map->inode,
			.fd = fd,
		};
	}
	module->used = ++s->uses;
	if (!module->known)
		hand_over(s, module, map->path);
	return module;
}

static struct module *module_by_id(struct symbolizer *s, const uint8_t *id)
{
	for (size_t i = 0; i < SYMBOLIZER_MODULES; i++)
		if (s->modules[i].image.build_id_bytes == BUILD_ID_BYTES &&
		    !memcmp(s->modules[i].image.build_id, id, BUILD_ID_BYTES))
			return &s->modules[i];
	if (was_evicted(s, id))
		say_once(s, &s->said_evicted,
			 "some files of code were closed for others, as there are more than 256");
	return NULL;
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
	struct module *module = module_of(s, map);
	struct symbol_answer answer;
	uint64_t vaddr;

	if (!module || !elf_image_vaddr(&module->image, offset_in(map, pc), &vaddr) ||
	    !ask_of(s, module, map->path, SYMBOL_RULE, vaddr, &answer) || !answer.known)
		return false;
	*rule = answer.rule;
	return true;
}

static bool follows_call(void *context, uint64_t pc)
{
	struct symbolizer *s = context;
	const struct procfs_map *map = procfs_maps_find(&s->maps, pc);
	struct module *module = module_of(s, map);
	struct symbol_answer answer;

	return module && ask_of(s, module, map->path, SYMBOL_CALL, offset_in(map, pc), &answer) &&
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
		if (ask_of(s, module, path, SYMBOL_FIND, vaddr, &answer) && answer.known) {
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
		say_of(s, 0, s->pid, s->perf_path, "it is not of the process's user");
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
		say_of(s, 0, s->pid, s->perf_path,
		       err		       ? symbol_client_reason(s->client) :
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
	struct module *module = module_of(s, map);
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
		name_place(s, place, known ? module_by_id(s, frame->build_id) : NULL, NULL,
			   frame->offset, back);
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
