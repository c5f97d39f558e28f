// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "model/timewait_inside.h"

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

/* Puts @row in its place among the @top worst ones. The row that drops out is added to the rest. */
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

/* Returns true if @other holds ports that are closed to sockets counted under @key. */
static bool blocks(const struct tally_key *key, const struct tally_key *other)
{
	if (key->netns != other->netns || key->scope != other->scope || key->bound == other->bound)
		return false;
	/* connect() skips ports that bind() took at any address. */
	return !key->bound || (key->family == other->family &&
			       !memcmp(key->laddr, other->laddr, sizeof(key->laddr)));
}

/*
 * Returns a lower bound of the ports held by others than @tally. It is not known whether two others
 * hold the same ports, so the one with the most counts.
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

		/* A client with a few open connections is not worth a row. */
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
