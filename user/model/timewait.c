// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "cli/filters.h"
#include "model/olds.h"
#include "model/opens.h"
#include "model/timewait.h"

#define NS_PER_S 1000000000ULL

/* Sockets that a snapshot may tell of: 10 MiB while it is looked around. */
#define NOTES_MAX (1U << 18)

/* What a snapshot says of a socket. */
struct note {
	uint64_t ends;
	uint32_t pid;
	bool bound;
	char comm[TCPDWELL_COMM_LEN];
};

struct notes {
	struct note *list;
	size_t count, room;
	bool sorted;
};

struct timewait {
	uint64_t start_ns;
	bool partial;
	struct tally total;
	struct tallies *owners;
	struct tallies *remotes;
	struct tallies *lports;
	struct tallies *clients; /* netns, laddr, raddr, rport */

	struct hist *lifetimes[TCPDWELL_REASON_MAX];
	uint64_t ended_old;
	uint64_t overflow;
	uint32_t overflow_netns;
	uint64_t refused;
	bool bound; /* some port was taken by bind() */

	struct opens *opens;
	struct notes notes;
	struct olds *olds; /* NULL when the last one's time is over */
	struct hist old_left;
	unsigned int listed_count;
	struct timewait_old listed[TIMEWAIT_LISTED];

	unsigned int netns_count;
	const struct timewait_netns *netns_last; /* rows come in runs of one namespace */
	struct timewait_netns netns[TIMEWAIT_NETNS];
};

void timewait_narrow(struct filters *filters)
{
	/*
	 * To TIME_WAIT, from it, past it (tcp_max_tw_buckets), and connect() that found no port;
	 * and where a client's connection begins and ends.
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
	for (unsigned int i = TCPDWELL_REASON_TIMEWAIT_EXPIRED; i < TCPDWELL_REASON_MAX; i++)
		tw->lifetimes[i] = calloc(1, sizeof(struct hist));
	for (unsigned int i = TCPDWELL_REASON_TIMEWAIT_EXPIRED; i < TCPDWELL_REASON_MAX; i++)
		if (!tw->lifetimes[i])
			goto err;
	if (tw->owners && tw->remotes && tw->lports && tw->clients && tw->olds && tw->opens)
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
	free(tw->notes.list);
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

/* Linux's own where that of the namespace is not known. */
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

/* What the tables ask of a connection, whether it comes as a row or was there at the start. */
struct facts {
	uint32_t netns;
	uint8_t family;
	uint16_t lport;
	uint16_t rport;
	const uint8_t *laddr;
	const uint8_t *raddr;
	uint8_t side;  /* enum service_side */
	bool in_range; /* the local port is one that connect() takes by itself */
	struct open_port port;
	uint32_t pid;	  /* 0: the owner is not known */
	const char *comm; /* NULL: likewise */
};

static struct facts facts_of_row(struct timewait *tw, const struct tcpdwell_transition *t,
				 const struct tcpdwell_port_use *port)
{
	bool known = t->owner != TCPDWELL_OWNER_NONE;

	return (struct facts){
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

static struct facts facts_of_old(struct timewait *tw, const struct timewait_old *old)
{
	return (struct facts){
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

static struct tally_key key_of(enum table table, const struct facts *f)
{
	struct tally_key key = {};

	switch (table) {
	case OWNERS:
		key.pid = f->pid;
		if (f->comm)
			memcpy(key.comm, f->comm, strnlen(f->comm, sizeof(key.comm)));
		break;
	case REMOTES:
		key.family = f->family;
		key.rport = f->side == SERVICE_REMOTE ? f->rport : 0;
		set_addr(key.raddr, f->family, f->raddr);
		break;
	case LPORTS:
		key.lport = f->side == SERVICE_LOCAL ? f->lport : 0;
		key.side = f->side;
		break;
	default:
		key.netns = f->netns;
		key.family = f->family;
		key.scope = f->port.scope;
		key.bound = f->port.bound;
		set_addr(key.laddr, f->family, f->laddr);
		if (key.bound)
			break;
		key.rport = f->rport;
		set_addr(key.raddr, f->family, f->raddr);
	}
	return key;
}

/* NULL: the connection has no place in this table. */
static struct tallies *tallies_of(struct timewait *tw, enum table table, const struct facts *f)
{
	struct tallies *tallies[TABLES] = { tw->owners, tw->remotes, tw->lports, tw->clients };

	/* A port beside the range (bind(), IP_LOCAL_PORT_RANGE) takes none of the range's. */
	if (table == CLIENTS && (f->side != SERVICE_REMOTE || !f->in_range))
		return NULL;
	return tallies[table];
}

static void enter(struct timewait *tw, const struct facts *f, uint64_t time_ns, bool was_open)
{
	tw->bound |= f->port.bound;
	tally_enter(&tw->total, time_ns);
	for (enum table table = 0; table < TABLES; table++) {
		struct tallies *tallies = tallies_of(tw, table, f);
		struct tally_key key = key_of(table, f);
		struct tally *tally;

		if (!tallies)
			continue;
		tally = tallies_take(tallies, &key, time_ns);
		tally_enter(tally, time_ns);
		/* Of one that was open it is known already. */
		if (table == CLIENTS && !was_open)
			tally_set_owner(tally, f->pid, f->comm);
	}
}

static void leave(struct timewait *tw, const struct facts *f, uint64_t time_ns, uint64_t entered_ns)
{
	tally_leave(&tw->total, time_ns, entered_ns);
	for (enum table table = 0; table < TABLES; table++) {
		struct tallies *tallies = tallies_of(tw, table, f);
		struct tally_key key = key_of(table, f);

		if (tallies)
			tally_leave(tallies_holder(tallies, &key, entered_ns), time_ns, entered_ns);
	}
}

/*
 * The two ends of a connection as a key, with the side that is the service: what was known of it at
 * the start is where it is counted, whatever a row knows later.
 */
static uint64_t ends_hash(const struct facts *f)
{
	struct tally_key key = {
		.netns = f->netns,
		.family = f->family,
		.side = f->side,
		.lport = f->lport,
		.rport = f->rport,
		.scope = f->port.scope,
	};

	set_addr(key.laddr, f->family, f->laddr);
	set_addr(key.raddr, f->family, f->raddr);
	return tally_key_hash(&key);
}

/* Takes out the one between these ends that was there at the start, and sets its side. */
static bool take_old(struct timewait *tw, struct facts *f, uint64_t *due)
{
	static const uint8_t sides[] = { SERVICE_REMOTE, SERVICE_LOCAL, SERVICE_UNKNOWN };

	for (unsigned int i = 0; i < sizeof(sides); i++) {
		f->side = sides[i];
		if (olds_take(tw->olds, ends_hash(f), tw->start_ns / NS_PER_S, due))
			return true;
	}
	return false;
}

/*
 * If one between these ends was there at the start, it is so no more. It ended early, unless its
 * time was over: a row may say so, and a connection between the same ends may come only later.
 */
static void leave_old(struct timewait *tw, const struct facts *whole, uint64_t time_ns,
		      bool expired)
{
	/* The process that owns the new one is not known to have owned the old. */
	struct facts f = *whole;
	uint64_t due;

	if (!tw->olds)
		return;
	if (time_ns > tw->start_ns + OLDS_SECONDS * NS_PER_S) {
		olds_free(tw->olds);
		tw->olds = NULL;
		return;
	}
	if (!take_old(tw, &f, &due))
		return;
	f.pid = 0;
	f.comm = NULL;
	if (!expired && time_ns / NS_PER_S < due)
		tw->ended_old++;
	tally_leave_old(&tw->total, time_ns, due);
	for (enum table table = 0; table < TABLES; table++) {
		struct tallies *tallies = tallies_of(tw, table, &f);
		struct tally_key key = key_of(table, &f);

		if (tallies)
			tally_leave_old(tallies_find(tallies, &key), time_ns, due);
	}
}

static void end(struct timewait *tw, const struct facts *f, const struct tcpdwell_transition *t)
{
	bool exact = t->dwell == TCPDWELL_DWELL_EXACT && t->dwell_ns <= t->time_ns;
	uint64_t entered_ns = exact ? t->time_ns - t->dwell_ns : 0;

	/* What began before the tool did has no lifetime that it could know. */
	if (entered_ns < tw->start_ns) {
		leave_old(tw, f, t->time_ns, t->reason == TCPDWELL_REASON_TIMEWAIT_EXPIRED);
		return;
	}
	if (tw->lifetimes[t->reason])
		hist_add(tw->lifetimes[t->reason], t->dwell_ns);
	leave(tw, f, t->time_ns, entered_ns);
}

/* ---- Connections that are open --------------------------------------------------------------- */

/* A client's connection begins to hold its port; what is open already is counted already. */
static void open_port(struct timewait *tw, struct facts *f, uint64_t time_ns,
		      const struct tcpdwell_port_use *use)
{
	struct tally_key key;
	struct tally *tally;

	f->side = SERVICE_REMOTE;
	tw->bound |= f->port.bound;
	if (!f->lport || !f->in_range || !opens_add(tw->opens, ends_hash(f), f->port))
		return;
	key = key_of(CLIENTS, f);
	tally = tallies_take(tw->clients, &key, time_ns);
	tally_open(tally, time_ns);
	tally_set_owner(tally, f->pid, f->comm);
	if (use)
		tally_set_range(tally, use->low, use->high);
}

/* It is over, or in TIME_WAIT. Returns whether it was known to be open. */
static bool close_port(struct timewait *tw, const struct facts *whole, uint64_t time_ns)
{
	struct facts f = *whole;
	struct tally_key key;

	f.side = SERVICE_REMOTE;
	if (!opens_take(tw->opens, ends_hash(&f), &f.port))
		return false;
	key = key_of(CLIENTS, &f);
	tally_close(tallies_find(tw->clients, &key), time_ns);
	return true;
}

static void refuse(struct timewait *tw, struct facts *f, uint64_t time_ns,
		   const struct tcpdwell_port_use *use)
{
	struct tally_key key;
	struct tally *tally;

	f->side = SERVICE_REMOTE;
	f->port.bound = false; /* such a one has a port */
	key = key_of(CLIENTS, f);
	tally = tallies_take(tw->clients, &key, time_ns);
	tally->refused++;
	if (use)
		tally_set_range(tally, use->low, use->high);
	tw->refused++;
}

static void close_row(struct timewait *tw, struct facts *f, const struct tcpdwell_transition *t,
		      const struct tcpdwell_port_use *use)
{
	if (t->from == TCPDWELL_TIME_WAIT) {
		end(tw, f, t);
		return;
	}
	close_port(tw, f, t->time_ns);
	if (t->reason == TCPDWELL_REASON_TIMEWAIT_OVERFLOW) {
		tw->overflow++;
		tw->overflow_netns = t->netns;
	} else if (t->reason == TCPDWELL_REASON_NO_LOCAL_PORT) {
		refuse(tw, f, t->time_ns, use);
	}
}

void timewait_event(struct timewait *tw, const struct tcpdwell_transition *t,
		    const struct tcpdwell_port_use *use)
{
	struct facts f = facts_of_row(tw, t, use);

	/*
	 * What entered while the programs were being attached was there at the start, and where
	 * only some of them saw it, it looks like one that got no TIME_WAIT.
	 */
	if (t->time_ns < tw->start_ns)
		return;
	if (t->to == TCPDWELL_SYN_SENT) {
		open_port(tw, &f, t->time_ns, use);
	} else if (t->to == TCPDWELL_TIME_WAIT) {
		bool was_open = close_port(tw, &f, t->time_ns);

		leave_old(tw, &f, t->time_ns, false);
		enter(tw, &f, t->time_ns, was_open);
	} else if (t->to == TCPDWELL_CLOSE) {
		close_row(tw, &f, t, use);
	}
}

/* ---- At the start ---------------------------------------------------------------------------- */

static uint64_t note_hash(struct facts *f)
{
	f->side = SERVICE_UNKNOWN;
	return ends_hash(f);
}

void timewait_note(struct timewait *tw, const struct tcpdwell_socket *socket)
{
	struct facts f = {
		.netns = socket->netns,
		.family = socket->family,
		.lport = socket->lport,
		.rport = socket->rport,
		.laddr = socket->laddr,
		.raddr = socket->raddr,
		.port.scope = socket->scope,
	};
	struct notes *notes = &tw->notes;
	struct note *note;

	if (!socket->rport || notes->count == NOTES_MAX)
		return;
	if (notes->count == notes->room) {
		size_t room = notes->room ? 2 * notes->room : 1024;

		note = reallocarray(notes->list, room, sizeof(*note));
		if (!note)
			return;
		notes->list = note;
		notes->room = room;
	}
	note = &notes->list[notes->count++];
	*note = (struct note){
		.ends = note_hash(&f),
		.pid = socket->pid ?: socket->owner_pid,
		.bound = socket->bound,
	};
	memcpy(note->comm, socket->comm, sizeof(note->comm));
}

/* Of one socket, the notes that name a process come first. */
static int compare_notes(const void *left, const void *right)
{
	const struct note *a = left, *b = right;

	return compare(a->ends, b->ends) ?: compare(!a->pid, !b->pid);
}

static const struct note *find_note(struct timewait *tw, const struct facts *whole)
{
	struct notes *notes = &tw->notes;
	struct facts f = *whole;
	uint64_t ends = note_hash(&f);
	size_t low = 0, high = notes->count;

	if (!notes->sorted && notes->count)
		qsort(notes->list, notes->count, sizeof(*notes->list), compare_notes);
	notes->sorted = true;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (notes->list[middle].ends < ends)
			low = middle + 1;
		else
			high = middle;
	}
	return low < notes->count && notes->list[low].ends == ends ? &notes->list[low] : NULL;
}

/* What the snapshot knows of it. */
static struct facts facts_of_noted(struct timewait *tw, const struct timewait_old *old)
{
	struct facts f = facts_of_old(tw, old);
	const struct note *note = find_note(tw, &f);

	if (!note)
		return f;
	f.port.bound = note->bound;
	if (note->pid && note->comm[0]) {
		f.pid = note->pid;
		f.comm = note->comm;
	}
	return f;
}

void timewait_looked(struct timewait *tw)
{
	free(tw->notes.list);
	tw->notes = (struct notes){};
}

void timewait_add_open(struct timewait *tw, uint64_t now_ns, const struct timewait_old *old)
{
	struct facts f = facts_of_noted(tw, old);

	if (f.side == SERVICE_REMOTE)
		open_port(tw, &f, now_ns, NULL);
}

/* Keeps those with the most to go, the most first. */
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

void timewait_add_old(struct timewait *tw, uint64_t now_ns, const struct timewait_old *old)
{
	struct facts f = facts_of_noted(tw, old);
	uint64_t due;

	/* Whose it was a row would not know either. */
	f.pid = 0;
	f.comm = NULL;
	tw->bound |= f.port.bound;
	due = tally_add_old(&tw->total, now_ns, old->left_ns);
	/* After a minute nothing of what was there at the start is left, and none is kept. */
	if (tw->olds)
		olds_add(tw->olds, ends_hash(&f), due);
	hist_add(&tw->old_left, old->left_ns);
	list_old(tw, old);
	for (enum table table = 0; table < TABLES; table++) {
		struct tallies *tallies = tallies_of(tw, table, &f);
		struct tally_key key = key_of(table, &f);

		if (tallies)
			tally_add_old(tallies_take(tallies, &key, tw->start_ns), now_ns,
				      old->left_ns);
	}
}

/* ---- Figures --------------------------------------------------------------------------------- */

static struct timewait_row row_of(const struct timewait *tw, const struct tally *tally,
				  uint64_t now_ns)
{
	return (struct timewait_row){
		.key = tally->key,
		.now = tally_now(tally),
		.entered = tally->entered,
		.left = tally->left,
		.rate = tally_rate(tally, tw->start_ns, now_ns),
	};
}

static void row_add(struct timewait_row *row, const struct timewait_row *more)
{
	row->now += more->now;
	row->entered += more->entered;
	row->left += more->left;
	row->rate += more->rate;
}

static bool row_is_worse(const struct timewait_row *a, const struct timewait_row *b)
{
	if (a->now != b->now)
		return a->now > b->now;
	if (a->entered != b->entered)
		return a->entered > b->entered;
	return memcmp(&a->key, &b->key, sizeof(a->key)) < 0;
}

/* Puts @row in its place among the @top worst; what falls out is added to the rest. */
static void table_put(struct timewait_table *table, unsigned int top,
		      const struct timewait_row *row)
{
	unsigned int place = table->count;

	while (place && row_is_worse(row, &table->rows[place - 1]))
		place--;
	if (table->count == top) {
		row_add(&table->rest, place < top ? &table->rows[top - 1] : row);
		table->rest_keys++;
		if (place == top)
			return;
		table->count--;
	}
	memmove(&table->rows[place + 1], &table->rows[place],
		(table->count - place) * sizeof(*row));
	table->rows[place] = *row;
	table->count++;
}

static void fill_table(const struct timewait *tw, struct tallies *tallies, uint64_t now_ns,
		       unsigned int top, struct timewait_table *table)
{
	struct timewait_row other = row_of(tw, tallies_other(tallies, now_ns), now_ns);

	table->count = 0;
	table->rest = other;
	table->rest_keys = 0;
	table->rest_more = tallies_overflowed(tallies);
	for (unsigned int i = 0; i < tallies_count(tallies); i++) {
		struct timewait_row row = row_of(tw, tallies_at(tallies, i, now_ns), now_ns);

		if (row.now || row.entered)
			table_put(table, top, &row);
	}
}

static int by_connections(const void *left, const void *right)
{
	const struct tally_name *a = left, *b = right;

	return compare(b->connections, a->connections);
}

static void copy_names(struct tally_name *names, const struct tally *tally)
{
	memcpy(names, tally->names, sizeof(tally->names));
	qsort(names, TALLY_NAMES, sizeof(*names), by_connections);
}

/* Whether @other holds ports that are closed to who would hold those of @tally. */
static bool blocks(const struct tally_key *key, const struct tally_key *other)
{
	if (key->netns != other->netns || key->scope != other->scope || key->bound == other->bound)
		return false;
	/* connect() passes over what bind() took at any address. */
	return !key->bound || (key->family == other->family &&
			       !memcmp(key->laddr, other->laddr, sizeof(key->laddr)));
}

/*
 * How many ports are held beside those of @tally, at the least: of two others it is not kept
 * whether they hold the same ones.
 */
static uint64_t count_blocked(const struct timewait *tw, const struct tally *tally, uint64_t now_ns,
			      struct tally_name *names)
{
	const struct tally *most = NULL;

	for (unsigned int i = 0; i < tallies_count(tw->clients); i++) {
		const struct tally *other = tallies_at(tw->clients, i, now_ns);

		if (blocks(&tally->key, &other->key) &&
		    (!most || tally_held(other) > tally_held(most)))
			most = other;
	}
	if (!most || !tally_held(most))
		return 0;
	copy_names(names, most);
	return tally_held(most);
}

static struct timewait_pressure pressure_row(const struct timewait *tw, const struct tally *tally,
					     uint64_t now_ns)
{
	static const struct ephemeral unknown;
	struct timewait_pressure p = {
		.row = row_of(tw, tally, now_ns),
		.peak = tally->peak,
		.open = tally->open,
		.refused = tally->refused,
		.netns = timewait_netns(tw, tally->key.netns),
		.pid = tally->owner_pid,
		.varies = tally->owner_varies,
	};
	struct pressure_input input = {
		.tally = tally,
		.rate = p.row.rate,
		.partial = tw->partial || opens_overflowed(tw->opens),
		.ephemeral = p.netns ? &p.netns->ephemeral : &unknown,
		.link_local = pressure_is_link_local(tally->key.family, tally->key.laddr) &&
			      !tally->key.scope,
		.loopback = pressure_is_loopback(tally->key.family, tally->key.laddr) ||
			    pressure_is_loopback(tally->key.family, tally->key.raddr),
	};

	if (!tally->range_varies) {
		p.range_low = tally->range_low;
		p.range_high = tally->range_high;
	}
	if (tw->bound)
		p.blocked = count_blocked(tw, tally, now_ns, p.blockers);
	input.blocked = p.blocked;
	memcpy(p.comm, tally->owner_comm, sizeof(p.comm));
	copy_names(p.names, tally);
	p.pressure = pressure_of(&input);
	return p;
}

static bool pressure_is_worse(const struct timewait_pressure *a, const struct timewait_pressure *b)
{
	if (a->pressure.verdict != b->pressure.verdict)
		return a->pressure.verdict > b->pressure.verdict;
	if (a->pressure.verdict == PRESSURE_FILLING &&
	    a->pressure.exhausted_ns != b->pressure.exhausted_ns)
		return a->pressure.exhausted_ns < b->pressure.exhausted_ns;
	return row_is_worse(&a->row, &b->row);
}

static void pressure_put(struct timewait_figures *f, unsigned int top,
			 const struct timewait_pressure *p)
{
	unsigned int place = f->pressure_count;

	while (place && pressure_is_worse(p, &f->pressures[place - 1]))
		place--;
	if (f->pressure_count == top) {
		row_add(&f->pressure_rest, place < top ? &f->pressures[top - 1].row : &p->row);
		f->pressure_rest_keys++;
		if (place == top)
			return;
		f->pressure_count--;
	}
	memmove(&f->pressures[place + 1], &f->pressures[place],
		(f->pressure_count - place) * sizeof(*p));
	f->pressures[place] = *p;
	f->pressure_count++;
}

static void fill_pressures(const struct timewait *tw, uint64_t now_ns, unsigned int top,
			   struct timewait_figures *f)
{
	f->pressure_count = 0;
	f->pressure_rest = row_of(tw, tallies_other(tw->clients, now_ns), now_ns);
	f->pressure_rest_keys = 0;
	f->pressure_rest_more = tallies_overflowed(tw->clients);
	for (unsigned int i = 0; i < tallies_count(tw->clients); i++) {
		const struct tally *tally = tallies_at(tw->clients, i, now_ns);
		struct timewait_pressure p = pressure_row(tw, tally, now_ns);

		/* Who has a few open connections is no news. */
		if (p.row.now || p.row.entered || p.refused || p.pressure.verdict >= PRESSURE_HIGH)
			pressure_put(f, top, &p);
	}
}

void timewait_figures(struct timewait *tw, uint64_t now_ns, unsigned int top,
		      struct timewait_figures *f)
{
	if (top > TIMEWAIT_TOP_MAX)
		top = TIMEWAIT_TOP_MAX;
	tally_advance(&tw->total, now_ns);
	f->top = top;
	f->start_ns = tw->start_ns;
	f->now_ns = now_ns;
	f->total = row_of(tw, &tw->total, now_ns);
	f->overflow = tw->overflow;
	f->overflow_netns = tw->overflow_netns;
	f->overflow_settings = timewait_netns(tw, tw->overflow_netns);
	f->refused = tw->refused;
	f->open_partial = opens_overflowed(tw->opens);
	for (unsigned int i = 0; i < TCPDWELL_REASON_MAX; i++) {
		const struct hist *hist = tw->lifetimes[i];

		f->lifetimes[i] = hist && hist->count ? hist : NULL;
	}
	f->ended_old = tw->ended_old;
	f->old = tw->total.old;
	f->old_left = &tw->old_left;
	f->listed = tw->listed;
	f->listed_count = tw->listed_count;
	fill_table(tw, tw->owners, now_ns, top, &f->owners);
	fill_table(tw, tw->remotes, now_ns, top, &f->remotes);
	fill_table(tw, tw->lports, now_ns, top, &f->lports);
	fill_pressures(tw, now_ns, top, f);
}
