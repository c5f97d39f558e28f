// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/prune.h"
#include "base/thread.h"
#include "kernel/insn.h"
#include "kernel/kernel_types.h"
#include "kernel/load_aside.h"

/* The most programs that are loaded aside at a time. Further ones are loaded by libbpf. */
#define PROGRAMS_MAX 40

/* More threads than this would have nothing to do. */
#define WORKERS_MAX 16

static int attach(const struct bpf_program *program, long cookie, struct bpf_link **link)
{
	(void)cookie;
	*link = bpf_program__attach_trace(program);
	return *link ? 0 : -errno;
}

/*
 * Kinds of programs, by the beginning of their section's name. The rest of that name is what they
 * attach to.
 */
static const struct kind {
	const char *section;
	enum bpf_prog_type type;
	enum bpf_attach_type attach_type;
	const char *prefix; /* before the target's name in the kernel's types; NULL: not there */
	int btf_kind;
	libbpf_prog_attach_fn_t attach;
} kinds[] = {
	{ "tp_btf+", BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, "btf_trace_", BTF_KIND_TYPEDEF,
	  attach },
	{ "fentry+", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, "", BTF_KIND_FUNC, attach },
	{ "fexit+", BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT, "", BTF_KIND_FUNC, attach },
	{ "iter+", BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER, "bpf_iter_", BTF_KIND_FUNC, NULL },
	{ "raw_tp+", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, NULL, 0, NULL },
	{ "tp+", BPF_PROG_TYPE_TRACEPOINT, 0, NULL, 0, NULL },
};

#define KINDS (sizeof(kinds) / sizeof(*kinds))

/*
 * A program that is being loaded. Its instructions and options are copies, because libbpf goes on
 * to use its own.
 */
struct loading {
	const struct bpf_program *program;
	struct bpf_insn *insns;
	size_t insn_count;
	struct bpf_prog_load_opts *opts;
	void *functions;  /* functions of those options */
	int constants_fd; /* of the map that the constants are in, or negative */
	int fd;		  /* or -errno */
};

struct load_aside {
	const char *license;
	const struct kernel_types *kernel;
	struct bpf_map *map; /* the map of constants */
	int constants_fd;    /* its descriptor; negative if it is not known yet */
	void *constants;     /* a copy; NULL if there is none */
	size_t constant_bytes;
	bool untyped; /* a program came without type information */
	int handlers[KINDS];
	pthread_t workers[WORKERS_MAX];
	unsigned int workers_max;
	unsigned int worker_count;
	pthread_mutex_t lock; /* guards the members below */
	pthread_cond_t more;
	bool over; /* no more programs will come */
	unsigned int count;
	unsigned int next;
	struct loading programs[PROGRAMS_MAX];
};

/*
 * Removes code that the constants switch off. The program does the same to the kernel, so if this
 * fails nothing is lost.
 */
static void cut(const struct load_aside *aside, struct loading *loading)
{
	struct prune cut = {
		.insns = loading->insns,
		.count = loading->insn_count,
		.map = loading->constants_fd,
		.constants = aside->constants,
		.constant_bytes = aside->constant_bytes,
		.functions = loading->functions,
		.function_count = loading->opts->func_info_cnt,
		.function_bytes = loading->opts->func_info_rec_size,
	};

	if (!aside->constants || loading->constants_fd < 0 || !loading->functions || prune(&cut))
		return;
	loading->insn_count = cut.count;
	loading->opts->func_info = cut.functions;
	loading->opts->func_info_cnt = cut.function_count;
}

static void load(const struct load_aside *aside, struct loading *loading)
{
	cut(aside, loading);
	loading->fd = bpf_prog_load(bpf_program__type(loading->program),
				    bpf_program__name(loading->program), aside->license,
				    loading->insns, loading->insn_count, loading->opts);
}

static void *work(void *argument)
{
	struct load_aside *aside = argument;

	pthread_mutex_lock(&aside->lock);
	for (;;) {
		struct loading *loading;

		while (aside->next == aside->count && !aside->over)
			pthread_cond_wait(&aside->more, &aside->lock);
		if (aside->next == aside->count)
			break;
		loading = &aside->programs[aside->next++];
		pthread_mutex_unlock(&aside->lock);
		load(aside, loading);
		pthread_mutex_lock(&aside->lock);
	}
	pthread_mutex_unlock(&aside->lock);
	return NULL;
}

static void loading_free(struct loading *loading)
{
	free(loading->insns);
	free(loading->opts);
	free(loading->functions);
}

/*
 * Copies a program and its options. Any version of libbpf may call this, so the options may be
 * longer than those known here. The lines of source are left out: they serve only the verifier's
 * log, which nobody reads here, and the kernel moves them with each instruction that it adds or
 * removes.
 */
static int loading_copy(struct loading *loading, const struct bpf_program *program,
			const struct bpf_prog_load_opts *opts)
{
	size_t bytes = bpf_program__insn_cnt(program) * sizeof(*loading->insns);

	loading->program = program;
	loading->insn_count = bpf_program__insn_cnt(program);
	loading->insns = malloc(bytes);
	loading->opts = malloc(opts->sz);
	if (!loading->insns || !loading->opts)
		return -ENOMEM;
	memcpy(loading->insns, bpf_program__insns(program), bytes);
	memcpy(loading->opts, opts, opts->sz);
	loading->opts->line_info_cnt = 0;
	bytes = (size_t)opts->func_info_cnt * opts->func_info_rec_size;
	loading->functions = bytes ? malloc(bytes) : NULL;
	if (loading->functions)
		memcpy(loading->functions, opts->func_info, bytes);
	return 0;
}

/*
 * Gives the next program to a thread. A thread is started for each program until there are as many
 * as processors.
 */
static int give_to_worker(struct load_aside *aside)
{
	int err = 0;

	if (aside->worker_count <= aside->count && aside->worker_count < aside->workers_max) {
		err = thread_start(&aside->workers[aside->worker_count], work, aside);
		aside->worker_count += !err;
	}
	if (!aside->worker_count)
		return err;
	pthread_mutex_lock(&aside->lock);
	aside->count++;
	pthread_cond_signal(&aside->more);
	pthread_mutex_unlock(&aside->lock);
	return 0;
}

static int put_empty_in_place(struct bpf_program *program, struct bpf_prog_load_opts *opts)
{
	struct bpf_insn empty[] = {
		MOV_IMM(BPF_REG_0, 0),
		EXIT(),
	};

	opts->func_info_cnt = 0;
	opts->line_info_cnt = 0;
	return bpf_program__set_insns(program, empty, sizeof(empty) / sizeof(*empty));
}

/* Finds what a program attaches to, as libbpf does for the kinds that it knows itself. */
static int find_target(const struct load_aside *aside, const struct bpf_program *program,
		       const struct kind *kind, struct bpf_prog_load_opts *opts)
{
	const char *target = strchr(bpf_program__section_name(program), '/');
	char name[128];
	int id;

	if (!kind->prefix || opts->attach_btf_id)
		return 0;
	snprintf(name, sizeof(name), "%s%s", kind->prefix, target ? target + 1 : "");
	id = kernel_types_find(aside->kernel, name, kind->btf_kind);
	if (id < 0)
		return id;
	opts->attach_btf_id = id;
	return 0;
}

static const struct kind *kind_of(const struct bpf_program *program)
{
	const char *section = bpf_program__section_name(program);

	for (unsigned int i = 0; i < KINDS; i++) {
		size_t len = strlen(kinds[i].section) - 1;

		if (!strncmp(section, kinds[i].section, len) && strchr("/", section[len]))
			return &kinds[i];
	}
	return NULL;
}

static bool is_constants(const struct load_aside *aside, int fd)
{
	struct bpf_map_info info = {};
	__u32 bytes = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &bytes) && info.type == BPF_MAP_TYPE_ARRAY &&
	       info.map_flags & BPF_F_RDONLY_PROG && info.value_size == aside->constant_bytes;
}

/*
 * Returns the descriptor of the map of constants. libbpf 1.4 and 1.5 do not tell it before all is
 * loaded, but the instructions have it by then.
 */
static int find_constants(const struct load_aside *aside, const struct bpf_program *program)
{
	const struct bpf_insn *insns = bpf_program__insns(program);
	int fd = bpf_map__fd(aside->map);

	for (size_t i = 0; fd < 0 && i < bpf_program__insn_cnt(program); i++)
		if (insns[i].code == (BPF_LD | BPF_IMM | BPF_DW) &&
		    insns[i].src_reg == BPF_PSEUDO_MAP_VALUE && is_constants(aside, insns[i].imm))
			fd = insns[i].imm;
	return fd;
}

/*
 * Called by libbpf before it loads a program. A program that cannot be loaded aside is loaded by
 * libbpf. Without type information no program is loaded: libbpf would go on without it, and the
 * verifier look at each function for each of its calls, which takes minutes.
 */
static int prepare(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	struct load_aside *aside = (struct load_aside *)cookie;
	struct loading *loading = &aside->programs[aside->count];
	const struct kind *kind = kind_of(program);
	int err = kind ? find_target(aside, program, kind, opts) : -EINVAL;

	if (!err && !opts->prog_btf_fd) {
		aside->untyped = true;
		err = -EOPNOTSUPP;
	}
	if (err || !aside->workers_max || aside->count == PROGRAMS_MAX)
		return err;
	if (aside->constants_fd < 0)
		aside->constants_fd = find_constants(aside, program);
	*loading = (struct loading){ .constants_fd = aside->constants_fd };
	if (loading_copy(loading, program, opts) || give_to_worker(aside)) {
		loading_free(loading);
		return 0;
	}
	return put_empty_in_place(program, opts);
}

static int add_handler(struct load_aside *aside, unsigned int i)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .cookie = (long)aside,
		    .prog_prepare_load_fn = prepare, .prog_attach_fn = kinds[i].attach, );

	aside->handlers[i] = libbpf_register_prog_handler(kinds[i].section, kinds[i].type,
							  kinds[i].attach_type, &opts);
	return aside->handlers[i] < 0 ? aside->handlers[i] : 0;
}

static unsigned int processors(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	return count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : count;
}

struct load_aside *load_aside_new(const char *license, bool aside_of_libbpf)
{
	struct load_aside *aside = calloc(1, sizeof(*aside));
	int err = 0;

	if (!aside)
		return NULL;
	aside->license = license;
	aside->workers_max = aside_of_libbpf ? processors() : 0;
	pthread_mutex_init(&aside->lock, NULL);
	pthread_cond_init(&aside->more, NULL);
	for (unsigned int i = 0; i < KINDS; i++)
		aside->handlers[i] = -1;
	for (unsigned int i = 0; i < KINDS && !err; i++)
		err = add_handler(aside, i);
	if (!err)
		return aside;
	load_aside_free(aside);
	errno = -err;
	return NULL;
}

void load_aside_set_types(struct load_aside *aside, const struct kernel_types *kernel)
{
	aside->kernel = kernel;
}

void load_aside_set_constants(struct load_aside *aside, struct bpf_map *map)
{
	size_t bytes = 0;
	const void *constants = bpf_map__initial_value(map, &bytes);

	aside->untyped = false;
	aside->constants_fd = -1;
	aside->map = map;
	free(aside->constants);
	aside->constants = constants ? malloc(bytes) : NULL;
	aside->constant_bytes = bytes;
	if (aside->constants)
		memcpy(aside->constants, constants, bytes);
}

/* Puts the program in the place of the empty one. Returns 0 or -errno. */
static int loading_end(struct loading *loading)
{
	int fd = loading->fd, err = 0;

	if (fd < 0)
		return fd;
	if (dup3(fd, bpf_program__fd(loading->program), O_CLOEXEC) < 0)
		err = -errno;
	close(fd);
	return err;
}

static void join(struct load_aside *aside)
{
	pthread_mutex_lock(&aside->lock);
	aside->over = true;
	pthread_cond_broadcast(&aside->more);
	pthread_mutex_unlock(&aside->lock);
	while (aside->worker_count)
		pthread_join(aside->workers[--aside->worker_count], NULL);
	aside->over = false;
}

int load_aside_wait(struct load_aside *aside, const char **refused)
{
	int err = 0;

	join(aside);
	for (unsigned int i = 0; i < aside->count; i++) {
		struct loading *loading = &aside->programs[i];
		int one = loading_end(loading);

		if (one && !err) {
			err = one;
			*refused = bpf_program__name(loading->program);
		}
		loading_free(loading);
	}
	aside->count = aside->next = 0;
	return err;
}

bool load_aside_untyped(const struct load_aside *aside)
{
	return aside->untyped;
}

void load_aside_free(struct load_aside *aside)
{
	if (!aside)
		return;
	for (unsigned int i = 0; i < KINDS; i++)
		if (aside->handlers[i] >= 0)
			libbpf_unregister_prog_handler(aside->handlers[i]);
	pthread_cond_destroy(&aside->more);
	pthread_mutex_destroy(&aside->lock);
	free(aside->constants);
	free(aside);
}
