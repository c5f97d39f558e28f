// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "host/tracefs.h"
#include "kernel/programs.h"
#include "tcpdwell.skel.h"

/* Programs that are attached at a time, at the most. */
#define LINKS_MAX 24

struct programs {
	struct tcpdwell_bpf *skel;
	const struct capability *can;
	struct bpf_link *links[LINKS_MAX];
	unsigned int link_count;
};

struct programs *programs_new(struct tcpdwell_bpf *skel, const struct capability *can)
{
	struct programs *programs = calloc(1, sizeof(*programs));

	if (!programs)
		return NULL;
	programs->skel = skel;
	programs->can = can;
	return programs;
}

void programs_free(struct programs *programs)
{
	if (!programs)
		return;
	programs_detach(programs);
	free(programs);
}

/*
 * ---- Choosing -----------------------------------------------------------------------------------
 */

/* A program that some backend of requests or mini sockets consists of. */
struct hook {
	const char *program;
	enum backend backend;
	enum {
		REQUESTS = 1,
		REQUESTS_BORN = 2,
		MINIS = 4,
		MINIS_BORN = 8,
		MINIS_BY_ADDRESS = 16,
		MINIS_KILLED = 32,
	} feature;
};

static const struct hook hooks[] = {
	{ "fentry_reqsk_queue_hash_add", BACKEND_FENTRY, REQUESTS_BORN },
	{ "fentry_complete_hashdance", BACKEND_FENTRY, REQUESTS },
	{ "fentry_reqsk_queue_drop", BACKEND_FENTRY, REQUESTS },
	{ "fentry_reqsk_queue_drop_and_put", BACKEND_FENTRY, REQUESTS },
	{ "fentry_reqsk_timer_handler", BACKEND_FENTRY, REQUESTS },
	{ "fexit_reqsk_timer_handler", BACKEND_FENTRY, REQUESTS },
	{ "fentry_twsk_schedule", BACKEND_FENTRY, MINIS_BORN },
	{ "fentry_twsk_hashdance", BACKEND_FENTRY, MINIS_BY_ADDRESS },
	{ "fentry_twsk_deschedule_put", BACKEND_FENTRY, MINIS },
	{ "fentry_twsk_kill", BACKEND_FENTRY, MINIS_KILLED },
	{ "fentry_tw_timer_handler", BACKEND_FENTRY, MINIS },
	{ "kprobe_reqsk_queue_hash_add", BACKEND_KPROBE, REQUESTS_BORN },
	{ "kprobe_complete_hashdance", BACKEND_KPROBE, REQUESTS },
	{ "kprobe_reqsk_queue_drop", BACKEND_KPROBE, REQUESTS },
	{ "kprobe_reqsk_queue_drop_and_put", BACKEND_KPROBE, REQUESTS },
	{ "kprobe_reqsk_timer_handler", BACKEND_KPROBE, REQUESTS },
	{ "kretprobe_reqsk_timer_handler", BACKEND_KPROBE, REQUESTS },
	{ "kprobe_twsk_schedule", BACKEND_KPROBE, MINIS_BORN },
	{ "kprobe_twsk_hashdance", BACKEND_KPROBE, MINIS_BY_ADDRESS },
	{ "kprobe_timewait_state_process", BACKEND_KPROBE, MINIS },
	{ "kretprobe_timewait_state_process", BACKEND_KPROBE, MINIS },
	{ "kprobe_twsk_deschedule_put", BACKEND_KPROBE, MINIS },
	{ "kprobe_twsk_kill", BACKEND_KPROBE, MINIS_KILLED },
	{ "kprobe_tw_timer_handler", BACKEND_KPROBE, MINIS },
	{ "timer_start", BACKEND_TIMER, REQUESTS_BORN | MINIS_BORN },
	{ "timer_cancel", BACKEND_TIMER, REQUESTS | MINIS },
	{ "timer_expire_entry", BACKEND_TIMER, REQUESTS | MINIS },
	{ "timer_expire_exit", BACKEND_TIMER, REQUESTS },
};

static bool hook_wanted(const struct programs *programs, const struct hook *hook)
{
	const struct tcpdwell_bpf__rodata *cfg = programs->skel->rodata;
	const struct capability *can = programs->can;

	unsigned int wanted = 0;

	if (cfg->cfg_requests && can->requests == hook->backend) {
		wanted |= REQUESTS;
		if (!cfg->cfg_stat) /* of those that end the end tells all */
			wanted |= REQUESTS_BORN;
	}
	if (cfg->cfg_minis && can->minis == hook->backend) {
		wanted |= MINIS;
		if (!cfg->cfg_seek_minis)
			wanted |= MINIS_BORN;
		if (!can->cookie)
			wanted |= MINIS_BY_ADDRESS;
		if (can->twsk_kill)
			wanted |= MINIS_KILLED;
	}
	return hook->feature & wanted;
}

struct bpf_program *programs_transition(const struct programs *programs)
{
	const struct tcpdwell_bpf *skel = programs->skel;

	return programs->can->atomic ? skel->progs.inet_sock_set_state :
				       skel->progs.inet_sock_set_state_v511;
}

struct bpf_program *programs_flush(const struct programs *programs)
{
	const struct tcpdwell_bpf *skel = programs->skel;

	return programs->can->atomic ? skel->progs.flush : skel->progs.flush_v511;
}

/* The best of those that tell of accept(), NULL: the system calls must do, or nothing does. */
static struct bpf_program *accept_program(const struct programs *programs)
{
	const struct tcpdwell_bpf *skel = programs->skel;
	const struct capability *can = programs->can;

	if (!can->fentry.err && can->accept_args == 2)
		return skel->progs.inet_csk_accept_exit;
	if (!can->fentry.err && can->accept_args == 4)
		return can->atomic ? skel->progs.inet_csk_accept_exit_v69 :
				     skel->progs.inet_csk_accept_exit_v511;
	if (!can->kprobe.err)
		return can->atomic ? skel->progs.inet_csk_accept_return :
				     skel->progs.inet_csk_accept_return_v511;
	return NULL;
}

/* Its return value lies behind its parameters, and those have grown. */
static struct bpf_program *timewait_program(const struct programs *programs)
{
	const struct tcpdwell_bpf *skel = programs->skel;

	switch (programs->can->timewait_args) {
	case 3:
		return skel->progs.fexit_timewait_state_process_v611;
	case 4:
		return skel->progs.fexit_timewait_state_process_v612;
	default:
		return skel->progs.fexit_timewait_state_process;
	}
}

static struct bpf_program *descriptor_program(const struct programs *programs)
{
	const struct tcpdwell_bpf *skel = programs->skel;

	return programs->can->cookie ? skel->progs.iter_descriptor :
				       skel->progs.iter_descriptor_v511;
}

static void choose_iterators(struct programs *programs, bool wanted)
{
	struct tcpdwell_bpf *skel = programs->skel;

	bpf_program__set_autoload(descriptor_program(programs),
				  wanted && programs->can->iter_descriptors);
	bpf_program__set_autoload(skel->progs.iter_socket, wanted && programs->can->iter_sockets);
}

/* What tells that a socket changes hands, or its owner the name. */
static void choose_owner_programs(struct programs *programs)
{
	struct tcpdwell_bpf *skel = programs->skel;
	const struct capability *can = programs->can;
	struct bpf_program *accept = accept_program(programs);

	bpf_program__set_autoload(can->atomic ? skel->progs.sched_process_exec :
						skel->progs.sched_process_exec_v511,
				  true);
	bpf_program__set_autoload(skel->progs.sched_process_exit, true);
	bpf_program__set_autoload(skel->progs.sched_process_fork, skel->rodata->cfg_follow_forks);
	if (accept)
		bpf_program__set_autoload(accept, true);
	else
		bpf_program__set_autoload(skel->progs.sys_exit_accept4, !can->syscall.err);
}

/* Whether the command wants the sockets that exist and nothing that happens. */
static bool only_looks(const struct options *options)
{
	return options->command == COMMAND_SNAPSHOT ||
	       (options->command == COMMAND_LEAKS && !options->watch);
}

void programs_choose(struct programs *programs, const struct options *options)
{
	struct tcpdwell_bpf *skel = programs->skel;
	const struct tcpdwell_bpf__rodata *cfg = skel->rodata;
	const struct capability *can = programs->can;
	bool flush = cfg->cfg_defer_connect || cfg->cfg_requests || cfg->cfg_poll_minis;
	bool sweeps = can->iter_elements && (cfg->cfg_requests || cfg->cfg_minis);

	choose_iterators(programs, !options->no_snapshot);
	if (only_looks(options))
		return;
	bpf_program__set_autoload(programs_transition(programs), true);
	bpf_program__set_autoload(skel->progs.inet_sock_set_state_nested, can->atomic);
	bpf_program__set_autoload(programs_flush(programs), flush);
	bpf_program__set_autoload(skel->progs.tcp_v4_connect_exit, cfg->cfg_connect_exit);
	bpf_program__set_autoload(skel->progs.tcp_v6_connect_exit,
				  cfg->cfg_connect_exit && can->connect6);
	if (!cfg->cfg_skip_owner)
		choose_owner_programs(programs);
	bpf_program__set_autoload(skel->progs.tcp_send_reset, cfg->cfg_requests);
	bpf_program__set_autoload(skel->progs.sweep_table, sweeps);
	bpf_program__set_autoload(skel->progs.sweep_recent, sweeps);
	bpf_program__set_autoload(timewait_program(programs),
				  cfg->cfg_minis && can->minis == BACKEND_FENTRY);
	for (unsigned int i = 0; i < sizeof(hooks) / sizeof(*hooks); i++)
		if (hook_wanted(programs, &hooks[i]))
			bpf_program__set_autoload(
				bpf_object__find_program_by_name(skel->obj, hooks[i].program),
				true);
}

void programs_warn_missing(const struct programs *programs, const struct options *options,
			   const struct notice *notice)
{
	const struct capability *can = programs->can;

	if (only_looks(options))
		return;
	if (!accept_program(programs) && can->syscall.err)
		notice_print(
			notice, NOTICE_WARNING,
			"neither fexit (%s) nor kprobes (%s) nor system-call tracepoints (%s): "
			"accepted connections show their listener's owner",
			obstacle_text(&can->fentry), obstacle_text(&can->kprobe),
			obstacle_text(&can->syscall));
	if (can->fentry.err && !can->atomic)
		notice_print(notice, NOTICE_WARNING,
			     "no fexit (%s): the local port is unknown in CLOSE -> SYN_SENT",
			     obstacle_text(&can->fentry));
	if (!can->cookie)
		notice_print(notice, NOTICE_DETAIL,
			     "no socket cookies in tracing programs (Linux 5.12): "
			     "identities are the tracer's own");
	if (options->kernel_view || options->backend == BACKEND_NONE)
		return;
	if (can->requests == BACKEND_NONE)
		notice_print(
			notice, NOTICE_WARNING,
			"SYN_RECV is not seen before the handshake ends: see `tcpdwell probe`");
	if (can->minis == BACKEND_NONE)
		notice_print(notice, NOTICE_WARNING, "TIME_WAIT is not seen: see `tcpdwell probe`");
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

/* libbpf finds classic tracepoints only where tracefs is mounted, which it need not be. */
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

/* One program serves both system calls. */
static int attach_accepts(struct programs *programs, struct bpf_program *program)
{
	return attach_tracepoint(programs, program, "sys_exit_accept4") ?:
		       attach_tracepoint(programs, program, "sys_exit_accept");
}

/* Whether a program is attached by itself: not one that is run or iterated. */
static bool attaches(const struct bpf_program *program)
{
	const char *section = bpf_program__section_name(program);

	return bpf_program__autoload(program) && strcmp(section, "raw_tp") &&
	       strncmp(section, "iter/", 5);
}

int programs_attach(struct programs *programs, const struct notice *notice, struct failure *failure)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, programs->skel->obj)
	{
		const char *section = bpf_program__section_name(program);
		const char *name = bpf_program__name(program);
		int err;

		if (!attaches(program))
			continue;
		if (program == programs->skel->progs.sys_exit_accept4)
			err = attach_accepts(programs, program);
		else
			err = keep_link(programs, bpf_program__attach(program));
		if (!err) {
			notice_print(notice, NOTICE_DETAIL, "attached %s (%s)", name, section);
			continue;
		}
		if (!strcmp(section, TRANSITION_SECTION))
			return failure_set(failure, STATUS_HOST,
					   "cannot attach to sock:inet_sock_set_state: %s",
					   strerror(-err));
		notice_print(notice, NOTICE_WARNING, "cannot attach %s: %s", name, strerror(-err));
	}
	programs->skel->bss->shared.live = 1;
	return 0;
}

void programs_detach(struct programs *programs)
{
	if (programs->link_count)
		programs->skel->bss->shared.live = 0;
	while (programs->link_count)
		bpf_link__destroy(programs->links[--programs->link_count]);
}

/*
 * ---- Iterators ----------------------------------------------------------------------------------
 */

/* Opens an iterator, whose link lives as long as it: over the elements of @map, if it is not 0. */
static int open_iterator(const struct bpf_program *program, int map)
{
	union bpf_iter_link_info info;
	LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	struct bpf_link *link;
	int fd;

	/* Older kernels know less of it, and want zeros in the rest. */
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

int programs_open_descriptors(const struct programs *programs)
{
	return open_iterator(descriptor_program(programs), 0);
}

int programs_open_sockets(const struct programs *programs)
{
	return open_iterator(programs->skel->progs.iter_socket, 0);
}

bool programs_can_sweep(const struct programs *programs)
{
	return bpf_program__autoload(programs->skel->progs.sweep_table);
}

static void run_sweep(const struct bpf_program *program, uint64_t number)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &number, .ctx_size_in = sizeof(number));

	bpf_prog_test_run_opts(bpf_program__fd(program), &opts);
}

void programs_sweep_table(const struct programs *programs, unsigned int number)
{
	run_sweep(programs->skel->progs.sweep_table, number);
}

void programs_sweep_recent(const struct programs *programs, unsigned int number)
{
	run_sweep(programs->skel->progs.sweep_recent, number);
}
