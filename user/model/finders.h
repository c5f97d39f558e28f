/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside findings: what its parts (find_*.c) share.
 */
#ifndef TCPDWELL_FINDERS_H
#define TCPDWELL_FINDERS_H

#include "model/findings.h"

/* Collects. An error sticks: no memory. */
struct finder {
	const struct facts *facts;
	struct finding *list;
	size_t count, room;
	const struct fact_socket **picked; /* room for all sockets */
	const struct fact_socket **ends;   /* all, by their ends; NULL: not sorted yet */
	size_t bound;			   /* ports of clients that bind() took */
	struct finding_ports ports[FINDING_PORTS];
	size_t port_count;
	int err;
};

/* Returns one that is all zero but for its id and severity, or NULL: no memory. */
struct finding *finder_add(struct finder *finder, enum finding_id id,
			   enum finding_severity severity);

void finding_figure(struct finding *finding, const char *name, uint64_t value,
		    enum finding_unit unit, bool grew);
void finding_setting(struct finding *finding, enum fact_setting setting);
__attribute__((format(printf, 2, 3))) void finding_why(struct finding *finding, const char *format,
						       ...);
__attribute__((format(printf, 2, 3))) void finding_more(struct finding *finding, const char *format,
							...);

/* The later of what ends it and what ends @socket: never is later than any time. */
void finding_end(const struct finder *finder, struct finding *finding,
		 const struct fact_socket *socket);

/* NULL: not looked into. */
const struct fact_netns *finder_netns(const struct finder *finder, uint32_t inode);

/* Settings of a namespace as deadline.h wants them; the defaults where they are not known. */
struct deadline_settings finder_settings(const struct finder *finder, uint32_t inode);

/*
 * Groups: picks the sockets that @pick wants, has those that @compare takes for alike together, and
 * calls @found with each group: its first socket, and how many there are behind it.
 */
typedef bool finder_pick(const struct finder *finder, const struct fact_socket *socket);
typedef int finder_compare(const struct fact_socket *a, const struct fact_socket *b);
typedef void finder_found(struct finder *finder, const struct fact_socket *const *group,
			  size_t count);

void finder_groups(struct finder *finder, finder_pick *pick, finder_compare *compare,
		   finder_found *found);

/* The same, each group sorted by @sort, which begins with what @compare compares. */
void finder_groups_sorted(struct finder *finder, finder_pick *pick, finder_compare *sort,
			  finder_compare *compare, finder_found *found);

/* Of numbers, as qsort() wants it. */
static inline int finder_order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* Of a limit, from which on it is one to speak of. */
#define FINDER_SHARE_PERCENT 80

static inline uint64_t finder_percent(uint64_t part, uint64_t whole)
{
	return whole ? part * 100 / whole : 0;
}

/* Whether the other end of @socket is open on this host, too, in whatever namespace. */
bool finder_peer_is_here(struct finder *finder, const struct fact_socket *socket);

/* How many different remote addresses a group has. */
size_t finder_remote_addresses(const struct fact_socket *const *group, size_t count);

/* The parts. */
void find_unanswered(struct finder *finder);
void find_failing(struct finder *finder);
void find_listeners(struct finder *finder);
void find_half_open(struct finder *finder);
void find_stuck(struct finder *finder);
void find_self_connect(struct finder *finder);
void find_ports(struct finder *finder);
void find_taken(struct finder *finder);
void find_ends(struct finder *finder);
void find_host(struct finder *finder);

#endif /* TCPDWELL_FINDERS_H */
