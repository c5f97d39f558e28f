// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "base/fnv.h"
#include "cli/filters.h"
#include "model/ages.h"
#include "model/digest.h"
#include "model/gather.h"
#include "model/keys.h"
#include "model/timers.h"
#include "service.h"

/* A list that grows. */
struct list {
	void *items;
	size_t count, room, size;
};

/* A hash table: each item is the index of a list's item, plus one; 0: free. */
struct slots {
	uint32_t *items;
	size_t count; /* 0, or a power of two and at least twice the number of items */
};

/* A power of two, and twice the greatest number of ends. */
#define END_SLOTS (2 * GATHER_ENDS)

struct gather {
	struct list sockets; /* facts of the last look, unless there is a digest of them */
	struct digest *digest;
	uint64_t digest_leak_ns;   /* 0: no digest is made */
	struct fact_socket *taken; /* what gather_take() returned; NULL once it is settled */
	size_t taken_count;
	struct list requests;  /* of its listeners; sorted by gather_take() */
	struct keys listeners; /* ports of this look, and of the one before */
	struct list ends;
	struct list failures;
	struct list processes;
	struct slots process_slots;
	struct list holders; /* sorted by gather_take() */
	struct list cookies;
	struct list first; /* gather_netns of the first look */
	struct list drops;
	struct list last; /* gather_netns of the last look */
	struct list namespaces;
	uint32_t end_index[END_SLOTS]; /* hash table of ends: index + 1; 0: free */
	struct fact_memory memory;
	uint64_t now_ns;	       /* when the sockets are looked at */
	const struct filters *filters; /* NULL: all sockets are wanted */
	unsigned int looks;
	uint64_t lost;
};

/* What a listener had dropped when it was first seen. */
struct first_drops {
	uint64_t cookie;
	uint64_t drops;
};

/* One handshake of a server; if a digest is made, all handshakes of a port. */
struct request {
	uint32_t netns;
	uint16_t lport;
	uint8_t raddr[16]; /* of one */
	uint32_t count;
	uint32_t old; /* whose SYN-ACK was sent again */
};

static int list_add(struct list *list, const void *item)
{
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 64;
		void *items = reallocarray(list->items, room, list->size);

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->room = room;
	}
	memcpy((char *)list->items + list->count++ * list->size, item, list->size);
	return 0;
}

struct gather *gather_new(void)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->memory = (struct fact_memory){ FACT_UNKNOWN, FACT_UNKNOWN };
	g->sockets.size = sizeof(struct fact_socket);
	g->requests.size = sizeof(struct request);
	g->ends.size = sizeof(struct fact_end);
	g->failures.size = sizeof(struct fact_failure);
	g->processes.size = sizeof(struct fact_process);
	g->holders.size = sizeof(struct fact_holder);
	g->cookies.size = sizeof(struct fact_cookies);
	g->first.size = sizeof(struct gather_netns);
	g->drops.size = sizeof(struct first_drops);
	g->last.size = sizeof(struct gather_netns);
	g->namespaces.size = sizeof(struct fact_netns);
	return g;
}

void gather_free(struct gather *g)
{
	if (!g)
		return;
	free(g->sockets.items);
	digest_free(g->digest);
	free(g->requests.items);
	keys_release(&g->listeners);
	free(g->ends.items);
	free(g->failures.items);
	free(g->processes.items);
	free(g->process_slots.items);
	free(g->holders.items);
	free(g->cookies.items);
	free(g->first.items);
	free(g->drops.items);
	free(g->last.items);
	free(g->namespaces.items);
	free(g);
}

void gather_look(struct gather *g)
{
	g->looks++;
	g->namespaces.count = 0;
	g->failures.count = 0;
	g->last.count = 0;
}

static void list_release(struct list *list)
{
	free(list->items);
	*list = (struct list){ .size = list->size };
}

int gather_settle(struct gather *g)
{
	struct list first = g->first;
	int err = 0;

	g->first = g->last;
	g->last = first;
	g->last.count = 0;
	g->drops.count = 0;
	for (size_t i = 0; i < g->taken_count && !err; i++)
		if (g->taken[i].state == TCPDWELL_LISTEN)
			err = gather_drops(g, g->taken[i].cookie, g->taken[i].drops);
	g->ends.count = 0;
	g->cookies.count = 0;
	memset(g->end_index, 0, sizeof(g->end_index));
	g->taken_count = 0;
	list_release(&g->sockets);
	digest_free(g->digest);
	g->digest = NULL;
	list_release(&g->requests);
	return err;
}

/* ---- Namespaces ---- */

static const struct gather_netns *first_of(const struct gather *g, uint32_t inode)
{
	const struct gather_netns *first = g->first.items;

	for (size_t i = 0; i < g->first.count; i++)
		if (first[i].inode == inode)
			return &first[i];
	return NULL;
}

int gather_netns(struct gather *g, const struct gather_netns *netns)
{
	const struct gather_netns *before = first_of(g, netns->inode);
	struct fact_netns fact = {
		.inode = netns->inode,
		.own = netns->own,
		.orphans = netns->orphans,
	};

	/* A namespace that is new has counted from 0. */
	if (!before && g->looks == 1)
		return list_add(&g->first, netns) ?: gather_netns(g, netns);
	if (list_add(&g->last, netns))
		return -ENOMEM;
	memcpy(fact.name, netns->name, sizeof(fact.name));
	memcpy(fact.settings, netns->settings, sizeof(fact.settings));
	for (unsigned int i = 0; i < FACT_COUNTERS; i++) {
		uint64_t past = before ? before->counters[i] : 0;

		if (netns->counters[i] != FACT_UNKNOWN && past != FACT_UNKNOWN &&
		    netns->counters[i] > past)
			fact.grew[i] = netns->counters[i] - past;
	}
	return list_add(&g->namespaces, &fact);
}

void gather_memory(struct gather *g, uint64_t pages, uint64_t pressure_pages)
{
	g->memory = (struct fact_memory){ pages, pressure_pages };
}

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

	return list_add(&g->drops, &first);
}

const struct fact_netns *gather_namespaces(const struct gather *g, size_t *count)
{
	*count = g->namespaces.count;
	return g->namespaces.items;
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
	fact->silent_ns = d->silent_ns ?: FACT_UNKNOWN;
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
		fact.owner = (struct fact_owner){ 0 };
	if (g->digest_leak_ns)
		return add_to_digest(g, &fact);
	return list_add(&g->sockets, &fact);
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

static int add_request(struct gather *g, const struct tcpdwell_socket *socket)
{
	struct request request = {
		.netns = socket->netns,
		.lport = socket->lport,
		.count = 1,
		.old = socket->detail.retransmits > 0,
	};
	struct request *known = g->digest_leak_ns ? request_of_port(g, &request) : NULL;

	if (known) {
		known->count++;
		known->old += request.old;
		return 0;
	}
	memcpy(request.raddr, socket->raddr, sizeof(request.raddr));
	return list_add(&g->requests, &request);
}

static void count_requests(const struct gather *g, struct fact_socket *listener)
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

/* ---- What happens ---- */

/*
 * Sets the service's port. The other port differs between connections of one service, so it is left
 * out.
 */
static void end_set_ports(const struct gather *g, struct fact_end *end,
			  const struct tcpdwell_transition *t)
{
	enum service_side side = service_side(t->owner, 0, t->lport, t->rport,
					      gather_port_range(g, t->netns));

	if (side == SERVICE_REMOTE || t->from == TCPDWELL_SYN_SENT)
		end->at.rport = t->rport;
	else if (side == SERVICE_LOCAL)
		end->at.lport = t->lport;
}

/* The first SYN is sent again after a second. */
#define SYN_AGAIN_NS 1000000000ULL

/* An answer comes sooner than that, even from the other side of the world. */
#define SYN_ANSWER_NS 200000000ULL

/*
 * Returns the state that the connection was closed in, simplified. Of connections that were open,
 * it tells only for resets and timeouts whether this side had sent its FIN.
 */
static uint8_t end_from(const struct tcpdwell_transition *t)
{
	switch (t->from) {
	case TCPDWELL_SYN_SENT:
		return TCPDWELL_SYN_SENT;
	case TCPDWELL_FIN_WAIT1:
	case TCPDWELL_FIN_WAIT2:
		return t->reason == TCPDWELL_REASON_RESET_SENT ||
				       t->reason == TCPDWELL_REASON_TIMEOUT ?
			       TCPDWELL_FIN_WAIT2 :
			       TCPDWELL_ESTABLISHED;
	case TCPDWELL_CLOSING:
	case TCPDWELL_LAST_ACK:
		return t->reason == TCPDWELL_REASON_TIMEOUT ? TCPDWELL_FIN_WAIT2 :
							      TCPDWELL_ESTABLISHED;
	default:
		return TCPDWELL_ESTABLISHED;
	}
}

/* Returns true if the process closed a connection that had no answer after @least_ns. */
static bool is_given_up(const struct tcpdwell_transition *t, uint64_t least_ns)
{
	return t->from == TCPDWELL_SYN_SENT && t->reason == TCPDWELL_REASON_ABORTED && !t->err &&
	       t->dwell != TCPDWELL_DWELL_UNKNOWN && t->dwell_ns >= least_ns;
}

/* Connections that failed to open are told apart by destination, others by service. */
static void end_set(const struct gather *g, struct fact_end *end,
		    const struct tcpdwell_transition *t)
{
	memset(end, 0, sizeof(*end)); /* includes the padding, since ends are compared as bytes */
	end->at.netns = t->netns;
	end->at.family = t->family;
	end->reason = t->reason;
	end->err = t->err;
	end->from = end_from(t);
	if (t->owner) {
		end->owner.pid = t->pid;
		memcpy(end->owner.comm, t->comm, sizeof(end->owner.comm));
	}
	end_set_ports(g, end, t);
	if (t->from != TCPDWELL_SYN_SENT)
		return;
	end->given_up = is_given_up(t, SYN_AGAIN_NS);
	end->hasty = !end->given_up && is_given_up(t, SYN_ANSWER_NS);
	memcpy(end->at.raddr, t->raddr, sizeof(end->at.raddr));
}

static bool is_same_end(const struct fact_end *end, const struct fact_end *like)
{
	return !memcmp(end, like, offsetof(struct fact_end, count));
}

int gather_end(struct gather *g, const struct tcpdwell_transition *t)
{
	struct fact_end end, *ends = g->ends.items;
	uint64_t waited_ns = 0;
	uint32_t slot;

	if ((t->to != TCPDWELL_CLOSE && t->to != TCPDWELL_TIME_WAIT) ||
	    t->from == TCPDWELL_TIME_WAIT || t->from == TCPDWELL_LISTEN ||
	    t->from == TCPDWELL_SYN_RECV)
		return 0;
	if (is_given_up(t, SYN_ANSWER_NS))
		waited_ns = t->dwell_ns;
	end_set(g, &end, t);
	for (slot = fnv32(FNV32_BEGIN, &end, sizeof(end)); g->end_index[slot % END_SLOTS]; slot++) {
		struct fact_end *known = &ends[g->end_index[slot % END_SLOTS] - 1];

		if (!is_same_end(known, &end))
			continue;
		known->count++;
		if (waited_ns > known->waited_ns)
			known->waited_ns = waited_ns;
		return 0;
	}
	if (g->ends.count == GATHER_ENDS) {
		g->lost++;
		return 0;
	}
	end.count = 1;
	end.waited_ns = waited_ns;
	g->end_index[slot % END_SLOTS] = g->ends.count + 1;
	return list_add(&g->ends, &end);
}

struct fact_failure gather_failure_of(const struct tcpdwell_failed_call *call,
				      const struct tcpdwell_failed_calls *calls, uint64_t count)
{
	struct fact_failure failure = {
		.owner.pid = call->pid,
		.at = { .netns = call->netns, .family = call->family },
		.call = call->call == TCPDWELL_CALL_BIND   ? FACT_BIND :
			call->call == TCPDWELL_CALL_LISTEN ? FACT_LISTEN :
			call->call == TCPDWELL_CALL_ACCEPT ? FACT_ACCEPT :
							     FACT_CONNECT,
		.err = call->err,
		.v6only = call->v6only,
		.count = count,
	};

	memcpy(failure.owner.comm, calls->comm, sizeof(failure.owner.comm));
	if (failure.call != FACT_CONNECT) {
		failure.at.lport = call->port;
		memcpy(failure.at.laddr, call->addr, sizeof(failure.at.laddr));
	} else {
		failure.at.rport = call->port;
		memcpy(failure.at.raddr, call->addr, sizeof(failure.at.raddr));
	}
	return failure;
}

int gather_failure(struct gather *g, const struct fact_failure *failure)
{
	return list_add(&g->failures, failure);
}

/* Returns the slot that @pid has or would have. There must be a free slot. */
static uint32_t *process_slot(const struct gather *g, uint32_t pid)
{
	const struct fact_process *processes = g->processes.items;
	size_t slot = fnv32(FNV32_BEGIN, &pid, sizeof(pid));

	for (;; slot++) {
		uint32_t *at = &g->process_slots.items[slot & (g->process_slots.count - 1)];

		if (!*at || processes[*at - 1].owner.pid == pid)
			return at;
	}
}

static int grow_process_slots(struct gather *g)
{
	const struct fact_process *processes = g->processes.items;
	size_t count = g->process_slots.count ? g->process_slots.count * 2 : 256;
	uint32_t *items = calloc(count, sizeof(*items));

	if (!items)
		return -ENOMEM;
	free(g->process_slots.items);
	g->process_slots = (struct slots){ items, count };
	for (size_t i = 0; i < g->processes.count; i++)
		*process_slot(g, processes[i].owner.pid) = i + 1;
	return 0;
}

int gather_holder(struct gather *g, uint32_t pid, const char *comm)
{
	struct fact_process *processes = g->processes.items,
			    fresh = { .owner.pid = pid, .sockets = 1 };
	uint32_t *slot;

	if (g->processes.count * 2 >= g->process_slots.count && grow_process_slots(g))
		return -ENOMEM;
	slot = process_slot(g, pid);
	if (*slot) {
		processes[*slot - 1].sockets++;
		return 0;
	}
	memcpy(fresh.owner.comm, comm, sizeof(fresh.owner.comm));
	*slot = g->processes.count + 1;
	return list_add(&g->processes, &fresh);
}

struct fact_process *gather_processes(struct gather *g, size_t *count)
{
	*count = g->processes.count;
	return g->processes.items;
}

static bool is_same_address(const struct fact_address *a, const struct fact_address *b)
{
	return a->netns == b->netns && a->family == b->family && a->lport == b->lport &&
	       !memcmp(a->laddr, b->laddr, sizeof(a->laddr));
}

int gather_cookies(struct gather *g, const struct tcpdwell_cookies *cookies)
{
	const struct fact_cookies *known = g->cookies.items;
	struct fact_cookies fact = {
		.owner.pid = cookies->pid,
		.at = { .netns = cookies->netns,
			.family = cookies->family,
			.lport = cookies->lport },
	};

	memcpy(fact.at.laddr, cookies->laddr, sizeof(fact.at.laddr));
	memcpy(fact.owner.comm, cookies->comm, sizeof(fact.owner.comm));
	for (size_t i = 0; i < g->cookies.count; i++)
		if (is_same_address(&known[i].at, &fact.at))
			return 0;
	return list_add(&g->cookies, &fact);
}

void gather_digest(struct gather *g, uint64_t leak_ns)
{
	g->digest_leak_ns = leak_ns ?: 1;
}

void gather_narrow(struct gather *g, const struct filters *filters)
{
	g->filters = filters;
}

uint64_t gather_lost(const struct gather *g)
{
	return g->lost + (g->digest ? digest_lost(g->digest) : 0);
}

/* ---- The facts ---- */

/* Keeps only the ports that listeners of this look have; the next look begins with them. */
static int forget_listeners(struct gather *g)
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

void gather_begin(struct gather *g, uint64_t now_ns)
{
	g->now_ns = now_ns;
	g->sockets.count = 0;
	digest_free(g->digest);
	g->digest = g->digest_leak_ns ? digest_new(g->digest_leak_ns) : NULL;
	g->requests.count = 0;
	g->processes.count = 0;
	g->holders.count = 0;
	free(g->process_slots.items);
	g->process_slots = (struct slots){};
}

static int note_listener(struct gather *g, const struct tcpdwell_socket *socket)
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
		err = note_listener(g, socket);
	return err ?: add_socket(g, socket);
}

static bool is_listed(const struct gather *g, size_t from, uint32_t pid)
{
	const struct fact_holder *holders = g->holders.items;

	for (size_t i = from; i < g->holders.count; i++)
		if (holders[i].owner.pid == pid)
			return true;
	return false;
}

/* Notes each process that might accept what waits at a listener, once. */
static int note_accepters(struct gather *g, const struct sockets *sockets,
			  const struct socket_seen *seen)
{
	const struct socket_holder *holder = sockets_first_holder(sockets, seen);
	size_t before = g->holders.count;
	int err = 0;

	for (; holder && !err; holder = sockets_next_holder(sockets, holder)) {
		struct fact_holder fact = { .listener = seen->info.key, .owner.pid = holder->pid };

		if (is_listed(g, before, holder->pid))
			continue;
		memcpy(fact.owner.comm, holder->comm, sizeof(fact.owner.comm));
		err = list_add(&g->holders, &fact);
		if (!err && holder->pid != seen->info.pid)
			err = gather_holder(g, holder->pid, holder->comm);
	}
	return err;
}

/* Notes who holds the socket that was added last, which its record does not tell. */
static int note_holders(struct gather *g, const struct sockets *sockets,
			const struct socket_seen *seen)
{
	struct fact_socket *facts = g->sockets.items;
	struct fact_socket *fact = &facts[g->sockets.count - 1];

	fact->holders = seen->holders;
	return fact->state == TCPDWELL_LISTEN && fact->waiting ? note_accepters(g, sockets, seen) :
								 0;
}

static int compare_holders(const void *left, const void *right)
{
	const struct fact_holder *a = left, *b = right;

	return compare(a->listener, b->listener) ?: compare(a->owner.pid, b->owner.pid);
}

/* If no state is asked for, bound sockets in CLOSE are included, too. */
static struct filters filters_of(const struct gather *g)
{
	struct filters filters = {};

	if (g->filters)
		filters = *g->filters;
	if (!filters.either)
		filters.either = ~0;
	return filters;
}

/* Adds all sockets. It notes the listeners first, whether or not the filters want them. */
static int add_all(struct gather *g, const struct sockets *sockets)
{
	const struct filters filters = filters_of(g);
	int err = 0;

	for (size_t i = 0; i < sockets_count(sockets) && !err; i++)
		if (sockets_at(sockets, i)->info.state == TCPDWELL_LISTEN)
			err = note_listener(g, &sockets_at(sockets, i)->info);
	for (size_t i = 0; i < sockets_count(sockets) && !err; i++) {
		const struct socket_seen *seen = sockets_at(sockets, i);
		size_t before = g->sockets.count;

		if (seen->info.pid)
			err = gather_holder(g, seen->info.pid, seen->info.comm);
		if (!err && (seen->info.state == TCPDWELL_SYN_RECV ||
			     sockets_wanted(sockets, seen, &filters)))
			err = gather_socket(g, &seen->info);
		if (!err && g->sockets.count > before)
			err = note_holders(g, sockets, seen);
	}
	return err;
}

int gather_facts(struct gather *g, const struct sockets *sockets, uint64_t now_ns, uint64_t span_ns,
		 uint64_t leak_ns, struct facts *facts)
{
	gather_begin(g, now_ns);
	return add_all(g, sockets) ?: gather_take(g, span_ns, leak_ns, facts);
}

int gather_take(struct gather *g, uint64_t span_ns, uint64_t leak_ns, struct facts *facts)
{
	int err;

	g->taken = g->sockets.items;
	g->taken_count = g->sockets.count;
	if (g->digest)
		g->taken = digest_sockets(g->digest, &g->taken_count);
	err = forget_listeners(g);
	if (err)
		return err;
	if (g->requests.count)
		qsort(g->requests.items, g->requests.count, g->requests.size, compare_requests);
	if (g->holders.count)
		qsort(g->holders.items, g->holders.count, g->holders.size, compare_holders);
	for (size_t i = 0; i < g->taken_count; i++)
		if (g->taken[i].state == TCPDWELL_LISTEN)
			count_requests(g, &g->taken[i]);
	*facts = (struct facts){
		.span_ns = span_ns,
		.sockets = g->taken,
		.socket_count = g->taken_count,
		.held = g->digest ? digest_held(g->digest) : NULL,
		.failures = g->failures.items,
		.failure_count = g->failures.count,
		.ends = g->ends.items,
		.end_count = g->ends.count,
		.namespaces = g->namespaces.items,
		.netns_count = g->namespaces.count,
		.processes = g->processes.items,
		.process_count = g->processes.count,
		.holders = g->holders.items,
		.holder_count = g->holders.count,
		.cookies = g->cookies.items,
		.cookies_count = g->cookies.count,
		.memory = g->memory,
		.leak_ns = leak_ns,
	};
	return 0;
}
