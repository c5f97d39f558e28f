/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From what was seen of a host to facts.h: sockets of a walk, ends of connections, calls that
 * failed, counters of namespaces. Pure, one thread at a time.
 *
 * A look is begun, told of, and ended. What grew is the difference between the first look and the
 * last one. Memory follows the sockets that exist; ends are summed in GATHER_ENDS groups, and what
 * finds no room there is counted.
 */
#ifndef TCPDWELL_GATHER_H
#define TCPDWELL_GATHER_H

#include <stdint.h>

#include "model/facts.h"
#include "model/sockets.h"
#include "service.h"
#include "wire.h"

#define GATHER_ENDS 4096

struct gather;

/* A namespace, as it is now; counters are the kernel's own. */
struct gather_netns {
	uint32_t inode;
	bool own;
	char name[sizeof(((struct fact_netns *)NULL)->name)];
	uint64_t counters[FACT_COUNTERS]; /* FACT_UNKNOWN: not known */
	uint64_t settings[FACT_SETTINGS];
	uint64_t orphans;
};

/* Returns NULL with errno set. */
struct gather *gather_new(void);

/* NULL-safe. */
void gather_free(struct gather *gather);

/* Begins a look: what the last one has seen is forgotten. */
void gather_look(struct gather *gather);

/*
 * From here on, what grows has done so since the last look, and not since the first one; ends of
 * connections are forgotten, and what takes memory for each socket is given back, the facts of them
 * too. Returns 0 or -ENOMEM.
 */
int gather_settle(struct gather *gather);

/* What a look sees. Each returns 0 or -ENOMEM. */
int gather_netns(struct gather *gather, const struct gather_netns *netns);

/* Ahead of the first look: what a listener has dropped since it began to listen. */
int gather_drops(struct gather *gather, uint64_t cookie, uint64_t drops);

/* A call that failed, as the kernel side has it, @count times. */
struct fact_failure gather_failure_of(const struct tcpdwell_failed_call *call,
				      const struct tcpdwell_failed_calls *calls, uint64_t count);

/* What happens meanwhile. A call that failed has the count of the whole run. */
int gather_end(struct gather *gather, const struct tcpdwell_transition *t);
int gather_failure(struct gather *gather, const struct fact_failure *failure);

/* A process that has one more socket; and those that have any, whose limits are to be filled in. */
int gather_holder(struct gather *gather, uint32_t pid, const char *comm);
struct fact_process *gather_processes(struct gather *gather, size_t *count);

/* A listener that sends SYN cookies; the same one may be told of again and again. */
int gather_cookies(struct gather *gather, const struct tcpdwell_cookies *cookies);

void gather_memory(struct gather *gather, uint64_t pages, uint64_t pressure_pages);

/* Ends of connections that found no room. */
uint64_t gather_lost(const struct gather *gather);

/* The @count namespaces of the look, in the order in which they were told; until the next look. */
const struct fact_netns *gather_namespaces(const struct gather *gather, size_t *count);

/* Ports that connect() takes in a namespace of the look; empty where they are not known. */
struct service_range gather_port_range(const struct gather *gather, uint32_t netns);

/* Of sockets, those that @filters want (sockets.h), which must outlive it. */
void gather_narrow(struct gather *gather, const struct filters *filters);

/*
 * The facts, of the last look and of the sockets that it has found, each by itself and with its
 * details: gather_begin(), when they are looked for at @now_ns, and may be called again to forget
 * those so far; gather_socket() for each that is wanted; and gather_take(), to which nothing may be
 * added. To be called once the namespaces of the look are told. A listener that was not there at
 * the look before comes ahead of its connections, or these may pass for a client's. Valid until
 * the next call. Each returns 0 or -ENOMEM.
 */
void gather_begin(struct gather *gather, uint64_t now_ns);
int gather_socket(struct gather *gather, const struct tcpdwell_socket *socket);
int gather_take(struct gather *gather, uint64_t span_ns, uint64_t leak_ns, struct facts *facts);

/*
 * All of these for @sockets, which the walk of the last look has found at @now_ns,
 * and which the filters want.
 */
int gather_facts(struct gather *gather, const struct sockets *sockets, uint64_t now_ns,
		 uint64_t span_ns, uint64_t leak_ns, struct facts *facts);

#endif /* TCPDWELL_GATHER_H */
