/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The run of a command. All commands share one loop, and the session alone owns the events, the
 * clock, the loader, the program after `--`, the snapshot at the start, the privileges, the
 * deadlines, SIGUSR1, the end and the account. A command consists of a model and its views behind
 * the callbacks below.
 *
 * The first signal stops the tracing, and so do -d and -n. What is still to be written then has two
 * seconds; after that it is dropped and counted as unwritten. The second signal drops it at once.
 * SIGUSR1 is answered even while the output is blocked.
 */
#ifndef TCPDWELL_SESSION_H
#define TCPDWELL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/event.h"
#include "base/failure.h"
#include "base/notice.h"
#include "cli/options.h"
#include "host/name_book.h"
#include "host/procfs_process.h"
#include "kernel/capture.h"
#include "model/cookie_flood.h"
#include "run/events.h"
#include "run/output.h"
#include "run/socket_source.h"
#include "view/sink.h"

struct session;

/*
 * What the session is to do for a command. All zero: the session only loads the kernel side and
 * calls finish().
 */
struct wants {
	bool watch;	      /* attaches, and runs until it is told to end */
	bool snapshot;	      /* sockets that exist get an owner before the loop */
	bool records;	      /* passes these to event() before start(), if possible */
	bool timewait;	      /* TIME_WAIT must be visible, or the command is useless */
	bool looks;	      /* looks at the sockets that exist, with session_walk() */
	bool rows_optional;   /* if the kernel side is refused, looks without tracing */
	bool host_only;	      /* /proc and sock_diag suffice, again and again: no kernel side */
	bool names;	      /* session_names() names cgroups, namespaces; reads files */
	bool files;	      /* opens world-readable files while it runs */
	bool serves;	      /* accepts connections while it runs */
	bool reports;	      /* shows reports (in place where possible), else rows */
	bool first;	      /* the first report comes at once */
	bool open;	      /* shows open connections at the end and at SIGUSR1 */
	bool floods;	      /* reports floods itself; the session prints no line */
	uint64_t duration_ns; /* how long it runs without -d; 0: without limit */
	/* Time between two reports; 0: there is only the last one. */
	uint64_t report_ns;
	/* How often rows are taken and tick() is called; 0: as soon as there are rows. */
	uint64_t pace_ns;
};

/*
 * The pace of a command that sums by cgroup: names are looked up this often, so that a cgroup that
 * ends before the next report has a name.
 */
#define SESSION_NAMES_NS 1000000000ULL

/*
 * Each callback returns 0, or -1 with the session's failure filled. Errors of the output need not
 * be returned, because the session checks the output itself.
 */
struct command_ops {
	/*
	 * Fills in what the command needs, from the options alone. @capture is for the kernel side,
	 * and already holds what all commands share; @wants is for the session.
	 */
	void (*wants)(struct session *session, struct capture *capture, struct wants *wants);
	/* Does what must be done while the process is small and may fork. NULL: nothing. */
	int (*prepare)(struct session *session);
	/* Makes the model. All is attached, and the process still has its privileges. */
	int (*start)(struct session *session);
	/* Takes one event of a source. NULL: the command takes none. */
	int (*event)(struct session *session, const struct event *event);
	/*
	 * Is called once a turn of the loop, for work that does not wait for a report. NULL:
	 * nothing.
	 */
	int (*tick)(struct session *session);
	/* Shows a report that is due. NULL: there are no reports during the run. */
	int (*render)(struct session *session);
	/* Shows the last report or row, after the tracing has ended. May set the exit status. */
	int (*finish)(struct session *session, const struct summary *summary);
	/* Frees the model. Is only called if there is one. */
	void (*free)(struct session *session);
};

/* Why the run ends. */
enum session_end {
	SESSION_GOES_ON,
	SESSION_SIGNAL,	 /* also: the output failed */
	SESSION_TIME,	 /* -d */
	SESSION_COUNT,	 /* -n */
	SESSION_PROGRAM, /* the program after -- has ended */
};

struct clock;
struct events;
struct loader;
struct program;
struct source_ring;
struct steward;

struct session {
	/* For commands to read. */
	const struct options *options;
	const struct notice *notice;
	struct failure *failure;
	struct clock *clock;
	struct loader *loader; /* NULL: the kernel allows none, only walks are possible */
	struct socket_source look;
	struct steward *steward; /* looks at others (steward.h); NULL: none */
	struct name_book *names; /* NULL: not wanted */
	struct output *output;
	struct events *events;
	struct wants wants;
	bool in_place; /* on a terminal; each report replaces the one before */
	bool looks_on; /* reports go on, though nothing can be traced */
	uint64_t start_ns;
	uint64_t told_ns; /* when the run was told to end */
	enum session_end end;

	/* For commands to set. */
	void *model;
	int status;	   /* the exit status; 0 unless the command sets it */
	uint64_t handed;   /* rows handed to the command, or, if it sums, those it took */
	uint64_t unwanted; /* rows that the command got and filtered out */
	uint64_t undated;  /* rows that it got and that have no dwell to sum up */

	/* Private to the session. */
	const struct command_ops *command;
	struct capture capture;
	struct text_wait wait;
	struct program *program;
	struct source_ring *source;
	bool drops;	    /* privileges are given up once all is attached */
	int wakes;	    /* enum wake bits seen while the output was waited for */
	bool waiting;	    /* the kernel side holds rows until loader_flush() */
	bool more;	    /* the ring held more than one look takes */
	bool last_words;    /* output is now kept until the very end */
	bool cut;	    /* rows were dropped at the end */
	uint64_t reported;  /* the part of handed that is in written reports */
	uint64_t beyond;    /* rows after -n */
	uint64_t unknown;   /* records of an unknown kind */
	uint64_t malformed; /* records with impossible contents */
	uint64_t flood_ns;  /* when floods were last looked for */
	struct cookie_floods cookies;
	uint64_t row_ns;      /* when the ring last held something */
	uint64_t next_ns;     /* when a report is due */
	uint64_t taken_ns;    /* when paced rows were last taken */
	uint64_t end_ns;      /* -d */
	uint64_t deadline_ns; /* for the remaining output; EVENTS_FOREVER: none */
};

/* Fills the failure of a run that cannot start because of the errno @err. Returns -1. */
int session_cannot_start(struct session *session, int err);

/* Returns the account up to now. */
struct summary session_account(struct session *session);

/*
 * Shows a report (output.h). Returns 0, also if the output does not take it, or -1 with the failure
 * filled.
 */
int session_show(struct session *session, output_render *render, const void *context);

/* Runs the command. Returns the exit status, or -1 with @failure filled. */
int session_run(const struct command_ops *command, const struct options *options,
		const struct notice *notice, struct failure *failure);

/* Returns how rows are to look. */
struct style session_style(const struct session *session);

/*
 * Looks up what people call the cgroup and the namespace. Nothing is known unless wants.names is
 * set.
 */
void session_names(const struct session *session, uint64_t cgroup_id, uint32_t netns,
		   uint64_t time_ns, struct names *names);

/*
 * Waits for @ns, or until SIGUSR1 comes, if that is to end the wait (@or_asked); for finish() of a
 * command that does not watch. Returns 0, 1 if a signal ends the tool or its reader has gone, or -1
 * with the failure filled.
 */
int session_wait(struct session *session, uint64_t ns, bool or_asked);

/*
 * Fills @sockets with the sockets that exist now, then passes the rows that have come to event().
 * For render() and finish().
 */
int session_walk(struct session *session, struct sockets *sockets);

/* Does the same, but hands each record to @found instead of collecting them (socket_source.h). */
int session_walk_each(struct session *session, socket_source_found *found, socket_source_anew *anew,
		      void *context);

/*
 * Has the steward read what /proc says of a process, as procfs_process_read() does, and what its
 * container is called. Nothing is known without a steward.
 */
void session_process(struct session *session, uint32_t pid, const char *comm,
		     struct procfs_process *process);

/*
 * Passes the sums of the kernel side to event(). For tick(), render() and finish() of a command
 * that sums.
 */
int session_sums(struct session *session);

#endif /* TCPDWELL_SESSION_H */
