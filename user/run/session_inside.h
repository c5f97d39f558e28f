/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the session share: session.c has the run, its finish and what commands call;
 * session_start.c has all that comes before the loop, and session_loop.c has the loop;
 * session_rows.c takes what the kernel side hands over; session_account.c computes the account;
 * session_end.c decides when the run is over and how long the remaining output may take;
 * session_floods.c reports floods. Commands use session.h only.
 */
#ifndef TCPDWELL_SESSION_INSIDE_H
#define TCPDWELL_SESSION_INSIDE_H

#include "run/session.h"

/* How often a flood is reported. */
#define FLOOD_NS 1000000000ULL

/* How long the remaining output may take once the tool is told to end (session_end.c). */
#define DRAIN_NS 2000000000ULL

static inline uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Returns true if rows come through the ring. If they do not, the ring serves only to wake the
 * loop.
 */
bool session_takes_rows(const struct session *session);

/* Returns true if rows are shown as soon as they come. */
bool session_is_prompt(const struct session *session);

/*
 * The steps of the start, in their order. Each returns 0, or -1 with the failure filled.
 *
 * The first asks the command what it wants, forks the helper processes and loads the kernel side.
 * The second attaches it and looks at the sockets that exist. The third makes the command's model,
 * gives up the privileges and lets the program after `--` go.
 */
int session_set_up(struct session *session);
int session_attach(struct session *session);
int session_begin(struct session *session);

/* Runs until the end of the run. Returns 0, or -1 with the failure filled. */
int session_loop(struct session *session);

/* Takes one event of the ring (source_ring.h). */
int session_take_row(void *context, const struct event *event);

/* Takes the rows that the ring holds, at most SOURCE_RING_BATCH. Returns their number, or -1. */
int session_take_rows(struct session *session);

/*
 * Takes all rows that the kernel side has emitted up to now. After the deadline they are only
 * counted.
 */
int session_take_all_rows(struct session *session);

/* Lets go of held rows that are old enough, then takes all rows that the ring holds. */
int session_take_paced_rows(struct session *session);

void session_print_account(struct session *session, enum notice_level level);

/*
 * Has the kernel side emit a row for each open connection, if the command wants them. @last: no
 * more will be asked for.
 */
void session_tell_open(struct session *session, bool last);

/* Stops the tracing. The remaining output may take as long as @drain_ns. */
void session_stop(struct session *session, enum session_end end, uint64_t drain_ns);

/* Handles a signal: the first one stops the tracing, the second one drops what is not written. */
void session_stop_by_signal(struct session *session);

/*
 * Waits until @fd can be written to, and handles all that may happen meanwhile (struct text_wait).
 * After the deadline the last words are still written, as far as nobody must be waited for.
 */
int session_wait_writable(void *context, int fd);

/* Returns true if the run is over. */
bool session_ended(struct session *session, uint64_t now_ns);

/* Reports floods that have no rows, one line a second. */
void session_report_flood(struct session *session, uint64_t now_ns);

#endif /* TCPDWELL_SESSION_INSIDE_H */
