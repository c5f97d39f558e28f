// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/compare.h"
#include "base/failure.h"
#include "host/netns_walk.h"
#include "host/resolve.h"
#include "host/sockdiag_filter.h"
#include "run/timewait_start.h"

/* So many namespaces are each dumped. The others are left to a walk. */
#define DUMPS 8

/* A namespace that is left to the walk. */
struct space {
	uint32_t inode;
	bool found; /* the walk found a socket of it; otherwise it may have a table of its own */
};

struct look {
	struct timewait *tw;
	const struct filters *filters;
	struct timewait_scope *scope;
	uint64_t begin_ns;
	uint32_t netns;		       /* the namespace that is looked at */
	uint64_t listened[65536 / 64]; /* its ports that have a listener */
	bool walks;		       /* a walk is possible */
	unsigned int dumps;
	struct space *spaces;
	size_t space_count;
	bool walks_now;
	uint64_t read_ns; /* when the walk began */
};

/*
 * Says why a filter on owners cannot pass: a timewait socket has forgotten its owner, user and
 * cgroup.
 */
static const char *owner_filter(const struct filters *filters)
{
	if (filters->pids.count)
		return "-p asks for an owner, which they have not";
	if (filters->comm[0])
		return "--comm asks for an owner, which they have not";
	if (filters->uids.count)
		return "--uid asks for a user, whom they have not";
	if (filters->cgroup)
		return "--cgroup asks for a cgroup, which they have not";
	return NULL;
}

static bool listened(const struct look *look, uint16_t port)
{
	return look->listened[port / 64] >> port % 64 & 1;
}

static bool port_listens(const struct look *look, uint16_t port)
{
	return look->walks_now ? timewait_listens(look->tw, look->netns, port) :
				 listened(look, port);
}

/*
 * Says on which side somebody listens. Both ends are on this host if they have the same address, or
 * if both are loopback addresses.
 */
static uint8_t listens_of(const struct look *look, const struct sockdiag_socket *socket)
{
	bool here = !memcmp(socket->laddr, socket->raddr, sizeof(socket->laddr)) ||
		    (pressure_is_loopback(socket->family, socket->laddr) &&
		     pressure_is_loopback(socket->family, socket->raddr));

	return (port_listens(look, socket->lport) ? SERVICE_LISTENS_LOCAL : 0) |
	       (here && port_listens(look, socket->rport) ? SERVICE_LISTENS_REMOTE : 0);
}

static int take_socket(void *context, const struct sockdiag_socket *socket)
{
	struct look *look = context;
	struct timewait_old old = {
		.netns = look->netns,
		.scope = socket->interface,
		.family = socket->family,
		.lport = socket->lport,
		.rport = socket->rport,
		.left_ns = socket->left_ns,
	};

	/* Listeners come first. */
	if (socket->state == TCPDWELL_LISTEN) {
		look->listened[socket->lport / 64] |= 1ULL << socket->lport % 64;
		return 0;
	}
	if (!sockdiag_wanted(look->filters, socket))
		return 0;
	old.listens = listens_of(look, socket);
	memcpy(old.laddr, socket->laddr, sizeof(old.laddr));
	memcpy(old.raddr, socket->raddr, sizeof(old.raddr));
	/* An orphan's timewait socket is in FIN_WAIT2, and counts as open. */
	if (socket->state != TCPDWELL_TIME_WAIT)
		timewait_add_open(look->tw, socket->read_ns, &old);
	else if (timewait_is_old(socket->read_ns, socket->left_ns, look->begin_ns))
		timewait_add_old(look->tw, socket->read_ns, &old);
	return 0;
}

/* All states of sockets with two ends, and LISTEN. */
#define STATES (SOCKDIAG_STATES & ~(1U << TCPDWELL_SYN_RECV))

static int dump(struct look *look, uint32_t inode)
{
	look->netns = inode;
	memset(look->listened, 0, sizeof(look->listened));
	if (sockdiag_each(STATES, take_socket, look))
		look->scope->old_unknown = "the kernel has no inet_diag";
	return 0;
}

static int leave_to_walk(struct look *look, uint32_t inode)
{
	struct space *spaces = reallocarray(look->spaces, look->space_count + 1,
					    sizeof(*look->spaces));

	if (!spaces)
		return -ENOMEM;
	look->spaces = spaces;
	spaces[look->space_count++] = (struct space){ .inode = inode };
	return 0;
}

static int look_inside(void *context, const struct netns_place *place)
{
	struct look *look = context;
	unsigned int sockets, timewait;
	struct timewait_netns netns = { .inode = place->inode, .own = place->own };

	if (place->name)
		strncpy(netns.name, place->name, sizeof(netns.name) - 1);
	/* If this fails, the settings are not known, and the figures say so. */
	ephemeral_read(&netns.ephemeral, "");
	timewait_set_netns(look->tw, &netns);
	if (look->scope->old_unknown)
		return 0;
	/* A dump goes through the hash table of the whole host, so empty namespaces are skipped. */
	if (!netns_place_count(place, &sockets, &timewait) && !sockets && !timewait)
		return 0;
	if (!look->walks || look->dumps++ < DUMPS)
		return dump(look, place->inode);
	return leave_to_walk(look, place->inode);
}

/*
 * ---- The walk -----------------------------------------------------------------------------------
 */

static int compare_spaces(const void *left, const void *right)
{
	const struct space *a = left, *b = right;

	return compare(a->inode, b->inode);
}

static struct space *find_space(const struct look *look, uint32_t inode)
{
	const struct space key = { .inode = inode };

	return bsearch(&key, look->spaces, look->space_count, sizeof(key), compare_spaces);
}

static int take_walked(void *context, const struct tcpdwell_socket *record)
{
	struct look *look = context;
	struct space *space = find_space(look, record->netns);
	struct sockdiag_socket socket = {
		.read_ns = look->read_ns,
		.left_ns = record->detail.expires_ns,
		.interface = record->scope,
		.state = record->state,
		.family = record->family,
		.lport = record->lport,
		.rport = record->rport,
	};

	if (!space)
		return 0;
	space->found = true;
	look->netns = record->netns;
	memcpy(socket.laddr, record->laddr, sizeof(socket.laddr));
	memcpy(socket.raddr, record->raddr, sizeof(socket.raddr));
	return take_socket(look, &socket);
}

static int dump_unfound(void *context, const struct netns_place *place)
{
	struct look *look = context;
	const struct space *space = find_space(look, place->inode);

	return space && !space->found ? dump(look, place->inode) : 0;
}

static bool any_found(const struct look *look)
{
	for (size_t i = 0; i < look->space_count; i++)
		if (look->spaces[i].found)
			return true;
	return false;
}

/* Dumps the namespaces that the walk did not find: all of them if there is no walk. */
static void look_at_rest(struct look *look, timewait_walk *walk, void *source, uint32_t only)
{
	unsigned int closed = 0;
	bool all = true;
	int err;

	if (!look->space_count)
		return;
	qsort(look->spaces, look->space_count, sizeof(*look->spaces), compare_spaces);
	look->read_ns = clock_now_ns();
	look->walks_now = true;
	err = walk(source, take_walked, look);
	look->walks_now = false;
	/* Of each it may have found some, which a dump would find again. */
	if (err && any_found(look)) {
		look->scope->old_unknown = "the walk over the table of connections failed";
		return;
	}
	for (size_t i = 0; i < look->space_count; i++)
		all &= look->spaces[i].found;
	if (!all)
		netns_walk(NULL, only, dump_unfound, look, &closed);
	if (closed > look->scope->closed)
		look->scope->closed = closed;
}

void timewait_look(struct timewait *tw, const struct filters *filters, uint64_t begin_ns,
		   timewait_walk *walk, void *source, struct timewait_scope *scope)
{
	struct look *look = calloc(1, sizeof(*look));
	struct failure failure;
	uint32_t only = 0;

	*scope = (struct timewait_scope){ .old_unknown = owner_filter(filters) };
	if (!look) {
		scope->old_unknown = "no memory";
		return;
	}
	look->tw = tw;
	look->filters = filters;
	look->scope = scope;
	look->begin_ns = begin_ns;
	look->walks = walk;
	/* If the filter's namespace has gone since, it has nothing to show. */
	if (!resolve_netns(&filters->netns, &only, &failure))
		netns_walk(NULL, only, look_inside, look, &scope->closed);
	look_at_rest(look, walk, source, only);
	if (scope->old_unknown || scope->closed || filters->lports.any)
		timewait_set_partial(tw);
	timewait_looked(tw);
	free(look->spaces);
	free(look);
}
