// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/duration.h"
#include "base/tcpstate.h"
#include "host/descriptors.h"
#include "host/diag_snapshot.h"
#include "host/netns_walk.h"
#include "host/sockdiag_filter.h"
#include "host/steward.h"

/*
 * A segment is stamped when it comes in, and changes the socket's state a little later
 * (snapshot.bpf.h).
 */
#define PROCESSING_NS 1000000ULL

/* A listener of the namespace that is looked at, and its process. */
struct listener {
	uint8_t family;
	bool v6only;
	uint8_t addr[16];
	uint16_t port;
	uint32_t uid;
	uint32_t pid; /* 0: no process that can be seen */
	char comm[TCPDWELL_COMM_LEN];
};

struct look {
	const struct filters *filters;
	const struct descriptors *descriptors;
	diag_found *found;
	void *context;
	uint64_t tick_ns;
	uint32_t netns;
	struct listener *listeners;
	size_t listener_count;
	size_t listener_room;
};

/*
 * ---- Ages ---------------------------------------------------------------------------------------
 */

static uint64_t tick_ns(void)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick))
		return 10000000; /* the longest tick there is: the bound stays true */
	return tick.tv_sec * NS_PER_S + tick.tv_nsec;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * Returns the least age that a stamp of @past_ns ago proves. A stamp that was never set looks as
 * old as the host or older, but no state in which these stamps are used leaves it unset.
 */
static uint64_t least_age(uint64_t past_ns, uint64_t off_ns)
{
	return past_ns == SOCKDIAG_UNKNOWN || past_ns < off_ns ? 0 : past_ns - off_ns;
}

/*
 * Finds how long the socket has been in its state at least. It uses the same stamps as
 * snapshot.bpf.h, which says why. Returns false if no stamp tells.
 */
static bool state_age(const struct sockdiag_socket *socket, uint64_t off_ns, uint64_t *age_ns)
{
	switch (socket->state) {
	case TCPDWELL_ESTABLISHED:
		*age_ns = larger(least_age(socket->sent_ns, off_ns),
				 least_age(socket->acked_ns, off_ns));
		return socket->full;
	case TCPDWELL_CLOSE_WAIT:
		*age_ns = least_age(socket->acked_ns, off_ns);
		return socket->full;
	case TCPDWELL_TIME_WAIT:
		*age_ns = least_age(TIMEWAIT_SECONDS * NS_PER_S - socket->left_ns, off_ns);
		return socket->left_ns && socket->left_ns <= TIMEWAIT_SECONDS * NS_PER_S;
	default:
		return false;
	}
}

/* Returns when the last segment came or went, as far as the stamps tell, or 0 if they do not. */
static uint64_t active_ns(const struct sockdiag_socket *socket)
{
	uint64_t past_ns = socket->sent_ns;

	if (socket->received_ns < past_ns)
		past_ns = socket->received_ns;
	if (socket->acked_ns < past_ns)
		past_ns = socket->acked_ns;
	return socket->full && past_ns < socket->read_ns ? socket->read_ns - past_ns : 0;
}

/*
 * ---- Records ------------------------------------------------------------------------------------
 */

/*
 * Returns true if a connection waits for accept(). No process has it, and none has closed it. In
 * these states no other connection is like that.
 */
static bool waits_for_accept(const struct sockdiag_socket *socket)
{
	return socket->full && !socket->inode &&
	       (socket->state == TCPDWELL_ESTABLISHED || socket->state == TCPDWELL_CLOSE_WAIT);
}

static uint8_t timer_of(const struct sockdiag_socket *socket)
{
	if (!socket->full)
		return socket->state == TCPDWELL_SYN_RECV ? TCPDWELL_TIMER_REQUEST :
							    TCPDWELL_TIMER_TIMEWAIT;
	switch (socket->timer) {
	case SOCKDIAG_TIMER_RETRANSMIT:
		return TCPDWELL_TIMER_RETRANSMIT;
	case SOCKDIAG_TIMER_KEEPALIVE:
		return TCPDWELL_TIMER_KEEPALIVE;
	case SOCKDIAG_TIMER_PROBE:
		return TCPDWELL_TIMER_PROBE;
	default:
		return TCPDWELL_TIMER_NONE;
	}
}

/*
 * Says whether keep-alive is on. The keep-alive timer tells, unless another timer hides it: with
 * SO_KEEPALIVE it runs as long as the connection is open. An orphan's keep-alive timer is for
 * something else.
 */
static void set_keepalive(struct tcpdwell_detail *detail, const struct sockdiag_socket *socket)
{
	const unsigned int open = 1U << TCPDWELL_ESTABLISHED | 1U << TCPDWELL_CLOSE_WAIT |
				  1U << TCPDWELL_FIN_WAIT2;

	if (!(1U << socket->state & open) || detail->flags & TCPDWELL_DETAIL_ORPHAN)
		return;
	if (detail->timer == TCPDWELL_TIMER_KEEPALIVE)
		detail->flags |= TCPDWELL_DETAIL_KEEPALIVE;
	if (detail->timer == TCPDWELL_TIMER_KEEPALIVE || detail->timer == TCPDWELL_TIMER_NONE)
		detail->known |= TCPDWELL_KNOWN_KEEPALIVE;
}

/*
 * Returns what sock_diag tells of the timer and the queues. It does not tell the options of a
 * socket.
 */
static struct tcpdwell_detail detail_of(const struct sockdiag_socket *socket)
{
	uint64_t silent_ns = socket->received_ns < socket->acked_ns ? socket->received_ns :
								      socket->acked_ns;
	struct tcpdwell_detail detail = {
		.expires_ns = socket->left_ns,
		.rto_ns = socket->rto_ns,
		.recv_bytes = socket->unread_bytes,
		.send_bytes = socket->unacked_bytes,
		.total_retransmits = socket->total_retransmits,
		.timer = timer_of(socket),
		.probes_out = socket->probes,
		.backoff = socket->backoff,
		.known = TCPDWELL_KNOWN_TIMER | TCPDWELL_KNOWN_QUEUES,
	};

	if (socket->state == TCPDWELL_LISTEN)
		return (struct tcpdwell_detail){};
	if (silent_ns < socket->read_ns) {
		detail.silent_ns = silent_ns;
		detail.known |= TCPDWELL_KNOWN_SILENT;
	}
	if (detail.timer == TCPDWELL_TIMER_RETRANSMIT || detail.timer == TCPDWELL_TIMER_REQUEST)
		detail.retransmits = socket->retransmits;
	if (!socket->full)
		return detail;
	detail.known |= TCPDWELL_KNOWN_ORPHAN;
	if (!socket->inode && !waits_for_accept(socket))
		detail.flags |= TCPDWELL_DETAIL_ORPHAN;
	set_keepalive(&detail, socket);
	return detail;
}

struct tcpdwell_socket diag_record(const struct sockdiag_socket *socket, uint32_t netns,
				   uint64_t tick_ns)
{
	struct tcpdwell_socket record = {
		.kind = TCPDWELL_SOCKET,
		.size = sizeof(record),
		.state = socket->state,
		.family = socket->family,
		.key = socket->cookie,
		.since_ns = socket->read_ns,
		.active_ns = active_ns(socket),
		.netns = netns,
		.uid = socket->uid,
		.queued = socket->queued,
		.queue_max = socket->queue_max,
		.lport = socket->lport,
		.rport = socket->rport,
		.drops = socket->drops,
		.inode = socket->inode,
		.v6only = socket->v6only,
		.detail = detail_of(socket),
	};
	uint64_t age_ns;

	/*
	 * The dump may be a tick older than it says, and a stamp may be of any moment in its tick.
	 */
	if (state_age(socket, 2 * tick_ns + PROCESSING_NS, &age_ns) && age_ns < socket->read_ns) {
		record.since = TCPDWELL_DWELL_AT_LEAST;
		record.since_ns -= age_ns;
	}
	if (!socket->full)
		record.uid = -1;
	if (socket->inode)
		record.flags |= TCPDWELL_SOCKET_HELD;
	memcpy(record.laddr, socket->laddr, sizeof(record.laddr));
	memcpy(record.raddr, socket->raddr, sizeof(record.raddr));
	return record;
}

static bool uid_wanted(const struct filters *filters, uint32_t uid)
{
	for (unsigned int i = 0; i < filters->uids.count; i++)
		if (filters->uids.ids[i] == uid)
			return true;
	return !filters->uids.count;
}

/* Tells of the socket once for each descriptor that leads to it, or once if none does. */
static int tell(const struct look *look, const struct sockdiag_socket *socket,
		struct tcpdwell_socket *record)
{
	size_t count = 0;
	const struct descriptor *holders =
		socket->inode ? descriptors_find(look->descriptors, socket->inode, &count) : NULL;
	int err = 0;

	if (!count)
		return look->found(look->context, record);
	for (size_t i = 0; i < count && !err; i++) {
		record->pid = holders[i].pid;
		record->fd = holders[i].fd;
		record->flags &= ~TCPDWELL_SOCKET_FIXED;
		if (record->fd == TCPDWELL_NO_FD)
			record->flags |= TCPDWELL_SOCKET_FIXED;
		strcpy(record->comm, descriptors_comm(look->descriptors, &holders[i]));
		err = look->found(look->context, record);
	}
	return err;
}

/*
 * ---- Listeners and accept queues ----------------------------------------------------------------
 */

static int note_listener(void *context, const struct sockdiag_socket *socket)
{
	struct look *look = context;
	const struct descriptor *holder;
	struct listener *listener;
	size_t count = 0;

	if (look->listener_count == look->listener_room) {
		size_t room = look->listener_room ? look->listener_room * 2 : 64;

		listener = reallocarray(look->listeners, room, sizeof(*listener));
		if (!listener)
			return -ENOMEM;
		look->listeners = listener;
		look->listener_room = room;
	}
	listener = &look->listeners[look->listener_count++];
	*listener = (struct listener){
		.family = socket->family,
		.v6only = socket->v6only,
		.port = socket->lport,
		.uid = socket->uid,
	};
	memcpy(listener->addr, socket->laddr, sizeof(listener->addr));
	holder = socket->inode ? descriptors_find(look->descriptors, socket->inode, &count) : NULL;
	if (count) {
		listener->pid = holder->pid;
		strcpy(listener->comm, descriptors_comm(look->descriptors, holder));
	}
	return 0;
}

/* Returns how well a listener's address fits: 2 if it is the socket's, 1 if it is any, else 0. */
static int fit(const struct listener *listener, const struct sockdiag_socket *socket)
{
	if (listener->port != socket->lport)
		return 0;
	if (listener->family == socket->family &&
	    !memcmp(listener->addr, socket->laddr, sizeof(listener->addr)))
		return 2;
	return (listener->family == socket->family ||
		(listener->family == 6 && !listener->v6only)) &&
	       addr_is_any(listener->addr, sizeof(listener->addr));
}

/*
 * Returns the listener that the socket came by, or NULL if there is none, or several of different
 * processes.
 */
static const struct listener *listener_of(const struct look *look,
					  const struct sockdiag_socket *socket)
{
	const struct listener *found = NULL;
	int best = 0;

	for (size_t i = 0; i < look->listener_count; i++) {
		const struct listener *listener = &look->listeners[i];
		int fits = fit(listener, socket);

		if (!fits || fits < best)
			continue;
		if (fits == best && found && found->pid != listener->pid)
			found = NULL;
		else
			found = fits > best || found ? listener : NULL;
		best = fits;
	}
	return found;
}

static int take_socket(void *context, const struct sockdiag_socket *socket)
{
	const struct look *look = context;
	struct tcpdwell_socket record;
	const struct listener *listener = NULL;
	bool queued = waits_for_accept(socket);

	if (!sockdiag_wanted(look->filters, socket))
		return 0;
	record = diag_record(socket, look->netns, look->tick_ns);
	if (queued || socket->state == TCPDWELL_SYN_RECV)
		listener = listener_of(look, socket);
	if (queued)
		record.flags |= TCPDWELL_SOCKET_QUEUED;
	if (queued && listener && listener->pid) {
		record.owner = TCPDWELL_OWNER_SCAN;
		record.owner_pid = listener->pid;
		memcpy(record.comm, listener->comm, sizeof(record.comm));
	}
	if (!socket->full && listener)
		record.uid = listener->uid;
	if (!uid_wanted(look->filters, record.uid))
		return 0;
	return tell(look, socket, &record);
}

/*
 * ---- The walk -----------------------------------------------------------------------------------
 */

static int look_inside(void *context, const struct netns_place *place)
{
	const uint16_t listens = 1 << TCPDWELL_LISTEN;
	struct look *look = context;
	unsigned int sockets, timewait;
	int fd, err;

	/* A dump goes through the hash table of the whole host, so empty namespaces are skipped. */
	if (!netns_place_count(place, &sockets, &timewait) && !sockets && !timewait)
		return 0;
	fd = netns_place_sockdiag(place);
	if (fd < 0)
		return netns_place_is_gone(place, fd) ? 0 : fd;
	look->netns = place->inode;
	look->listener_count = 0;
	/* All listeners come first, because an IPv6 listener may have IPv4 connections. */
	err = sockdiag_dump(fd, listens, note_listener, look);
	err = err ?: sockdiag_dump(fd, SOCKDIAG_STATES, take_socket, look);
	close(fd);
	return err;
}

/* Takes the descriptors. If the steward is lost, it is not known who holds a socket. */
static struct descriptors *take_descriptors(struct steward *steward, unsigned int *closed)
{
	struct descriptors *descriptors;

	if (!steward)
		return descriptors_new("", closed);
	descriptors = steward_descriptors(steward, closed);
	return descriptors || errno != -STEWARD_LOST ? descriptors : descriptors_empty();
}

int diag_snapshot_take(struct steward *steward, const struct filters *filters, uint32_t only,
		       diag_found *found, void *context, struct diag_shortfall *shortfall)
{
	struct look look = {
		.filters = filters,
		.found = found,
		.context = context,
		.tick_ns = tick_ns(),
	};
	struct descriptors *descriptors = take_descriptors(steward, &shortfall->closed_processes);
	int err;

	if (!descriptors)
		return -errno;
	look.descriptors = descriptors;
	err = netns_walk(steward, only, look_inside, &look, &shortfall->closed_netns);
	free(look.listeners);
	descriptors_free(descriptors);
	return err;
}
