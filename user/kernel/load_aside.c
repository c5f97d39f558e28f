// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/thread.h"
#include "kernel/insn.h"
#include "kernel/load_aside.h"

/* At a time. One that finds no room is loaded by libbpf. */
#define PROGRAMS_MAX 4

/*
 * A program that is being loaded. Its instructions and options are copies: libbpf goes on with its
 * own.
 */
struct loading {
	pthread_t thread;
	const struct bpf_program *program;
	const char *license;
	struct bpf_insn *insns;
	size_t insn_count;
	struct bpf_prog_load_opts *opts;
	int fd; /* -errno */
};

struct load_aside {
	const char *license;
	int handler;
	unsigned int count;
	struct loading programs[PROGRAMS_MAX];
};

static void *load(void *argument)
{
	struct loading *loading = argument;

	loading->fd = bpf_prog_load(bpf_program__type(loading->program),
				    bpf_program__name(loading->program), loading->license,
				    loading->insns, loading->insn_count, loading->opts);
	return NULL;
}

static void loading_free(struct loading *loading)
{
	free(loading->insns);
	free(loading->opts);
}

/* Any version of libbpf may call this: its options may be longer than the ones known here. */
static int loading_begin(struct loading *loading, const struct bpf_program *program,
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
	return thread_start(&loading->thread, load, loading);
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

/* What cannot be loaded aside is loaded as ever. */
static int prepare(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	struct load_aside *aside = (struct load_aside *)cookie;
	struct loading *loading = &aside->programs[aside->count];

	if (aside->count == PROGRAMS_MAX)
		return 0;
	*loading = (struct loading){ .license = aside->license };
	if (loading_begin(loading, program, opts)) {
		loading_free(loading);
		return 0;
	}
	aside->count++;
	return put_empty_in_place(program, opts);
}

static int attach(const struct bpf_program *program, long cookie, struct bpf_link **link)
{
	(void)cookie;
	*link = bpf_program__attach_trace(program);
	return *link ? 0 : -errno;
}

struct load_aside *load_aside_new(const char *section, const char *license)
{
	struct load_aside *aside = calloc(1, sizeof(*aside));
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .cookie = (long)aside,
		    .prog_prepare_load_fn = prepare, .prog_attach_fn = attach, );

	if (!aside)
		return NULL;
	aside->license = license;
	aside->handler = libbpf_register_prog_handler(section, BPF_PROG_TYPE_TRACING,
						      BPF_TRACE_RAW_TP, &opts);
	if (aside->handler >= 0)
		return aside;
	errno = -aside->handler;
	free(aside);
	return NULL;
}

/* The program takes the place of the empty one. Returns 0 or -errno. */
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

int load_aside_wait(struct load_aside *aside, const char **refused)
{
	int err = 0, one;

	while (aside->count) {
		struct loading *loading = &aside->programs[--aside->count];

		pthread_join(loading->thread, NULL);
		one = loading_end(loading);
		if (one && !err) {
			err = one;
			*refused = bpf_program__name(loading->program);
		}
		loading_free(loading);
	}
	return err;
}

void load_aside_free(struct load_aside *aside)
{
	if (!aside)
		return;
	libbpf_unregister_prog_handler(aside->handler);
	free(aside);
}
