// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "model/ages.h"
#include "model/gather_inside.h"
#include "model/timers.h"

/* ---- Sockets ---- */

static uint64_t drops_before(const struct gather *g, uint64_t cookie)
{
	const struct first_drops *drops = g->drops.items;

	for (size_t i = 0; i < g->drops.count; i++)
		if (drops[i].cookie == cookie)
			return drops[i].drops;
	return 0;
}

int gather_drops(struct gather *g, uint64_t cookie, uint64_t drops)
{
	const struct first_drops first = { cookie, drops };

	return gather_list_add(&g->drops, &first);
}

static uint64_t listener_key(uint32_t netns, uint16_t lport)
{
	return (uint64_t)netns << 16 | lport;
}

static bool is_listened_to(const struct gather *g, uint32_t netns, uint16_t lport)
{
	return keys_has(&g->listeners, listener_key(netns, lport));
}

/* NULL: the namespace was not visited. */
static const uint64_t *settings_of(const struct gather *g, uint32_t netns)
{
	const struct fact_netns *namespaces = g->namespaces.items;

	for (size_t i = 0; i < g->namespaces.count; i++)
		if (namespaces[i].inode == netns)
			return namespaces[i].settings;
	return NULL;
}

struct service_range gather_port_range(const struct gather *g, uint32_t netns)
{
	const uint64_t *settings = settings_of(g, netns);

	if (settings && settings[FACT_PORTS_HIGH] != FACT_UNKNOWN)
		return (struct service_range){ settings[FACT_PORTS_LOW],
					       settings[FACT_PORTS_HIGH] };
	return (struct service_range){ 1, 0 }; /* empty */
}

/*
 * Returns true if this side is the client. If the side is not known, neither port counts as a
 * client's.
 */
static bool is_client(const struct gather *g, const struct tcpdwell_socket *socket)
{
	uint32_t listens = is_listened_to(g, socket->netns, socket->lport) ? SERVICE_LISTENS_LOCAL :
									     0;

	/*
	 * A socket in CLOSE that is going to listen has chosen its port itself, so it does no harm
	 * that it counts as a client's here.
	 */
	if (socket->state == TCPDWELL_SYN_SENT || socket->state == TCPDWELL_CLOSE)
		return true;
	return service_side(socket->owner, listens, socket->lport, socket->rport,
			    gather_port_range(g, socket->netns)) == SERVICE_REMOTE;
}

/* In these states the peer has sent its FIN, which counts as a byte that nobody reads. */
#define AFTER_FIN (1U << TCPDWELL_CLOSE_WAIT | 1U << TCPDWELL_LAST_ACK | 1U << TCPDWELL_CLOSING)

/*
 * Returns true if no process holds the socket any more. One that waits for accept() belongs to
 * nobody yet, so it is no orphan.
 */
static bool is_orphan(const struct tcpdwell_socket *socket)
{
	if (socket->detail.known & TCPDWELL_KNOWN_ORPHAN)
		return socket->detail.flags & TCPDWELL_DETAIL_ORPHAN;
	return !socket->inode && !(socket->flags & TCPDWELL_SOCKET_QUEUED);
}

static void take_detail(const struct gather *g, const struct tcpdwell_socket *socket,
			struct fact_socket *fact)
{
	const struct tcpdwell_detail *d = &socket->detail;
	const uint64_t *settings = settings_of(g, socket->netns);
	bool fin = d->recv_bytes && 1U << socket->state & AFTER_FIN;

	if (d->known && settings)
		fact->timers = timers_of(socket, settings);
	fact->timers.orphan = is_orphan(socket);
	if (d->known & TCPDWELL_KNOWN_SILENT)
		fact->silent_ns = d->silent_ns;
	fact->unread_bytes = d->recv_bytes - fin;
	fact->unacked_bytes = d->send_bytes;
}

static void take_listener(const struct gather *g, const struct tcpdwell_socket *socket,
			  struct fact_socket *fact)
{
	uint64_t before = drops_before(g, socket->key);

	fact->cookie = socket->key;
	fact->waiting = socket->queued;
	fact->backlog = socket->queue_max;
	fact->drops = socket->drops;
	fact->drops_grew = socket->drops > before ? socket->drops - before : 0;
}

/* If the port range of connect() is not known, no socket counts as taking a port. */
static int add_to_digest(struct gather *g, const struct fact_socket *fact)
{
	const struct service_range range = gather_port_range(g, fact->at.netns);

	return g->digest ? digest_add(g->digest, fact, range.low, range.high) : -ENOMEM;
}

static int add_socket(struct gather *g, const struct tcpdwell_socket *socket)
{
	struct fact_socket fact = {
		.at = {
			.netns = socket->netns,
			.family = socket->family,
			.lport = socket->lport,
			.rport = socket->rport,
		},
		.owner.pid = socket->pid ?: socket->owner_pid,
		.state = socket->state,
		.queued = socket->flags & TCPDWELL_SOCKET_QUEUED,
		.bound = socket->bound,
		.v6only = socket->v6only,
		.scope = socket->scope,
		.ports_low = socket->ports_low,
		.ports_high = socket->ports_high,
		.opened_most_ns = FACT_UNKNOWN,
		.silent_ns = FACT_UNKNOWN,
		.idle_ns = FACT_UNKNOWN,
	};

	memcpy(fact.at.laddr, socket->laddr, sizeof(fact.at.laddr));
	memcpy(fact.at.raddr, socket->raddr, sizeof(fact.at.raddr));
	memcpy(fact.owner.comm, socket->comm, sizeof(fact.owner.comm));
	fact.timers.state = socket->state;
	if (socket->since && socket->since_ns && socket->since_ns < g->now_ns)
		fact.age_ns = g->now_ns - socket->since_ns;
	if (socket->state == TCPDWELL_ESTABLISHED) {
		fact.opened_ns = fact.age_ns;
		fact.opened_most_ns = age_in_state(socket, g->now_ns).most_ns;
	}
	if (age_is_half_closed(socket))
		fact.idle_ns = age_idle(socket, g->now_ns).least_ns;
	fact.client = is_client(g, socket);
	if (socket->state == TCPDWELL_LISTEN)
		take_listener(g, socket, &fact);
	else
		take_detail(g, socket, &fact);
	/* No process has an orphan any more. */
	if (fact.timers.orphan || !fact.owner.comm[0])
		fact.owner = (struct fact_owner){
			.kernel = socket->flags & TCPDWELL_SOCKET_KERNEL,
		};
	if (g->digest_leak_ns)
		return add_to_digest(g, &fact);
	return gather_list_add(&g->sockets, &fact);
}

/* ---- Requests ---- */

static int compare_requests(const void *left, const void *right)
{
	const struct request *a = left, *b = right;

	return compare(a->netns, b->netns)	   ?:
		       compare(a->lport, b->lport) ?:
						     memcmp(a->raddr, b->raddr, sizeof(a->raddr));
}

/* Returns the requests of a port, or NULL. There are few ports with listeners. */
static struct request *request_of_port(const struct gather *g, const struct request *like)
{
	struct request *requests = g->requests.items;

	for (size_t i = 0; i < g->requests.count; i++)
		if (requests[i].netns == like->netns && requests[i].lport == like->lport)
			return &requests[i];
	return NULL;
}

/*
 * The handshakes of clients that have answered are no half-open ones. With TCP_DEFER_ACCEPT their
 * requests wait for data (tcp_check_req()).
 */
static int add_request(struct gather *g, const struct tcpdwell_socket *socket)
{
	struct request request = {
		.netns = socket->netns,
		.lport = socket->lport,
		.count = 1,
		.old = socket->detail.retransmits > 0,
	};
	struct request *known = g->digest_leak_ns ? request_of_port(g, &request) : NULL;

	if (socket->flags & TCPDWELL_SOCKET_ANSWERED)
		return 0;
	if (known) {
		known->count++;
		known->old += request.old;
		return 0;
	}
	memcpy(request.raddr, socket->raddr, sizeof(request.raddr));
	return gather_list_add(&g->requests, &request);
}

static void count_requests_of(const struct gather *g, struct fact_socket *listener)
{
	const struct request key = { .netns = listener->at.netns, .lport = listener->at.lport };
	const struct request *requests = g->requests.items, *last = NULL;
	size_t low = 0, high = g->requests.count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (compare_requests(&requests[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < g->requests.count; low++) {
		const struct request *r = &requests[low];

		if (r->netns != key.netns || r->lport != key.lport)
			break;
		listener->requests += r->count;
		listener->old_requests += r->old;
		listener->request_sources +=
			!g->digest && (!last || memcmp(last->raddr, r->raddr, sizeof(r->raddr)));
		last = r;
	}
}

void gather_count_requests(struct gather *g)
{
	if (g->requests.count)
		qsort(g->requests.items, g->requests.count, g->requests.size, compare_requests);
	for (size_t i = 0; i < g->taken_count; i++)
		if (g->taken[i].state == TCPDWELL_LISTEN)
			count_requests_of(g, &g->taken[i]);
}

/* ---- All of them ---- */

int gather_note_listener(struct gather *g, const struct tcpdwell_socket *socket)
{
	int err = keys_add(&g->listeners, listener_key(socket->netns, socket->lport));

	return err < 0 ? err : 0;
}

/* A request is not kept as a socket; its listener counts it. */
int gather_socket(struct gather *g, const struct tcpdwell_socket *socket)
{
	int err = 0;

	if (socket->state == TCPDWELL_SYN_RECV)
		return add_request(g, socket);
	/* A socket that is bound but not connected matters for its port only. */
	if (socket->state == TCPDWELL_CLOSE && !(socket->bound && socket->lport && socket->pid))
		return 0;
	if (socket->state == TCPDWELL_LISTEN)
		err = gather_note_listener(g, socket);
	return err ?: add_socket(g, socket);
}

int gather_forget_listeners(struct gather *g)
{
	const struct fact_socket *sockets = g->taken;
	int err = 0;

	keys_release(&g->listeners);
	for (size_t i = 0; i < g->taken_count && err >= 0; i++)
		if (sockets[i].state == TCPDWELL_LISTEN)
			err = keys_add(&g->listeners,
				       listener_key(sockets[i].at.netns, sockets[i].at.lport));
	return err < 0 ? err : 0;
}
