// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "host/steward.h"
#include "host/tracefs.h"
#include "kernel/programs.h"
#include "wire.h"

#include "tcpdwell.skel.h" /* whose variables are the wire's */

/* The most links that one program has, because it is attached to two system calls. */
#define LINKS_OF_PROGRAM 2

struct programs {
	struct tcpdwell_bpf *skel;
	const struct features *features;
	const struct capability *can;
	struct bpf_link **links; /* with room for those of all programs */
	unsigned int link_count;
	int *raw;				       /* descriptors that serve as links */
	struct bpf_link *iterators[STEWARD_ITERATORS]; /* NULL if not handed over */
	unsigned int raw_count;
};

struct programs *programs_new(struct tcpdwell_bpf *skel, const struct features *features)
{
	struct programs *programs = calloc(1, sizeof(*programs));
	struct bpf_program *program;
	unsigned int count = 0;

	if (!programs)
		return NULL;
	bpf_object__for_each_program(program, skel->obj) count++;
	programs->links = calloc(count, LINKS_OF_PROGRAM * sizeof(*programs->links));
	programs->raw = calloc(count, sizeof(*programs->raw));
	if (!programs->links || !programs->raw) {
		programs_free(programs);
		errno = ENOMEM;
		return NULL;
	}
	programs->skel = skel;
	programs->features = features;
	programs->can = features->can;
	return programs;
}

void programs_free(struct programs *programs)
{
	if (!programs)
		return;
	programs_detach(programs);
	for (unsigned int i = 0; i < STEWARD_ITERATORS; i++)
		bpf_link__destroy(programs->iterators[i]);
	free(programs->links);
	free(programs->raw);
	free(programs);
}

/*
 * ---- Choosing -----------------------------------------------------------------------------------
 */

/* Returns true if a part of a way belongs to it on this kernel and with these knobs. */
static bool applies(const struct programs *programs, enum part_when when)
{
	const struct tcpdwell_bpf__rodata *cfg = programs->skel->rodata;
	const struct capability *can = programs->can;

	switch (when) {
	case PART_ALWAYS:
		return true;
	case PART_ATOMIC:
		return can->atomic;
	case PART_NO_ATOMIC:
		return !can->atomic;
	case PART_CAST:
		return can->atomic && cfg->cfg_has_cast;
	case PART_NO_CAST:
		return can->atomic && !cfg->cfg_has_cast;
	case PART_COOKIE:
		return cfg->cfg_has_cookie;
	case PART_NO_COOKIE:
		return !cfg->cfg_has_cookie;
	case PART_PREEMPTED:
		return cfg->cfg_preempted;
	case PART_ROWS:
		return cfg->cfg_rows;
	case PART_EARLY:
		return cfg->cfg_requests_early;
	case PART_ARMED:
		return !cfg->cfg_seek_timewait;
	case PART_BEGINS:
		return cfg->cfg_tw_begins;
	case PART_KILL:
		return can->twsk_kill;
	case PART_CONNECT6:
		return can->connect6;
	case PART_ACCEPT2:
		return can->accept_args == 2;
	case PART_ACCEPT4:
		return can->accept_args == 4 && can->atomic;
	case PART_ACCEPT4_NO_ATOMIC:
		return can->accept_args == 4 && !can->atomic;
	case PART_TIMEWAIT3:
		return can->timewait_args == 3;
	case PART_TIMEWAIT4:
		return can->timewait_args == 4;
	case PART_TIMEWAIT5:
		return can->timewait_args != 3 && can->timewait_args != 4;
	}
	return false;
}

static void choose_part(const struct programs *programs, const char *name, bool wanted)
{
	struct bpf_object *obj = programs->skel->obj;
	struct bpf_program *program = bpf_object__find_program_by_name(obj, name);
	struct bpf_map *map = program ? NULL : bpf_object__find_map_by_name(obj, name);

	if (program)
		bpf_program__set_autoload(program, wanted);
	else if (map)
		bpf_map__set_autocreate(map, wanted);
}

/*
 * Several features may share a program or a map. So all are switched off first, and then those that
 * are wanted are switched on.
 */
void programs_choose(struct programs *programs)
{
	for (int wanted = 0; wanted <= 1; wanted++) {
		for (int id = 0; id < FEATURE_COUNT; id++) {
			const struct way *ways = feature_table[id].ways;
			bool use = features_use(programs->features, id);
			int used = use ? features_way(programs->features, id) : FEATURE_NONE;

			for (int way = 0; way < FEATURE_WAYS; way++)
				for (const struct part *part = ways[way].parts; part && part->name;
				     part++)
					if (!wanted ||
					    (way == used && applies(programs, part->when)))
						choose_part(programs, part->name, wanted);
		}
	}
}

struct bpf_program *programs_told(const struct tcpdwell_bpf *skel)
{
	if (bpf_program__autoload(skel->progs.inet_sock_set_state_v511))
		return skel->progs.inet_sock_set_state_v511;
	return skel->rodata->cfg_has_cast ? skel->progs.inet_sock_set_state :
					    skel->progs.inet_sock_set_state_v61;
}

struct bpf_program *programs_transition(const struct programs *programs)
{
	const struct tcpdwell_bpf *skel = programs->skel;

	return skel->rodata->cfg_nested ? skel->progs.inet_sock_set_state_first :
					  programs_told(skel);
}

struct bpf_program *programs_flush(const struct programs *programs)
{
	const struct tcpdwell_bpf *skel = programs->skel;

	return programs->can->atomic ? skel->progs.flush : skel->progs.flush_v511;
}

static struct bpf_program *descriptor_program(const struct programs *programs)
{
	const struct tcpdwell_bpf *skel = programs->skel;

	return skel->rodata->cfg_has_cookie ? skel->progs.iter_descriptor :
					      skel->progs.iter_descriptor_v511;
}

static struct bpf_program *socket_program(const struct programs *programs)
{
	const struct tcpdwell_bpf *skel = programs->skel;

	return programs->can->atomic ? skel->progs.iter_socket : skel->progs.iter_socket_v511;
}

/*
 * ---- Attaching ----------------------------------------------------------------------------------
 */

static int keep_link(struct programs *programs, struct bpf_link *link)
{
	if (!link)
		return -errno;
	programs->links[programs->link_count++] = link;
	return 0;
}

/* libbpf finds classic tracepoints only if tracefs is mounted, which it may not be. */
static int attach_tracepoint(struct programs *programs, struct bpf_program *program,
			     const char *name)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr) };
	int id = tracefs_event_id("syscalls", name), fd, err;

	if (id < 0)
		return id;
	attr.config = id;
	fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = keep_link(programs, bpf_program__attach_perf_event(program, fd));
	if (err)
		close(fd);
	return err;
}

/* A program for one system call has the name of that call's tracepoint. */
#define SYSCALL_SECTION "tp/syscalls/"

/* Attaches one program to both system calls. */
static int attach_accepts(struct programs *programs, struct bpf_program *program)
{
	return attach_tracepoint(programs, program, "sys_exit_accept4") ?:
		       attach_tracepoint(programs, program, "sys_exit_accept");
}

/*
 * Returns true if a program is attached by itself. Others are run, iterated or entered by tail
 * call.
 */
static bool attaches(const struct programs *programs, const struct bpf_program *program)
{
	const struct tcpdwell_bpf *skel = programs->skel;
	const char *section = bpf_program__section_name(program);

	if (program == programs_told(skel) && skel->rodata->cfg_nested)
		return false;
	return bpf_program__autoload(program) && strcmp(section, "raw_tp") &&
	       strncmp(section, "iter/", 5);
}

/* Attaches in the way that kernels have from before there were links (5.5). */
static int attach_raw(struct programs *programs, const struct bpf_program *program)
{
	int fd = bpf_raw_tracepoint_open(NULL, bpf_program__fd(program));

	if (fd < 0)
		return fd;
	programs->raw[programs->raw_count++] = fd;
	return 0;
}

static int attach(struct programs *programs, struct bpf_program *program)
{
	int err;

	if (program == programs->skel->progs.sys_exit_accept4 ||
	    program == programs->skel->progs.sys_exit_accept4_v511 ||
	    program == programs->skel->progs.sys_exit_accept_count)
		return attach_accepts(programs, program);
	if (!strncmp(bpf_program__section_name(program), SYSCALL_SECTION, strlen(SYSCALL_SECTION)))
		return attach_tracepoint(programs, program, bpf_program__name(program));
	err = keep_link(programs, bpf_program__attach(program));
	if (err && !strncmp(bpf_program__section_name(program), "tp_btf/", 7))
		return attach_raw(programs, program) ? err : 0;
	return err;
}

int programs_attach(struct programs *programs, const struct notice *notice, const char **refused)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, programs->skel->obj)
	{
		int err;

		if (!attaches(programs, program))
			continue;
		err = attach(programs, program);
		if (err) {
			*refused = bpf_program__name(program);
			programs_detach(programs);
			return err;
		}
		notice_print(notice, NOTICE_DETAIL, "attached %s (%s)", bpf_program__name(program),
			     bpf_program__section_name(program));
	}
	programs->skel->bss->shared.live = 1;
	return 0;
}

void programs_detach(struct programs *programs)
{
	if (programs->link_count || programs->raw_count)
		programs->skel->bss->shared.live = 0;
	while (programs->link_count)
		bpf_link__destroy(programs->links[--programs->link_count]);
	while (programs->raw_count)
		close(programs->raw[--programs->raw_count]);
}

/*
 * ---- Iterators ----------------------------------------------------------------------------------
 */

/*
 * Opens an iterator, over the elements of @map if that is not 0. Its link lives as long as the
 * iterator.
 */
static int open_iterator(const struct bpf_program *program, int map)
{
	union bpf_iter_link_info info;
	LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	struct bpf_link *link;
	int fd;

	/* Older kernels know fewer members of it, and refuse it if the rest is not zero. */
	memset(&info, 0, sizeof(info));
	info.map.map_fd = map;
	if (map) {
		opts.link_info = &info;
		opts.link_info_len = sizeof(info);
	}
	if (!bpf_program__autoload(program))
		return -EOPNOTSUPP;
	link = bpf_program__attach_iter(program, &opts);
	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		fd = -errno;
	bpf_link__destroy(link);
	return fd;
}

static const struct bpf_program *iterator_program(const struct programs *programs,
						  enum steward_iterator which)
{
	return which == STEWARD_ITERATOR_DESCRIPTORS ? descriptor_program(programs) :
						       socket_program(programs);
}

static int open_kept(const struct programs *programs, enum steward_iterator which)
{
	const struct bpf_link *link = programs->iterators[which];
	int fd;

	if (!link)
		return open_iterator(iterator_program(programs, which), 0);
	fd = bpf_iter_create(bpf_link__fd(link));
	return fd < 0 ? -errno : fd;
}

int programs_open_descriptors(const struct programs *programs)
{
	return open_kept(programs, STEWARD_ITERATOR_DESCRIPTORS);
}

int programs_open_sockets(const struct programs *programs)
{
	return open_kept(programs, STEWARD_ITERATOR_SOCKETS);
}

void programs_hand_over(struct programs *programs, struct steward *steward)
{
	for (unsigned int i = 0; i < STEWARD_ITERATORS; i++) {
		const struct bpf_program *program = iterator_program(programs, i);

		if (!bpf_program__autoload(program))
			continue;
		programs->iterators[i] = bpf_program__attach_iter(program, NULL);
		if (programs->iterators[i])
			steward_take_link(steward, i, bpf_link__fd(programs->iterators[i]));
	}
}

/* Closes a map that no program uses any more. libbpf gets something else to close. */
static void let_go_of_map(const struct tcpdwell_bpf *skel, const struct bpf_map *map)
{
	if (bpf_map__autocreate(map))
		dup3(bpf_map__fd(skel->maps.rodata), bpf_map__fd(map), O_CLOEXEC);
}

void programs_look_no_more(struct programs *programs)
{
	const struct tcpdwell_bpf *skel = programs->skel;

	for (unsigned int i = 0; i < STEWARD_ITERATORS; i++)
		bpf_program__unload((struct bpf_program *)iterator_program(programs, i));
	bpf_program__unload(skel->progs.walk_all);
	let_go_of_map(skel, skel->maps.queued);
	let_go_of_map(skel, skel->maps.subflows);
	let_go_of_map(skel, skel->maps.namespaces);
}

/*
 * ---- Sweeping -----------------------------------------------------------------------------------
 */

bool programs_can_sweep(const struct programs *programs)
{
	return features_use(programs->features, FEATURE_SWEEP);
}

static int run_by_number(const struct bpf_program *program, uint64_t number)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &number, .ctx_size_in = sizeof(number));

	return bpf_prog_test_run_opts(bpf_program__fd(program), &opts) ? -errno : 0;
}

int programs_walk(const struct programs *programs, uint64_t bucket, enum tcpdwell_walk_for what)
{
	uint64_t args[2] = { bucket, what };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));

	return bpf_prog_test_run_opts(bpf_program__fd(programs->skel->progs.walk_all), &opts) ?
		       -errno :
		       0;
}

/* Reads an iterator over @map to its end. Its program writes nothing. */
static int run_iterator(const struct bpf_program *program, int map)
{
	int iterator = open_iterator(program, map);
	ssize_t len;
	char none;

	if (iterator < 0)
		return iterator;
	do {
		len = read(iterator, &none, sizeof(none));
	} while (len > 0 || (len < 0 && (errno == EAGAIN || errno == EINTR)));
	len = len ? -errno : 0;
	close(iterator);
	return len;
}

/* Elements that are copied at a time: more than ever share a bucket of a hash table. */
#define BATCH 256

static int sweep_keys(const struct programs *programs, uint64_t keys[TCPDWELL_SWEEP_KEYS])
{
	const struct bpf_program *program = programs->skel->progs.sweep_keys;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = keys,
		    .ctx_size_in = TCPDWELL_SWEEP_KEYS * sizeof(*keys));

	return bpf_prog_test_run_opts(bpf_program__fd(program), &opts) ? -errno : 0;
}

/* Has the program look at @count connections. Their keys are @stride bytes apart. */
static int sweep_each(const struct programs *programs, const char *keys, uint32_t stride,
		      uint32_t count)
{
	uint64_t some[TCPDWELL_SWEEP_KEYS];
	uint32_t i = 0;
	int err = 0;

	while (!err && i < count) {
		memset(some, 0, sizeof(some));
		for (uint32_t n = 0; n < TCPDWELL_SWEEP_KEYS && i < count; n++, i++)
			memcpy(&some[n], keys + (size_t)i * stride, sizeof(some[n]));
		err = sweep_keys(programs, some);
	}
	return err;
}

/*
 * Goes through @map in batches of copies of its elements. The program gets the keys of connections.
 * In a table that is the key of the element. In a map of slots it is at the start of the value.
 */
static int run_batches(const struct programs *programs, const struct bpf_map *like, int map,
		       bool slots)
{
	uint32_t value_bytes = bpf_map__value_size(like), count, at = 0;
	char *keys = calloc(BATCH, sizeof(uint64_t)), *values = calloc(BATCH, value_bytes);
	bool first = true;
	int err = keys && values ? 0 : -ENOMEM, done;

	while (!err) {
		count = BATCH;
		done = bpf_map_lookup_batch(map, first ? NULL : &at, &at, keys, values, &count,
					    NULL) ?
			       -errno :
			       0;
		first = false;
		if (done && done != -ENOENT) {
			err = done;
			break;
		}
		err = slots ? sweep_each(programs, values, value_bytes, count) :
			      sweep_each(programs, keys, sizeof(uint64_t), count);
		if (done)
			break;
	}
	free(keys);
	free(values);
	return err;
}

int programs_sweep_table(const struct programs *programs, unsigned int number, int fd)
{
	const struct tcpdwell_bpf *skel = programs->skel;

	if (bpf_program__autoload(skel->progs.sweep_table))
		return run_by_number(skel->progs.sweep_table, number);
	if (bpf_program__autoload(skel->progs.iter_table))
		return run_iterator(skel->progs.iter_table, fd);
	return run_batches(programs, bpf_map__inner_map(skel->maps.connections), fd, false);
}

int programs_sweep_recent(const struct programs *programs, unsigned int number, int fd)
{
	const struct tcpdwell_bpf *skel = programs->skel;

	if (bpf_program__autoload(skel->progs.sweep_recent))
		return run_by_number(skel->progs.sweep_recent, number);
	if (bpf_program__autoload(skel->progs.iter_recent))
		return run_iterator(skel->progs.iter_recent, fd);
	return run_batches(programs, bpf_map__inner_map(skel->maps.recent), fd, true);
}

/*
 * ---- Trying -------------------------------------------------------------------------------------
 */

static int try_iterator(const struct bpf_program *program, int map)
{
	int fd = open_iterator(program, map);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

/*
 * Runs a program, or opens an iterator, before anything waits, so the run does nothing. The
 * iterator of slots can be left out: a map of connections stands for it.
 */
static int try_program(const struct programs *programs, const struct bpf_program *program,
		       int table)
{
	const struct tcpdwell_bpf *skel = programs->skel;
	uint64_t none[TCPDWELL_SWEEP_KEYS] = {};

	if (program == programs_flush(programs))
		return run_by_number(program, UINT64_MAX);
	if (program == skel->progs.sweep_table || program == skel->progs.sweep_recent)
		return run_by_number(program, 0);
	/* The table is empty: of it comes no key that the program would be run for. */
	if (program == skel->progs.sweep_keys)
		return sweep_keys(programs, none) ?:
			       run_batches(programs, bpf_map__inner_map(skel->maps.connections),
					   table, false);
	if (program == skel->progs.walk_all)
		return programs_walk(programs, UINT32_MAX, TCPDWELL_WALK_UNNAMED);
	if (program == skel->progs.iter_table)
		return try_iterator(program, table);
	if (program == descriptor_program(programs) || program == socket_program(programs))
		return try_iterator(program, 0);
	return 0;
}

int programs_try(const struct programs *programs, int table, const char **refused)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, programs->skel->obj)
	{
		int err = bpf_program__autoload(program) ? try_program(programs, program, table) :
							   0;

		if (!err)
			continue;
		*refused = bpf_program__name(program);
		return err;
	}
	return 0;
}
