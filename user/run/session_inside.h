/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a session is made of, for the files that it is made of: session.c has the loop, start and
 * finish, session_rows.c takes what the kernel side hands over, session_account.c says what became
 * of it, session_end.c when it is over and how long what is left may take, session_floods.c reports
 * floods. Commands see session.h alone.
 */
#ifndef TCPDWELL_SESSION_INSIDE_H
#define TCPDWELL_SESSION_INSIDE_H

#include "run/session.h"

/* A flood is reported this often. */
#define FLOOD_NS 1000000000ULL

/* What is still to be written when the tool is told to end has so long (session_end.c). */
#define DRAIN_NS 2000000000ULL

/* A row that the ring yields (source_ring.h). */
int session_take_row(void *context, const struct event *event);

/* Takes what there is, SOURCE_RING_BATCH at the most. Returns the number or -1. */
int session_take_rows(struct session *session);

/* Takes all that the kernel side has emitted by now; after a deadline it is only counted. */
int session_take_all_rows(struct session *session);

/* Rows of what was closed, after those that wait in the kernel. */
int session_take_paced_rows(struct session *session);

void session_print_account(struct session *session, enum notice_level level);

/* Rows of connections that go on, where they are wanted. */
void session_tell_open(struct session *session, bool last);

/* Nothing is traced from here on. What is to be written may take as long as @drain_ns. */
void session_stop(struct session *session, enum session_end end, uint64_t drain_ns);

/* A signal: the first stops the tracing, the second gives up what is not written. */
void session_stop_by_signal(struct session *session);

/*
 * A write would wait: all that may happen meanwhile happens here (struct text_wait). Last words are
 * also said after the deadline, if nobody is waited for.
 */
int session_wait_writable(void *context, int fd);

/* Whether the loop has done what was asked for. */
bool session_ended(struct session *session, uint64_t now_ns);

/* What hits the host now and has no rows: a line a second. */
void session_report_flood(struct session *session, uint64_t now_ns);

#endif /* TCPDWELL_SESSION_INSIDE_H */
