/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tests of `tcpdwell timewait` share: a host with two namespaces, and rows.
 */
#ifndef TCPDWELL_TEST_TIMEWAIT_STORY_H
#define TCPDWELL_TEST_TIMEWAIT_STORY_H

#include "model/timewait.h"

#define STORY_S 1000000000ULL
/* The time at which the tool starts. */
#define STORY_START (1000 * STORY_S)

#define STORY_OWN  4026531840U /* Linux's own settings */
#define STORY_BLUE 4026532599U /* "blue", with 500 local ports */

/* Returns a model of that host that has begun; the caller frees it. */
struct timewait *story_new(void);

/*
 * Returns the row that enters TIME_WAIT at @time_ns: python3 (77) of @netns had connected
 * 10.0.0.5:@lport to 10.0.0.9:5432.
 */
struct tcpdwell_transition story_enter(uint32_t netns, uint16_t lport, uint64_t time_ns);

/* Returns the row with which the same connection leaves it after @dwell_ns for @reason. */
struct tcpdwell_transition story_leave(const struct tcpdwell_transition *enter, uint64_t dwell_ns,
				       uint8_t reason);

/* As story_enter(), but nginx (80) had accepted 10.0.0.@peer:@rport on 10.0.0.5:443. */
struct tcpdwell_transition story_serve(uint8_t peer, uint16_t rport, uint64_t time_ns);

/* Adds a socket older than the start to the own namespace: 10.0.0.5:@lport to 10.0.0.9:5432. */
void story_add_old(struct timewait *tw, uint16_t lport, uint64_t left_ns);

/*
 * Returns a model after this: in blue 300 connections a second come for 1.5 s, of which one is
 * reused and one reset. In the own namespace one expires, and one is served. Two are older than the
 * start. It ends at 1070 s.
 */
struct timewait *story_play(void);

#endif /* TCPDWELL_TEST_TIMEWAIT_STORY_H */
