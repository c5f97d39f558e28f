// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "model/olds.h"
#include "model/timewait.h"

#define NS_PER_S 1000000000ULL

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
	 * To TIME_WAIT, from it, past it (tcp_max_tw_buckets), and connect() that found no port.
	 * The latter two are among the rows from these states to CLOSE.
	 */
	filters->from = 1 << TCPDWELL_FIN_WAIT2 | 1 << TCPDWELL_CLOSING | 1 << TCPDWELL_TIME_WAIT |
			1 << TCPDWELL_SYN_SENT;
	filters->to = 1 << TCPDWELL_TIME_WAIT | 1 << TCPDWELL_CLOSE;
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
	for (unsigned int i = TCPDWELL_REASON_TIMEWAIT_EXPIRED; i < TCPDWELL_REASON_MAX; i++)
		tw->lifetimes[i] = calloc(1, sizeof(struct hist));
	for (unsigned int i = TCPDWELL_REASON_TIMEWAIT_EXPIRED; i < TCPDWELL_REASON_MAX; i++)
		if (!tw->lifetimes[i])
			goto err;
	if (tw->owners && tw->remotes && tw->lports && tw->clients && tw->olds)
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
	uint8_t side;	  /* enum service_side */
	bool in_range;	  /* the local port is one that connect() takes by itself */
	uint32_t pid;	  /* 0: the owner is not known */
	const char *comm; /* NULL: likewise */
};

static struct facts facts_of_row(struct timewait *tw, const struct tcpdwell_transition *t)
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
		key.rport = f->rport;
		set_addr(key.laddr, f->family, f->laddr);
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

static void enter(struct timewait *tw, const struct facts *f, uint64_t time_ns)
{
	tally_enter(&tw->total, time_ns);
	for (enum table table = 0; table < TABLES; table++) {
		struct tallies *tallies = tallies_of(tw, table, f);
		struct tally_key key = key_of(table, f);
		struct tally *tally;

		if (!tallies)
			continue;
		tally = tallies_take(tallies, &key, time_ns);
		tally_enter(tally, time_ns);
		if (table == CLIENTS)
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

static void refuse(struct timewait *tw, struct facts *f, uint64_t time_ns)
{
	struct tally_key key;

	f->side = SERVICE_REMOTE;
	key = key_of(CLIENTS, f);
	tallies_take(tw->clients, &key, time_ns)->refused++;
	tw->refused++;
}

void timewait_event(struct timewait *tw, const struct tcpdwell_transition *t)
{
	struct facts f = facts_of_row(tw, t);

	/*
	 * What entered while the programs were being attached was there at the start, and where
	 * only some of them saw it, it looks like one that got no TIME_WAIT.
	 */
	if (t->time_ns < tw->start_ns)
		return;
	if (t->to == TCPDWELL_TIME_WAIT) {
		leave_old(tw, &f, t->time_ns, false);
		enter(tw, &f, t->time_ns);
	} else if (t->to != TCPDWELL_CLOSE) {
		return;
	} else if (t->from == TCPDWELL_TIME_WAIT) {
		end(tw, &f, t);
	} else if (t->reason == TCPDWELL_REASON_TIMEWAIT_OVERFLOW) {
		tw->overflow++;
		tw->overflow_netns = t->netns;
	} else if (t->reason == TCPDWELL_REASON_NO_LOCAL_PORT) {
		refuse(tw, &f, t->time_ns);
	}
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
	struct facts f = facts_of_old(tw, old);

	olds_add(tw->olds, ends_hash(&f), tally_add_old(&tw->total, now_ns, old->left_ns));
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

static struct timewait_pressure pressure_row(const struct timewait *tw, const struct tally *tally,
					     uint64_t now_ns)
{
	static const struct ephemeral unknown;
	struct timewait_pressure p = {
		.row = row_of(tw, tally, now_ns),
		.peak = tally->peak,
		.refused = tally->refused,
		.netns = timewait_netns(tw, tally->key.netns),
		.pid = tally->owner_pid,
	};
	struct pressure_input input = {
		.tally = tally,
		.rate = p.row.rate,
		.partial = tw->partial,
		.ephemeral = p.netns ? &p.netns->ephemeral : &unknown,
		.link_local = pressure_is_link_local(tally->key.family, tally->key.laddr),
		.loopback = pressure_is_loopback(tally->key.family, tally->key.laddr) ||
			    pressure_is_loopback(tally->key.family, tally->key.raddr),
	};

	memcpy(p.comm, tally->owner_comm, sizeof(p.comm));
	p.varies = tally->owner_varies;
	if (tally_main_name(tally))
		p.program = *tally_main_name(tally);
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

		if (p.row.now || p.row.entered || p.refused)
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
