/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The run of a command: one loop for all of them, which alone owns the events, the clock, the
 * loader, the program after `--`, the snapshot at the start, the privileges, the deadlines,
 * SIGUSR1, the end and the account. A command is a model and its views behind the callbacks below.
 *
 * The end: the first signal, and what -d and -n say, stop the tracing. What is still to be written
 * is written for two seconds at the most, then dropped and counted as unwritten. The second signal
 * drops it at once. SIGUSR1 is answered whatever the output does.
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

/* What the session is to do for a command. All zero: nothing but to load, and to finish. */
struct wants {
	bool watch;	      /* attach, and run on until told to end */
	bool snapshot;	      /* what exists gets its owner before the loop begins */
	bool records;	      /* it tells of them as events, ahead of start(), if it can */
	bool timewait;	      /* without TIME_WAIT it is of no use */
	bool looks;	      /* looks at the sockets that exist, with session_walk() */
	bool rows_optional;   /* where the kernel has none, it looks, and does not watch */
	bool host_only;	      /* what the host says will do: no kernel side is loaded */
	bool names;	      /* of cgroups and namespaces, for session_names(): files, too */
	bool files;	      /* opens files while it runs that everybody may read */
	bool serves;	      /* accepts connections while it runs */
	bool reports;	      /* shows reports, in place where that is asked for; else rows */
	bool first;	      /* the first report at once */
	bool open;	      /* at the end, and at SIGUSR1, rows of what goes on */
	bool floods;	      /* tells of floods itself: no line of the session does */
	uint64_t duration_ns; /* how long it runs where -d does not say, 0: on and on */
	/* Between two reports, 0: only the last. */
	uint64_t report_ns;
	/* Rows are taken, and tick() called, so often; 0: as soon as there are any rows. */
	uint64_t pace_ns;
};

/*
 * Each returns 0, or -1 with the session's failure filled; errors of the output need not be
 * returned: the session looks at the output itself.
 */
struct command_ops {
	/*
	 * Says what is wanted, from the options alone: of the kernel side, where @capture has what
	 * all commands share, and of the session.
	 */
	void (*wants)(struct session *session, struct capture *capture, struct wants *wants);
	/* What must be done while the process is small and may fork. NULL: nothing. */
	int (*prepare)(struct session *session);
	/* Makes the model. All is attached, and the process has still its privileges. */
	int (*start)(struct session *session);
	/* One event of a source. NULL: none is wanted. */
	int (*event)(struct session *session, const struct event *event);
	/* Once a turn: what does not wait for a report. NULL: nothing. */
	int (*tick)(struct session *session);
	/* A report is due. NULL: there are none while it runs. */
	int (*render)(struct session *session);
	/* The last report or row; nothing is traced any more. May set the exit status. */
	int (*finish)(struct session *session, const struct summary *summary);
	/* Frees the model, if there is one. */
	void (*free)(struct session *session);
};

/* Why it ends. */
enum session_end {
	SESSION_GOES_ON,
	SESSION_SIGNAL,	 /* or the output failed */
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
	struct loader *loader; /* NULL: the kernel allows none, and there is only a walk */
	struct socket_source look;
	struct steward *steward; /* looks at others for us once all is attached, NULL: none */
	struct name_book *names; /* NULL: not wanted */
	struct output *output;
	struct events *events;
	struct wants wants;
	bool in_place; /* on a terminal, where reports take each other's place */
	uint64_t start_ns;
	uint64_t told_ns; /* when it was told to end */
	enum session_end end;

	/* For commands to set. */
	void *model;
	int status;	   /* the exit status; 0 unless a command says otherwise */
	uint64_t handed;   /* rows that the command got; one that sums adds what it took */
	uint64_t unwanted; /* rows that it got and did not want: filtered */

	/* The session's own. */
	const struct command_ops *command;
	struct capture capture;
	struct text_wait wait;
	struct program *program;
	struct source_ring *source;
	bool drops;	    /* privileges, once all is attached */
	int wakes;	    /* what came while the output was waited for */
	bool waiting;	    /* rows wait for loader_flush() */
	bool more;	    /* the ring held more than one look takes */
	bool last_words;    /* what is written now is not dropped before the very end */
	bool cut;	    /* rows were dropped at the end */
	uint64_t reported;  /* of handed, those up to the last report that was written */
	uint64_t beyond;    /* rows after -n */
	uint64_t unknown;   /* records of another kind */
	uint64_t malformed; /* records that cannot be */
	uint64_t flood_ns;  /* when floods were last looked for */
	struct cookie_floods cookies;
	struct container_files *files; /* where there is no steward; NULL: nobody has asked yet */
	uint64_t row_ns;	       /* when the ring last held something */
	uint64_t next_ns;	       /* when a report is due */
	uint64_t taken_ns;	       /* when rows were last taken, of those with a pace */
	uint64_t end_ns;	       /* -d */
	uint64_t deadline_ns;	       /* of what is still to be written, EVENTS_FOREVER: none */
};

/* The account so far. */
struct summary session_account(struct session *session);

/*
 * Shows a report (output.h). Returns 0, also if the output does not take it, or -1 with the failure
 * filled.
 */
int session_show(struct session *session, output_render *render, const void *context);

/* Runs it. Returns the exit status, or -1 with @failure filled. */
int session_run(const struct command_ops *command, const struct options *options,
		const struct notice *notice, struct failure *failure);

/* How rows are to look. */
struct style session_style(const struct session *session);

/* What people call where something came from; nothing is known unless wants.names says so. */
void session_names(const struct session *session, uint64_t cgroup_id, uint32_t netns,
		   uint64_t time_ns, struct names *names);

/*
 * For finish() of a command that does not watch: waits for @ns. Returns 0, or 1 if a signal ends
 * the tool or its reader has gone, or -1 with the failure filled.
 */
int session_wait(struct session *session, uint64_t ns);

/*
 * For render() and finish(): fills @sockets with those that exist now, then hands the rows that
 * came to event().
 */
int session_walk(struct session *session, struct sockets *sockets);

/* The same for who takes each record by itself (socket_source.h). */
int session_walk_each(struct session *session, socket_source_found *found, socket_source_anew *anew,
		      void *context);

/*
 * What /proc says of a process, as procfs_process_read() does, and what its container is called,
 * whoever may ask it.
 */
void session_process(struct session *session, uint32_t pid, const char *comm,
		     struct procfs_process *process);

/* For tick(), render() and finish() of a command that sums: hands the sums to event(). */
int session_sums(struct session *session);

#endif /* TCPDWELL_SESSION_H */
