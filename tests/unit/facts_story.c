// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "facts_story.h"

#define S 1000000000ULL

struct facts_story host;

int facts_begin(void **state)
{
	(void)state;
	memset(&host, 0, sizeof(host));
	host.netns.inode = 7;
	strcpy(host.netns.name, "blue");
	for (unsigned int i = 0; i < FACT_SETTINGS; i++)
		host.netns.settings[i] = FACT_UNKNOWN;
	host.netns.settings[FACT_PORTS_LOW] = 40000;
	host.netns.settings[FACT_PORTS_HIGH] = 40099;
	host.netns.settings[FACT_SYNCOOKIES] = 1;
	host.netns.settings[FACT_MAX_ORPHANS] = 1000;
	host.netns.orphans = FACT_UNKNOWN;
	host.facts = (struct facts){
		.span_ns = 10 * S,
		.sockets = host.sockets,
		.failures = host.failures,
		.ends = host.ends,
		.namespaces = &host.netns,
		.netns_count = 1,
		.processes = host.processes,
		.holders = host.holders,
		.memory = { FACT_UNKNOWN, FACT_UNKNOWN },
		.leak_ns = 60 * S,
	};
	return 0;
}

struct fact_owner facts_owner(uint32_t pid, const char *comm)
{
	struct fact_owner o = { .pid = pid };

	strncpy(o.comm, comm, sizeof(o.comm) - 1);
	return o;
}

struct fact_address facts_ends(uint8_t peer, uint16_t lport, uint16_t rport)
{
	return (struct fact_address){
		.netns = 7,
		.family = 4,
		.lport = lport,
		.rport = rport,
		.laddr = { 10, 0, 0, 1 },
		.raddr = { 10, 0, 0, peer },
	};
}

struct fact_socket *facts_clients(uint8_t state, unsigned int count)
{
	struct fact_socket *first = &host.sockets[host.facts.socket_count];

	for (unsigned int i = 0; i < count; i++)
		first[i] = (struct fact_socket){
			.at = facts_ends(2, 40000 + host.facts.socket_count++, 5432),
			.owner = facts_owner(11, "app"),
			.state = state,
			.client = true,
			.age_ns = 5 * S,
			.silent_ns = FACT_UNKNOWN,
			.idle_ns = FACT_UNKNOWN,
			.opened_most_ns = FACT_UNKNOWN,
		};
	return first;
}

struct fact_socket *facts_accepted(uint8_t state, unsigned int count)
{
	struct fact_socket *first = facts_clients(state, count);

	for (unsigned int i = 0; i < count; i++) {
		first[i].at = facts_ends(2 + i % 200, 80, 50000 + i);
		first[i].owner = facts_owner(22, "server");
		first[i].client = false;
	}
	return first;
}

struct fact_socket *facts_listener(uint32_t waiting, uint32_t backlog)
{
	struct fact_socket *l = facts_accepted(TCPDWELL_LISTEN, 1);

	l->at = (struct fact_address){ .netns = 7, .family = 4, .lport = 80 };
	l->waiting = waiting;
	l->backlog = backlog;
	return l;
}

void facts_add_end(uint8_t from, uint8_t reason, uint16_t err, uint64_t count, uint8_t peer)
{
	host.ends[host.facts.end_count++] = (struct fact_end){
		.owner = facts_owner(11, "app"),
		.at = facts_ends(peer, 0, 5432),
		.from = from,
		.reason = reason,
		.err = err,
		.count = count,
	};
}

void facts_add_failure(enum fact_call call, uint16_t err, uint64_t count, uint16_t lport,
		       uint16_t rport)
{
	host.failures[host.facts.failure_count++] = (struct fact_failure){
		.owner = facts_owner(11, "app"),
		.at = facts_ends(2, lport, rport),
		.call = call,
		.err = err,
		.count = count,
	};
}
