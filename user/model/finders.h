/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the parts of findings (find_*.c) share.
 */
#ifndef TCPDWELL_FINDERS_H
#define TCPDWELL_FINDERS_H

#include "base/compare.h"
#include "model/findings.h"

/* Collects findings. Once there is no memory, the error stays in err. */
struct finder {
	const struct facts *facts;
	struct finding *list;
	size_t count, room;
	const struct fact_socket **picked; /* room for all sockets */
	const struct fact_socket **ends;   /* all, sorted by addresses; NULL: not yet */
	size_t bound;			   /* number of clients' ports that bind() took */
	struct finding_ports ports[FINDING_PORTS];
	size_t port_count;
	int err;
};

/* Adds a finding that is all zero except for its id and severity. NULL: no memory. */
struct finding *finder_add(struct finder *finder, enum finding_id id,
			   enum finding_severity severity);

void finding_figure(struct finding *finding, const char *name, uint64_t value,
		    enum finding_unit unit, bool grew);
void finding_setting(struct finding *finding, enum fact_setting setting);
__attribute__((format(printf, 2, 3))) void finding_why(struct finding *finding, const char *format,
						       ...);
__attribute__((format(printf, 2, 3))) void finding_more(struct finding *finding, const char *format,
							...);

/*
 * Sets the end of @finding to the later one of its end and that of @socket. DEADLINE_NEVER is later
 * than any time.
 */
void finding_end(const struct finder *finder, struct finding *finding,
		 const struct fact_socket *socket);

/* NULL: the namespace was not visited. */
const struct fact_netns *finder_netns(const struct finder *finder, uint32_t inode);

/* Returns by how much a counter of the namespace grew in the look; 0 if that is not known. */
uint64_t finder_grew(const struct finder *finder, uint32_t inode, enum fact_counter counter);

/* The reasons to pick a socket. A digest (digest.h) keeps track of them. */
enum finder_kind {
	FINDER_DEAD = 1 << 0,
	FINDER_PEERS = 1 << 1,
	FINDER_LEAKED = 1 << 2,
	FINDER_FIN_WAIT1 = 1 << 3,
	FINDER_CLOSING = 1 << 4,
	FINDER_LAST_ACK = 1 << 5,
	FINDER_HELD = 1 << 6,
	FINDER_ORPHAN = 1 << 7,
	FINDER_UNANSWERED = 1 << 8,
	FINDER_UNANSWERED_AGAIN = 1 << 9,
	FINDER_SELF = 1 << 10,
};

typedef bool finder_test(const struct fact_socket *socket, uint64_t leak_ns);

/*
 * Returns true if @socket is of @kind. Only a socket that stands for itself is tested: the digest
 * has tested those that are folded, and FACT_PEER is of FINDER_PEERS alone.
 */
bool finder_is(const struct finder *finder, const struct fact_socket *socket, enum finder_kind kind,
	       finder_test *test);

/* Each returns bits of enum finder_kind. @socket must stand for itself. */
unsigned int find_stuck_kinds(const struct fact_socket *socket, uint64_t leak_ns);
unsigned int find_open_kinds(const struct fact_socket *socket, uint64_t leak_ns);

/* Returns true if the socket's port is in the range @low to @high of connect() and is taken. */
bool find_ports_taken(const struct fact_socket *socket, uint64_t low, uint64_t high);

/* Returns how many sockets a group stands for. */
size_t finder_sockets(const struct fact_socket *const *group, size_t count);

/*
 * Picks the sockets that @pick wants, groups those that @compare takes for equal, and calls @found
 * with each group: a pointer to its first socket, and the number of sockets.
 */
typedef bool finder_pick(const struct finder *finder, const struct fact_socket *socket);
typedef int finder_compare(const struct fact_socket *a, const struct fact_socket *b);
typedef void finder_found(struct finder *finder, const struct fact_socket *const *group,
			  size_t count);

void finder_groups(struct finder *finder, finder_pick *pick, finder_compare *compare,
		   finder_found *found);

/* Does the same with each group sorted by @sort, which must begin with what @compare compares. */
void finder_groups_sorted(struct finder *finder, finder_pick *pick, finder_compare *sort,
			  finder_compare *compare, finder_found *found);

/*
 * Does the same for each process that has at least @alone of the sockets that @compare takes for
 * equal, unless many of one name have. The processes of one name that have fewer are one group.
 * Workers of one program may have a socket each, so that none of them has enough to be found by
 * itself. @compare must not compare owners. Groups of less than @all sockets are left out.
 */
struct finder_least {
	uint64_t alone; /* no less than @all */
	uint64_t all;
	/* Counts what matters in a group; NULL: its sockets. */
	uint64_t (*count)(const struct fact_socket *const *group, size_t count);
};
void finder_programs(struct finder *finder, finder_pick *pick, finder_compare *compare,
		     struct finder_least least, finder_found *found);

/* Does the same with ends of connections. Each counts as many as fact_end.count says. */
typedef bool finder_pick_end(const struct finder *finder, const struct fact_end *end);
typedef int finder_compare_ends(const struct fact_end *a, const struct fact_end *b);
typedef void finder_found_ends(struct finder *finder, const struct fact_end *const *group,
			       size_t count);
void finder_ends(struct finder *finder, finder_pick_end *pick, finder_compare_ends *compare,
		 uint64_t least, finder_found_ends *found);

/* Compares pid and name. */
int finder_compare_owners(const struct fact_owner *a, const struct fact_owner *b);

/* Returns how many connections ended in a group of ends. */
uint64_t finder_ends_count(const struct fact_end *const *group, size_t count);

/*
 * Set whose @finding is: the first one's, whose process may be one of several. The processes of a
 * group stand together.
 */
void finding_set_owner(struct finding *finding, const struct fact_socket *const *group,
		       size_t count);
void finding_set_owner_of_ends(struct finding *finding, const struct fact_end *const *group,
			       size_t count);

/* Returns how many processes the sockets of a group belong to. */
size_t finder_processes(const struct fact_socket *const *group, size_t count);

/* Adds the figure that says how many processes a finding sums, if it sums several. */
void finding_processes(struct finding *finding);

/* From so many connections on that the kernel ended, a finding reports them. */
#define FINDER_DIED 3

/* From so many resets on, and this share of what ended, a finding reports them. */
#define FINDER_RESETS		 5
#define FINDER_RESETS_PERCENT	 5
#define FINDER_RESETS_MANY_SHARE 50

/* Load balancers look at a port once in so long, or less often. */
#define FINDER_CHECK_NS 666666667ULL

/* Returns how many of @brief resets within @span_ns are such checks: all or none. */
static inline uint64_t finder_checks(uint64_t brief, uint64_t span_ns)
{
	return brief && (brief - 1) * FINDER_CHECK_NS <= span_ns ? brief : 0;
}

/*
 * From so many calls of connect() on that fail with one errno at one destination, at many addresses
 * or at many ports of one address, a finding reports them.
 */
#define FINDER_FAILURES	    3
#define FINDER_FAILING_MANY 20

/* The most connections of one peer that are looked through one by one. More tell nothing. */
#define FINDER_POOL_MOST 256

/* From this share of a limit on, a finding reports it. */
#define FINDER_SHARE_PERCENT 80

static inline uint64_t finder_percent(uint64_t part, uint64_t whole)
{
	return whole ? part * 100 / whole : 0;
}

/* Returns the other end of @socket, in any namespace of this host; NULL: it is not here. */
const struct fact_socket *finder_peer(struct finder *finder, const struct fact_socket *socket);

/* Returns true if the other end of @socket is open on this host, too, in any namespace. */
bool finder_peer_is_here(struct finder *finder, const struct fact_socket *socket);

/* Returns the number of different remote addresses of a group. */
size_t finder_remote_addresses(const struct fact_socket *const *group, size_t count);

/* Compares namespace, remote port and remote address. */
int finder_compare_destinations(const struct fact_address *a, const struct fact_address *b);

/* Returns true if the address is one of IPv6, which is off in its namespace. */
bool finder_is_off(const struct finder *finder, const struct fact_address *at);

/* Says what helps where an address was wanted of which that is true. */
void finding_advise_off(struct finding *finding);

/* Returns true if a scan was found that tells of what @owner tries at the port of @at. */
bool finder_found_scan(const struct finder *finder, const struct fact_owner *owner,
		       const struct fact_address *at);

/* Finds what is wrong with the accept queue of @listener; a part of find_listeners(). */
void find_queue(struct finder *finder, const struct fact_socket *listener);

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
void find_sums(struct finder *finder);
void find_host(struct finder *finder);

#endif /* TCPDWELL_FINDERS_H */
