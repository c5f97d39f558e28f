// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "cli/filters.h"
#include "model/timewait_inside.h"

void timewait_narrow(struct filters *filters)
{
	/*
	 * Transitions into, out of and past TIME_WAIT (tcp_max_tw_buckets), connect() that found no
	 * port, and the begin and end of a client's connection.
	 */
	filters->from = ~(1 << TCPDWELL_LISTEN | 1 << TCPDWELL_SYN_RECV) &
			((1 << TCPDWELL_STATE_MAX) - 1);
	filters->to = 1 << TCPDWELL_TIME_WAIT | 1 << TCPDWELL_CLOSE | 1 << TCPDWELL_SYN_SENT;
}

struct timewait *timewait_new(void)
{
	struct timewait *tw = calloc(1, sizeof(*tw));

	if (!tw)
		return NULL;
	tw->owners = tallies_new();
	tw->remotes = tallies_new();
	tw->lports = tallies_new();
	tw->clients = tallies_new();
	tw->olds = olds_new();
	tw->opens = opens_new();
	tw->notes = notes_new();
	for (unsigned int i = TCPDWELL_REASON_TIMEWAIT_EXPIRED; i < TCPDWELL_REASON_MAX; i++)
		tw->lifetimes[i] = calloc(1, sizeof(struct hist));
	for (unsigned int i = TCPDWELL_REASON_TIMEWAIT_EXPIRED; i < TCPDWELL_REASON_MAX; i++)
		if (!tw->lifetimes[i])
			goto err;
	if (tw->owners && tw->remotes && tw->lports && tw->clients && tw->olds && tw->opens &&
	    tw->notes)
		return tw;
err:
	timewait_free(tw);
	return NULL;
}

void timewait_free(struct timewait *tw)
{
	if (!tw)
		return;
	tallies_free(tw->owners);
	tallies_free(tw->remotes);
	tallies_free(tw->lports);
	tallies_free(tw->clients);
	olds_free(tw->olds);
	opens_free(tw->opens);
	notes_free(tw->notes);
	for (unsigned int i = 0; i < TCPDWELL_REASON_MAX; i++)
		free(tw->lifetimes[i]);
	free(tw);
}

void timewait_begin(struct timewait *tw, uint64_t now_ns)
{
	tw->start_ns = now_ns;
	tally_advance(&tw->total, now_ns);
}

void timewait_set_partial(struct timewait *tw)
{
	tw->partial = true;
}

/* ---- Namespaces ------------------------------------------------------------------------------ */

const struct timewait_netns *timewait_netns(const struct timewait *tw, uint32_t inode)
{
	for (unsigned int i = 0; i < tw->netns_count; i++)
		if (tw->netns[i].inode == inode)
			return &tw->netns[i];
	return NULL;
}

void timewait_set_netns(struct timewait *tw, const struct timewait_netns *netns)
{
	for (unsigned int i = 0; i < tw->netns_count; i++) {
		if (tw->netns[i].inode == netns->inode) {
			tw->netns[i] = *netns;
			return;
		}
	}
	if (tw->netns_count < TIMEWAIT_NETNS)
		tw->netns[tw->netns_count++] = *netns;
}

const struct timewait_netns *timewait_own_netns(const struct timewait *tw)
{
	for (unsigned int i = 0; i < tw->netns_count; i++)
		if (tw->netns[i].own)
			return &tw->netns[i];
	return NULL;
}

/* Returns the range of a namespace, or Linux's default if it is not known. */
static struct service_range range_of(struct timewait *tw, uint32_t inode)
{
	struct service_range range = { EPHEMERAL_LOW, EPHEMERAL_HIGH };

	if (!tw->netns_last || tw->netns_last->inode != inode)
		tw->netns_last = timewait_netns(tw, inode);
	if (tw->netns_last && tw->netns_last->ephemeral.known) {
		range.low = tw->netns_last->ephemeral.low;
		range.high = tw->netns_last->ephemeral.high;
	}
	return range;
}

/* ---- Rows ------------------------------------------------------------------------------------ */

/* What the tables need of a connection, whether it comes as a row or was there at the start. */
struct connection {
	uint32_t netns;
	uint8_t family;
	uint16_t lport;
	uint16_t rport;
	const uint8_t *laddr;
	const uint8_t *raddr;
	uint8_t side;  /* enum service_side */
	bool in_range; /* connect() could have chosen the local port */
	struct open_port port;
	uint32_t pid;	  /* 0: the owner is not known */
	const char *comm; /* NULL: the same */
};

static struct connection connection_of_row(struct timewait *tw, const struct tcpdwell_transition *t,
					   const struct tcpdwell_port_use *port)
{
	bool known = t->owner != TCPDWELL_OWNER_NONE;

	return (struct connection){
		.netns = t->netns,
		.family = t->family,
		.lport = t->lport,
		.rport = t->rport,
		.laddr = t->laddr,
		.raddr = t->raddr,
		.side = service_side(t->owner, 0, t->lport, t->rport, range_of(tw, t->netns)),
		.in_range = !t->lport || service_in_range(range_of(tw, t->netns), t->lport),
		.port.scope = port ? port->scope : 0,
		.port.bound = port && port->bound,
		.pid = known ? t->pid : 0,
		.comm = known ? t->comm : NULL,
	};
}

static struct connection connection_of_old(struct timewait *tw, const struct timewait_old *old)
{
	return (struct connection){
		.netns = old->netns,
		.family = old->family,
		.lport = old->lport,
		.rport = old->rport,
		.laddr = old->laddr,
		.raddr = old->raddr,
		.side = service_side(TCPDWELL_OWNER_NONE, old->listens, old->lport, old->rport,
				     range_of(tw, old->netns)),
		.in_range = service_in_range(range_of(tw, old->netns), old->lport),
		.port.scope = old->scope,
	};
}

static void set_addr(uint8_t to[16], unsigned int family, const uint8_t *from)
{
	memcpy(to, from, family == 6 ? 16 : 4);
}

enum table { OWNERS, REMOTES, LPORTS, CLIENTS, TABLES };

static struct tally_key key_of(enum table table, const struct connection *c)
{
	struct tally_key key = {};

	switch (table) {
	case OWNERS:
		key.pid = c->pid;
		if (c->comm)
			memcpy(key.comm, c->comm, strnlen(c->comm, sizeof(key.comm)));
		break;
	case REMOTES:
		key.family = c->family;
		key.rport = c->side == SERVICE_REMOTE ? c->rport : 0;
		set_addr(key.raddr, c->family, c->raddr);
		break;
	case LPORTS:
		key.lport = c->side == SERVICE_LOCAL ? c->lport : 0;
		key.side = c->side;
		break;
	default:
		key.netns = c->netns;
		key.family = c->family;
		key.scope = c->port.scope;
		key.bound = c->port.bound;
		set_addr(key.laddr, c->family, c->laddr);
		if (key.bound)
			break;
		key.rport = c->rport;
		set_addr(key.raddr, c->family, c->raddr);
	}
	return key;
}

/* Returns NULL if the connection does not count in this table. */
static struct tallies *tallies_of(struct timewait *tw, enum table table, const struct connection *c)
{
	struct tallies *tallies[TABLES] = { tw->owners, tw->remotes, tw->lports, tw->clients };

	/* A port outside the range (bind(), IP_LOCAL_PORT_RANGE) takes none of the range. */
	if (table == CLIENTS && (c->side != SERVICE_REMOTE || !c->in_range))
		return NULL;
	return tallies[table];
}

static void enter(struct timewait *tw, const struct connection *c, uint64_t time_ns, bool was_open)
{
	tw->bound |= c->port.bound;
	tally_enter(&tw->total, time_ns);
	for (enum table table = 0; table < TABLES; table++) {
		struct tallies *tallies = tallies_of(tw, table, c);
		struct tally_key key = key_of(table, c);
		struct tally *tally;

		if (!tallies)
			continue;
		tally = tallies_take(tallies, &key, time_ns);
		tally_enter(tally, time_ns);
		/* For one that was open, open_port() has set the owner already. */
		if (table == CLIENTS && !was_open)
			tally_set_owner(tally, c->pid, c->comm);
	}
}

static void leave(struct timewait *tw, const struct connection *c, uint64_t time_ns,
		  uint64_t entered_ns)
{
	tally_leave(&tw->total, time_ns, entered_ns);
	for (enum table table = 0; table < TABLES; table++) {
		struct tallies *tallies = tallies_of(tw, table, c);
		struct tally_key key = key_of(table, c);

		if (tallies)
			tally_leave(tallies_holder(tallies, &key, entered_ns), time_ns, entered_ns);
	}
}

/*
 * Returns a hash of the two ends of a connection and of the service's side. The side is included
 * because the socket must be found where it was counted at the start, even if a row knows the side
 * better.
 */
static uint64_t ends_hash(const struct connection *c)
{
	struct tally_key key = {
		.netns = c->netns,
		.family = c->family,
		.side = c->side,
		.lport = c->lport,
		.rport = c->rport,
		.scope = c->port.scope,
	};

	set_addr(key.laddr, c->family, c->laddr);
	set_addr(key.raddr, c->family, c->raddr);
	return tally_key_hash(&key);
}

/* Removes the socket between these ends that was there at the start, and sets @c's side. */
static bool take_old(struct timewait *tw, struct connection *c, uint64_t *due)
{
	static const uint8_t sides[] = { SERVICE_REMOTE, SERVICE_LOCAL, SERVICE_UNKNOWN };

	for (unsigned int i = 0; i < sizeof(sides); i++) {
		c->side = sides[i];
		if (olds_take(tw->olds, ends_hash(c), tw->start_ns / NS_PER_S, due))
			return true;
	}
	return false;
}

/*
 * If a socket between these ends was there at the start, it is gone now. It ended early, unless its
 * time was over: a row may say so, or the next connection between the same ends came only later.
 */
static void leave_old(struct timewait *tw, const struct connection *whole, uint64_t time_ns,
		      bool expired)
{
	/* The owner of the new connection need not have owned the old one. */
	struct connection c = *whole;
	uint64_t due;

	if (!tw->olds)
		return;
	if (time_ns > tw->start_ns + OLDS_SECONDS * NS_PER_S) {
		olds_free(tw->olds);
		tw->olds = NULL;
		return;
	}
	if (!take_old(tw, &c, &due))
		return;
	c.pid = 0;
	c.comm = NULL;
	if (!expired && time_ns / NS_PER_S < due)
		tw->ended_old++;
	tally_leave_old(&tw->total, time_ns, due);
	for (enum table table = 0; table < TABLES; table++) {
		struct tallies *tallies = tallies_of(tw, table, &c);
		struct tally_key key = key_of(table, &c);

		if (tallies)
			tally_leave_old(tallies_find(tallies, &key), time_ns, due);
	}
}

static void end(struct timewait *tw, const struct connection *c,
		const struct tcpdwell_transition *t)
{
	bool exact = t->dwell == TCPDWELL_DWELL_EXACT && t->dwell_ns <= t->time_ns;
	uint64_t entered_ns = exact ? t->time_ns - t->dwell_ns : 0;

	/* The lifetime of a TIME_WAIT that began before the tool is not known. */
	if (entered_ns < tw->start_ns) {
		leave_old(tw, c, t->time_ns, t->reason == TCPDWELL_REASON_TIMEWAIT_EXPIRED);
		return;
	}
	if (tw->lifetimes[t->reason])
		hist_add(tw->lifetimes[t->reason], t->dwell_ns);
	leave(tw, c, t->time_ns, entered_ns);
}

/* ---- Connections that are open --------------------------------------------------------------- */

/*
 * A client's connection begins to hold its port. One that is known to be open was counted already.
 */
static void open_port(struct timewait *tw, struct connection *c, uint64_t time_ns,
		      const struct tcpdwell_port_use *use)
{
	struct tally_key key;
	struct tally *tally;

	c->side = SERVICE_REMOTE;
	tw->bound |= c->port.bound;
	if (!c->lport || !c->in_range || !opens_add(tw->opens, ends_hash(c), c->port))
		return;
	key = key_of(CLIENTS, c);
	tally = tallies_take(tw->clients, &key, time_ns);
	tally_open(tally, time_ns);
	tally_set_owner(tally, c->pid, c->comm);
	if (use)
		tally_set_range(tally, use->low, use->high);
}

/* The connection is over, or in TIME_WAIT. Returns true if it was known to be open. */
static bool close_port(struct timewait *tw, const struct connection *whole, uint64_t time_ns)
{
	struct connection c = *whole;
	struct tally_key key;

	c.side = SERVICE_REMOTE;
	if (!opens_take(tw->opens, ends_hash(&c), &c.port))
		return false;
	key = key_of(CLIENTS, &c);
	tally_close(tallies_find(tw->clients, &key), time_ns);
	return true;
}

static void refuse(struct timewait *tw, struct connection *c, uint64_t time_ns,
		   const struct tcpdwell_port_use *use)
{
	struct tally_key key;
	struct tally *tally;

	c->side = SERVICE_REMOTE;
	c->port.bound = false; /* a bound one has a port already */
	key = key_of(CLIENTS, c);
	tally = tallies_take(tw->clients, &key, time_ns);
	tally->refused++;
	if (use)
		tally_set_range(tally, use->low, use->high);
	tw->refused++;
}

static void close_row(struct timewait *tw, struct connection *c,
		      const struct tcpdwell_transition *t, const struct tcpdwell_port_use *use)
{
	if (t->from == TCPDWELL_TIME_WAIT) {
		end(tw, c, t);
		return;
	}
	close_port(tw, c, t->time_ns);
	if (t->reason == TCPDWELL_REASON_TIMEWAIT_OVERFLOW) {
		tw->overflow++;
		tw->overflow_netns = t->netns;
	} else if (t->reason == TCPDWELL_REASON_NO_LOCAL_PORT) {
		refuse(tw, c, t->time_ns, use);
	}
}

void timewait_event(struct timewait *tw, const struct tcpdwell_transition *t,
		    const struct tcpdwell_port_use *use)
{
	struct connection c = connection_of_row(tw, t, use);

	/*
	 * A socket that entered while programs were being attached was counted at the start. If
	 * only some programs saw it, it would look like one that got no TIME_WAIT.
	 */
	if (t->time_ns < tw->start_ns)
		return;
	if (t->to == TCPDWELL_SYN_SENT) {
		open_port(tw, &c, t->time_ns, use);
	} else if (t->to == TCPDWELL_TIME_WAIT) {
		bool was_open = close_port(tw, &c, t->time_ns);

		leave_old(tw, &c, t->time_ns, false);
		enter(tw, &c, t->time_ns, was_open);
	} else if (t->to == TCPDWELL_CLOSE) {
		close_row(tw, &c, t, use);
	}
}

/* ---- At the start ---------------------------------------------------------------------------- */

static uint64_t note_hash(struct connection *c)
{
	c->side = SERVICE_UNKNOWN;
	return ends_hash(c);
}

/* A listener is noted by its port only. */
static uint64_t listener_hash(uint32_t netns, uint16_t port)
{
	const struct tally_key key = { .netns = netns, .lport = port };

	return tally_key_hash(&key);
}

bool timewait_listens(struct timewait *tw, uint32_t netns, uint16_t port)
{
	return notes_find(tw->notes, listener_hash(netns, port));
}

void timewait_note(struct timewait *tw, const struct tcpdwell_socket *socket)
{
	struct connection c = {
		.netns = socket->netns,
		.family = socket->family,
		.lport = socket->lport,
		.rport = socket->rport,
		.laddr = socket->laddr,
		.raddr = socket->raddr,
		.port.scope = socket->scope,
	};
	struct note note = {
		.ends = note_hash(&c),
		.pid = socket->pid ?: socket->owner_pid,
		.bound = socket->bound,
	};

	if (socket->state == TCPDWELL_LISTEN)
		note.ends = listener_hash(socket->netns, socket->lport);
	else if (!socket->rport)
		return;
	memcpy(note.comm, socket->comm, sizeof(note.comm));
	notes_add(tw->notes, &note);
}

/* Adds what the snapshot knows of the socket. */
static struct connection connection_of_noted(struct timewait *tw, const struct timewait_old *old)
{
	struct connection c = connection_of_old(tw, old), nobodys = c;
	const struct note *note = notes_find(tw->notes, note_hash(&nobodys));

	if (!note)
		return c;
	c.port.bound = note->bound;
	if (note->pid && note->comm[0]) {
		c.pid = note->pid;
		c.comm = note->comm;
	}
	return c;
}

void timewait_looked(struct timewait *tw)
{
	notes_forget(tw->notes);
}

void timewait_add_open(struct timewait *tw, uint64_t now_ns, const struct timewait_old *old)
{
	struct connection c = connection_of_noted(tw, old);

	if (c.side == SERVICE_REMOTE)
		open_port(tw, &c, now_ns, NULL);
}

/* Keeps those with the most to go, sorted, the most first. */
static void list_old(struct timewait *tw, const struct timewait_old *old)
{
	unsigned int low = 0, high = tw->listed_count;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (tw->listed[middle].left_ns >= old->left_ns)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == TIMEWAIT_LISTED)
		return;
	if (tw->listed_count < TIMEWAIT_LISTED)
		tw->listed_count++;
	memmove(&tw->listed[low + 1], &tw->listed[low],
		(tw->listed_count - low - 1) * sizeof(*old));
	tw->listed[low] = *old;
	tw->listed[low].netns_settings = timewait_netns(tw, old->netns);
}

bool timewait_is_old(uint64_t read_ns, uint64_t left_ns, uint64_t begin_ns)
{
	return read_ns + left_ns < begin_ns + TIMEWAIT_SECONDS * NS_PER_S;
}

void timewait_add_old(struct timewait *tw, uint64_t now_ns, const struct timewait_old *old)
{
	struct connection c = connection_of_noted(tw, old);
	uint64_t due;

	/* A row would not know the owner either, so the keys must not contain it. */
	c.pid = 0;
	c.comm = NULL;
	tw->bound |= c.port.bound;
	due = tally_add_old(&tw->total, now_ns, old->left_ns);
	/* After a minute nothing from the start is left, and none is kept. */
	if (tw->olds)
		olds_add(tw->olds, ends_hash(&c), due);
	hist_add(&tw->old_left, old->left_ns);
	list_old(tw, old);
	for (enum table table = 0; table < TABLES; table++) {
		struct tallies *tallies = tallies_of(tw, table, &c);
		struct tally_key key = key_of(table, &c);

		if (tallies)
			tally_add_old(tallies_take(tallies, &key, tw->start_ns), now_ns,
				      old->left_ns);
	}
}
