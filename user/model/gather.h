/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes facts.h out of what was seen of a host: sockets of a walk, ends of connections, calls that
 * failed, counters of namespaces. Pure, one thread at a time.
 *
 * A look is begun, told what was seen, and ended. What grew is the difference between the first
 * look and the last one. Memory follows the number of sockets that exist, or of their groups if a
 * digest is made. Ends are summed in GATHER_ENDS groups, and those that find no room are counted.
 */
#ifndef TCPDWELL_GATHER_H
#define TCPDWELL_GATHER_H

#include <stdint.h>

#include "model/facts.h"
#include "model/sockets.h"
#include "service.h"
#include "stat.h"
#include "wire.h"

#define GATHER_ENDS 4096

struct gather;

/* A namespace as it is now, with the kernel's own counters. */
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

/* Begins a look, and forgets what the last one has seen. */
void gather_look(struct gather *gather);

/*
 * From here on, growth is measured since the last look instead of the first one. Forgets the ends
 * of connections, and frees the memory that depends on the number of sockets, including the facts
 * about them. Returns 0 or -ENOMEM.
 */
int gather_settle(struct gather *gather);

/* Adds a namespace that a look sees. Returns 0 or -ENOMEM. */
int gather_netns(struct gather *gather, const struct gather_netns *netns);

/*
 * Sets what a listener has dropped since it began to listen. To be called before the first look.
 * Returns 0 or -ENOMEM.
 */
int gather_drops(struct gather *gather, uint64_t cookie, uint64_t drops);

/* Makes a fact of a failed call as the kernel side counts it, for @count failures. */
struct fact_failure gather_failure_of(const struct tcpdwell_failed_call *call,
				      const struct tcpdwell_failed_calls *calls, uint64_t count);

/*
 * Add what happens between looks: the end of a connection, or a failed call with its count, which
 * is added again at each look. Each returns 0 or -ENOMEM.
 */
int gather_end(struct gather *gather, const struct tcpdwell_transition *t);
int gather_failure(struct gather *gather, const struct fact_failure *failure);

/*
 * Add to the sums of a group, for whoever is not told single ends: an element of the kernel side's
 * sums, or @count calls of connect() that returned @err. Memory follows the greatest number of a
 * group. Each returns 0 or -ENOMEM.
 */
int gather_sum(struct gather *gather, uint32_t group, const struct tcpdwell_stat_key *key,
	       const struct tcpdwell_stat *stat);
int gather_sum_calls(struct gather *gather, uint32_t group, uint16_t err, uint64_t count);

/*
 * gather_holder() counts one more socket of a process. gather_processes() returns the processes
 * that have any, whose limits the caller fills in.
 */
int gather_holder(struct gather *gather, uint32_t pid, const char *comm);
struct fact_process *gather_processes(struct gather *gather, size_t *count);

/* Adds a listener that sends SYN cookies. It may be added several times. Returns 0 or -ENOMEM. */
int gather_cookies(struct gather *gather, const struct tcpdwell_cookies *cookies);

void gather_memory(struct gather *gather, uint64_t pages, uint64_t pressure_pages);

/* Returns the number of ends, and of sockets of the last look, that found no room. */
uint64_t gather_lost(const struct gather *gather);

/*
 * Returns the @count namespaces of the look, in the order in which they were added; valid until the
 * next look.
 */
const struct fact_netns *gather_namespaces(const struct gather *gather, size_t *count);

/*
 * Returns the ports that connect() takes in a namespace of the look; an empty range if they are not
 * known.
 */
struct service_range gather_port_range(const struct gather *gather, uint32_t netns);

/*
 * From here on a digest (digest.h) is made of the sockets, and the facts are those of the digest.
 * @leak_ns is that of gather_take().
 */
void gather_digest(struct gather *gather, uint64_t leak_ns);

/*
 * Restricts the sockets to those that @filters want (sockets.h). @filters must outlive the gather.
 */
void gather_narrow(struct gather *gather, const struct filters *filters);

/*
 * These make the facts of the last look and of its sockets, each with its details, one socket at a
 * time. gather_begin() starts, with sockets looked at at @now_ns; calling it again forgets the
 * sockets so far. gather_socket() adds one that is wanted. gather_take() ends it; nothing may be
 * added after that. They are to be called once the namespaces of the look are known. A listener
 * that did not exist at the look before must come before its connections, or these may be taken for
 * a client's. The facts are valid until the next call. Each returns 0 or -ENOMEM.
 */
void gather_begin(struct gather *gather, uint64_t now_ns);
int gather_socket(struct gather *gather, const struct tcpdwell_socket *socket);
int gather_take(struct gather *gather, uint64_t span_ns, uint64_t leak_ns, struct facts *facts);

/*
 * Does all of that for those of @sockets that the filters want. The walk of the last look found
 * them at @now_ns.
 */
int gather_facts(struct gather *gather, const struct sockets *sockets, uint64_t now_ns,
		 uint64_t span_ns, uint64_t leak_ns, struct facts *facts);

#endif /* TCPDWELL_GATHER_H */
