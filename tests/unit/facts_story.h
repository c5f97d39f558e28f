/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A made-up host, for the tests of what `diagnose` finds and of how it says so: the facts of
 * facts.h, filled in by hand. There is one host at a time, in one network namespace, `blue`.
 */
#ifndef TCPDWELL_TEST_FACTS_STORY_H
#define TCPDWELL_TEST_FACTS_STORY_H

#include "model/facts.h"

#define FACTS_SOCKETS_MAX 12000

struct facts_story {
	struct facts facts;
	struct fact_socket sockets[FACTS_SOCKETS_MAX];
	struct fact_failure failures[64];
	struct fact_end ends[64];
	struct fact_netns netns;
	struct fact_process processes[4];
	struct fact_holder holders[4];
};

extern struct facts_story host;

/* Begins a host where nothing has happened, and few settings are known. Returns 0, for cmocka. */
int facts_begin(void **state);

struct fact_owner facts_owner(uint32_t pid, const char *comm);

/* Returns the ends of a connection between 10.0.0.1 and 10.0.0.@peer. */
struct fact_address facts_ends(uint8_t peer, uint16_t lport, uint16_t rport);

/* Adds @count sockets of a client in @state that differ only in their local port. */
struct fact_socket *facts_clients(uint8_t state, unsigned int count);

/* Adds @count sockets of a server on port 80, with peers from 10.0.0.2 on, and its listener. */
struct fact_socket *facts_accepted(uint8_t state, unsigned int count);
struct fact_socket *facts_listener(uint32_t waiting, uint32_t backlog);

void facts_add_end(uint8_t from, uint8_t reason, uint16_t err, uint64_t count, uint8_t peer);
void facts_add_failure(enum fact_call call, uint16_t err, uint64_t count, uint16_t lport,
		       uint16_t rport);

#endif /* TCPDWELL_TEST_FACTS_STORY_H */
