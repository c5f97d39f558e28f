// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Findings about local ports that run out.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/plural.h"
#include "base/put.h"
#include "base/text.h"
#include "model/finders.h"
#include "model/held_ports.h"
#include "model/pressure.h"

/* From this percentage on, local ports are reported, whether or not something is wrong. */
#define TOLD_PERCENT 1

/* Returns how many ports connect() can choose from; 0: not known. */
static uint64_t usable_ports(const struct fact_netns *netns)
{
	uint64_t low, high, reserved;

	if (!netns)
		return 0;
	low = netns->settings[FACT_PORTS_LOW];
	high = netns->settings[FACT_PORTS_HIGH];
	reserved = netns->settings[FACT_PORTS_RESERVED];
	if (low == FACT_UNKNOWN || high == FACT_UNKNOWN || high < low)
		return 0;
	if (reserved == FACT_UNKNOWN || reserved > high - low + 1)
		reserved = 0;
	return high - low + 1 - reserved;
}

bool find_ports_taken(const struct fact_socket *socket, uint64_t low, uint64_t high)
{
	return socket->client && socket->at.lport && socket->state != TCPDWELL_LISTEN &&
	       socket->at.lport >= low && socket->at.lport <= high;
}

/* Returns true if the socket takes a port of the range away from others. */
static bool takes_port(const struct finder *finder, const struct fact_socket *socket)
{
	const struct fact_netns *netns = finder_netns(finder, socket->at.netns);

	return netns && find_ports_taken(socket, netns->settings[FACT_PORTS_LOW],
					 netns->settings[FACT_PORTS_HIGH]);
}

static bool takes_chosen_port(const struct finder *finder, const struct fact_socket *socket)
{
	return !socket->bound && takes_port(finder, socket);
}

static bool takes_bound_port(const struct finder *finder, const struct fact_socket *socket)
{
	return socket->bound && takes_port(finder, socket);
}

static int by_source(const struct fact_socket *a, const struct fact_socket *b)
{
	return compare(a->at.netns, b->at.netns)   ?:
		       compare(a->scope, b->scope) ?:
		       memcmp(a->at.laddr, b->at.laddr, sizeof(a->at.laddr));
}

static int by_ends(const struct fact_socket *a, const struct fact_socket *b)
{
	return by_source(a, b)				 ?:
		       compare(a->at.rport, b->at.rport) ?:
		       memcmp(a->at.raddr, b->at.raddr, sizeof(a->at.raddr));
}

/*
 * Returns true if the call failed because no port was free: for this destination, or, for bind(),
 * for any.
 */
static bool failed_for_port(const struct finder *finder, const struct fact_failure *failure,
			    const struct fact_address *at, bool bound)
{
	if (failure->at.netns != at->netns || finder_is_off(finder, &failure->at))
		return false;
	if (!bound)
		return failure->call == FACT_CONNECT && failure->err == EADDRNOTAVAIL &&
		       failure->at.rport == at->rport &&
		       !memcmp(failure->at.raddr, at->raddr, sizeof(at->raddr));
	return failure->call != FACT_CONNECT && failure->err == EADDRINUSE && !failure->at.lport &&
	       (!memcmp(failure->at.laddr, at->laddr, sizeof(at->laddr)) ||
		addr_is_any(failure->at.laddr, sizeof(failure->at.laddr)));
}

static uint64_t ports_refused(const struct finder *finder, const struct fact_address *at,
			      bool bound)
{
	uint64_t count = 0;

	for (size_t i = 0; i < finder->facts->failure_count; i++)
		if (failed_for_port(finder, &finder->facts->failures[i], at, bound))
			count += finder->facts->failures[i].count;
	return count;
}

/* The ports that were counted. */
struct port_bits {
	uint64_t bits[65536 / 64];
};

/* Returns true if the port is new. */
static bool port_add(struct port_bits *ports, uint16_t port)
{
	uint64_t bit = 1ULL << port % 64, *word = &ports->bits[port / 64];
	bool fresh = !(*word & bit);

	*word |= bit;
	return fresh;
}

/*
 * Counts a socket among those that hold ports. A port counts once, even if several sockets have it.
 */
static void tally_socket(struct tally *tally, struct port_bits *ports,
			 const struct fact_socket *socket)
{
	if (port_add(ports, socket->at.lport)) {
		if (socket->state == TCPDWELL_TIME_WAIT)
			tally_add_old(tally, 0, socket->timers.expires_ns);
		else
			tally->open++;
	}
	if (socket->owner.comm[0])
		tally_set_owner(tally, socket->owner.pid, socket->owner.comm);
	if (socket->state != TCPDWELL_TIME_WAIT)
		tally_set_range(tally, socket->ports_low, socket->ports_high);
}

/* Returns how many ports others hold that are closed to sockets like @like. */
static uint64_t count_blocked(const struct finder *finder, const struct fact_socket *like,
			      struct port_bits *ports)
{
	uint64_t count = 0;

	if (finder->facts->held)
		return held_ports_blocked(finder->facts->held, like);
	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *socket = &finder->facts->sockets[i];

		if (socket->bound == like->bound || socket->at.netns != like->at.netns ||
		    socket->scope != like->scope || !takes_port(finder, socket))
			continue;
		/* connect() skips ports that bind() took at any address. */
		if (like->bound && memcmp(socket->at.laddr, like->at.laddr, sizeof(like->at.laddr)))
			continue;
		count += port_add(ports, socket->at.lport);
	}
	return count;
}

/* Names the process that was refused, if it is not known which one holds the ports. */
static void name_refused(const struct finder *finder, struct finding *finding, bool bound)
{
	for (size_t i = 0; i < finder->facts->failure_count && !finding->owner.pid; i++)
		if (failed_for_port(finder, &finder->facts->failures[i], &finding->at, bound))
			finding->owner = finder->facts->failures[i].owner;
}

static struct ephemeral ephemeral_of(const struct fact_netns *netns)
{
	struct ephemeral e = { .usable = usable_ports(netns), .tw_reuse_delay_ms = 1000 };

	if (!e.usable)
		return e;
	e.known = true;
	e.low = netns->settings[FACT_PORTS_LOW];
	e.high = netns->settings[FACT_PORTS_HIGH];
	e.reserved = e.high - e.low + 1 - e.usable;
	if (netns->settings[FACT_TW_REUSE] != FACT_UNKNOWN)
		e.tw_reuse = netns->settings[FACT_TW_REUSE];
	e.timestamps = netns->settings[FACT_TIMESTAMPS] != 0;
	return e;
}

/* Says what helps against ports in TIME_WAIT, which depends on what is set already. */
static void advise_timewait(struct finding *finding, const struct ephemeral *e,
			    const struct pressure *p)
{
	finding->useless = NULL;
	if (p->reuse) {
		finding->helps = "Keep connections open: keep-alive or a pool. More addresses, "
				 "here or there. A wider net.ipv4.ip_local_port_range.";
		finding->useless = "net.ipv4.tcp_fin_timeout; net.ipv4.tcp_tw_reuse, which is on: "
				   "it takes no port that was closed a moment ago.";
	} else if (!e->timestamps) {
		finding->helps = "Keep connections open: keep-alive or a pool. "
				 "net.ipv4.tcp_timestamps=1, which net.ipv4.tcp_tw_reuse=1 needs "
				 "to help. A wider net.ipv4.ip_local_port_range.";
		finding->useless = "net.ipv4.tcp_tw_reuse without net.ipv4.tcp_timestamps; "
				   "net.ipv4.tcp_fin_timeout.";
	} else {
		finding->helps = "Keep connections open: keep-alive or a pool. "
				 "net.ipv4.tcp_tw_reuse=1. A wider net.ipv4.ip_local_port_range.";
	}
}

/* Returns what helps against open connections, which depends on what narrows the range. */
static const char *against_open(const struct pressure *p)
{
	if (p->advice & PRESSURE_WIDEN)
		return "A wider IP_LOCAL_PORT_RANGE, or none: the program sets it. Fewer "
		       "connections at a time.";
	if (p->advice & PRESSURE_RESERVED)
		return "Fewer ports in net.ipv4.ip_local_reserved_ports. Fewer connections at a "
		       "time. More addresses, here or there.";
	return "Fewer connections at a time: a pool, or close those that are idle. More addresses, "
	       "here or there. A wider net.ipv4.ip_local_port_range.";
}

/* Says what helps, which depends on what holds the ports. */
static void advise_ports(struct finding *finding, const struct ephemeral *e,
			 const struct pressure *p)
{
	finding->useless = "net.ipv4.tcp_fin_timeout, net.ipv4.tcp_tw_recycle (gone since Linux "
			   "4.12), more descriptors; and net.ipv4.tcp_tw_reuse, which is about "
			   "connect() and TIME_WAIT alone.";
	switch (p->holder) {
	case PRESSURE_BY_BIND:
		finding->helps =
			"Set IP_BIND_ADDRESS_NO_PORT before bind(): then connect() chooses "
			"the port, which others can have for other destinations. Fewer or "
			"longer connections.";
		return;
	case PRESSURE_BY_OPEN:
		finding->helps = against_open(p);
		return;
	case PRESSURE_BY_TIMEWAIT:
		advise_timewait(finding, e, p);
		return;
	default:
		finding->useless = NULL;
	}
}

static const char *who_holds(enum pressure_holder holder, const struct tally *tally)
{
	switch (holder) {
	case PRESSURE_BY_BIND:
		return "bind() took them before connect(), which closes each to all destinations";
	case PRESSURE_BY_OPEN:
		return "Open connections hold them";
	case PRESSURE_BY_TIMEWAIT:
		return "Connections that were closed here hold them in TIME_WAIT";
	default:
		return tally_held(tally) ? "Few are held by what is seen" :
					   "No port was free when it was asked for";
	}
}

static bool holds_sockets(const struct finder *finder, uint32_t pid)
{
	for (size_t i = 0; i < finder->facts->process_count; i++)
		if (finder->facts->processes[i].owner.pid == pid)
			return true;
	return false;
}

/* Returns how many sockets of a group several processes hold. */
static uint64_t count_shared(const struct fact_socket *const *group, size_t count)
{
	uint64_t shared = 0;

	for (size_t i = 0; i < count; i++)
		shared += group[i]->holders > 1;
	return shared;
}

/*
 * Names the program with the most connections, and its process if that still has sockets. Several
 * processes hold @shared of the sockets.
 */
static void name_programs(const struct finder *finder, struct finding *finding,
			  const struct tally *tally, const char *why, uint64_t shared)
{
	const struct tally_name *most = tally_main_name(tally);
	char others[96] = "";

	if (!most) {
		finding_why(finding, "%s.", why);
		return;
	}
	if (shared)
		snprintf(others, sizeof(others),
			 " Others, such as forked children, have %" PRIu64
			 " of the sockets open, too.",
			 shared);
	finding_why(finding, "%s: %.15s has %" PRIu32 " connection%s%s.%s", why, most->comm,
		    most->connections, plural(most->connections),
		    tally->owner_varies ? ", of several processes" : "", others);
	if (tally->owner_varies || !holds_sockets(finder, tally->owner_pid))
		return;
	finding->owner.pid = tally->owner_pid;
	memcpy(finding->owner.comm, tally->owner_comm, sizeof(finding->owner.comm));
}

static void describe_ports(struct finding *finding, const struct pressure_input *input,
			   const struct pressure *p)
{
	const struct ephemeral *e = input->ephemeral;
	const struct tally *tally = input->tally;
	uint64_t blocked = input->blocked;
	uint64_t timewait = tally_now(tally), held = tally_held(tally) + blocked;

	finding->count = held;
	finding_figure(finding, "ports_used", held, FIGURE_COUNT, false);
	if (p->usable) {
		finding_figure(finding, "ports", p->usable, FIGURE_COUNT, false);
		finding_figure(finding, "used",
			       held < p->usable ? finder_percent(held, p->usable) : 100,
			       FIGURE_PERCENT, false);
	}
	finding_figure(finding, "open", tally->open, FIGURE_COUNT, false);
	finding_figure(finding, "timewait", timewait, FIGURE_COUNT, false);
	if (blocked)
		finding_figure(finding, "of_others", blocked, FIGURE_COUNT, false);
	if (tally->refused)
		finding_figure(finding, "failed", tally->refused, FIGURE_COUNT, true);
	if (!p->narrowed) {
		finding_setting(finding, FACT_PORTS_LOW);
		finding_setting(finding, FACT_PORTS_HIGH);
	}
	if (e->reserved)
		finding_figure(finding, "reserved", e->reserved, FIGURE_COUNT, false);
	if (p->holder == PRESSURE_BY_TIMEWAIT && timewait) {
		finding_setting(finding, FACT_TW_REUSE);
		if (!e->timestamps)
			finding_setting(finding, FACT_TIMESTAMPS);
	}
	advise_ports(finding, e, p);
}

/* Names the command that shows what holds the ports. */
static void show_holders(struct finding *finding, enum pressure_holder holder)
{
	const struct fact_address *at = &finding->at;
	const uint8_t *address = at->rport ? at->raddr : at->laddr;
	char text[64 + TEXT_SLACK_BYTES] = "", port[16] = "";
	char *p = text;

	if (holder == PRESSURE_BY_TIMEWAIT) {
		finding_more(finding, "tcpdwell timewait -d 10s");
		return;
	}
	if (!addr_is_any(address, 16)) {
		p = put_addr(put_literal(p, " --addr "), at->family ?: 4, address);
		*p = '\0';
	}
	if (at->rport)
		snprintf(port, sizeof(port), " -D %u", at->rport);
	finding_more(finding, "tcpdwell snapshot --sockets%s%s", port, text);
}

/* ---- The fullest destinations ---- */

/* Returns true if @ports are about the same ports as a socket at @at. */
static bool is_of(const struct finding_ports *ports, const struct fact_address *at, bool bound)
{
	return ports->bound == bound && ports->at.netns == at->netns &&
	       !memcmp(ports->at.laddr, at->laddr, sizeof(at->laddr)) &&
	       (bound || (ports->at.rport == at->rport &&
			  !memcmp(ports->at.raddr, at->raddr, sizeof(at->raddr))));
}

/*
 * Returns how many open connections were added a second since the look before; 0 if it did not
 * report these ports.
 */
static double growth_of(const struct finder *finder, const struct fact_address *at, bool bound,
			uint64_t open)
{
	const struct facts *facts = finder->facts;

	for (size_t i = 0; i < facts->port_count && facts->span_ns; i++)
		if (is_of(&facts->ports[i], at, bound) && open > facts->ports[i].open)
			return (open - facts->ports[i].open) / (facts->span_ns / 1e9);
	return 0;
}

/*
 * Returns the entries into TIME_WAIT a second. The timer of a timewait socket shows when it
 * entered.
 */
static double entry_rate(const struct fact_socket *const *group, size_t count)
{
	const uint64_t young_ns = (TIMEWAIT_SECONDS - TALLY_RATE_SECONDS) * 1000000000ULL;
	size_t entered = 0;

	for (size_t i = 0; i < count; i++)
		entered += group[i]->state == TCPDWELL_TIME_WAIT &&
			   group[i]->timers.expires_ns > young_ns;
	return (double)entered / TALLY_RATE_SECONDS;
}

static void rank_ports(struct finder *finder, const struct finding_ports *ports)
{
	size_t place = finder->port_count;

	while (place && finder->ports[place - 1].taken < ports->taken)
		place--;
	if (place == FINDING_PORTS)
		return;
	if (finder->port_count < FINDING_PORTS)
		finder->port_count++;
	memmove(&finder->ports[place + 1], &finder->ports[place],
		(finder->port_count - 1 - place) * sizeof(*ports));
	finder->ports[place] = *ports;
}

static void tell_ports(struct finder *finder, const struct fact_address *at,
		       const struct pressure_input *input, const struct pressure *p)
{
	struct finding_ports ports = {
		.at = *at,
		.bound = input->tally->key.bound,
		.open = input->tally->open,
		.taken = p->taken,
		.fills = p->fills,
		.left_ns = p->exhausted_ns,
	};

	if (p->usable && p->taken * 100 >= TOLD_PERCENT)
		rank_ports(finder, &ports);
}

/* ---- What is found ---- */

static void found_short(struct finder *finder, const struct fact_socket *const *group, size_t count,
			const struct pressure_input *input, const struct pressure *p)
{
	const struct fact_socket *first = group[0];
	const struct tally *tally = input->tally;
	struct finding *finding;

	if (p->taken * 100 < FINDER_SHARE_PERCENT && !tally->refused)
		return;
	/* A failure is reported for the destination that has the most ports, not for each one. */
	if (tally->refused && p->usable && p->used * 100 < FINDER_SHARE_PERCENT / 2)
		return;
	finding = finder_add(finder, FINDING_PORTS_EXHAUSTED,
			     tally->refused ? FINDING_CRITICAL : FINDING_WARNING);
	if (!finding)
		return;
	for (size_t i = 0; i < count; i++)
		finding_end(finder, finding, group[i]);
	finding->at = first->at;
	finding->at.lport = 0;
	if (first->bound) {
		finding->at.rport = 0;
		memset(finding->at.raddr, 0, sizeof(finding->at.raddr));
	}
	describe_ports(finding, input, p);
	show_holders(finding, p->holder);
	name_programs(finder, finding, tally, who_holds(p->holder, tally),
		      count_shared(group, count));
	name_refused(finder, finding, first->bound);
}

/* Judges the ports that @tally has counted. @group has @count sockets, or one for all of them. */
static void judge_ports(struct finder *finder, const struct fact_socket *const *group, size_t count,
			struct tally *tally, double rate, struct port_bits *ports)
{
	const struct fact_socket *first = group[0];
	const struct ephemeral e = ephemeral_of(finder_netns(finder, first->at.netns));
	struct pressure_input input = {
		.tally = tally,
		.rate = rate,
		.ephemeral = &e,
		.link_local = pressure_is_link_local(first->at.family, first->at.laddr) &&
			      !first->scope,
		.loopback = pressure_is_loopback(first->at.family, first->at.laddr),
	};
	struct pressure p;

	tally->held_peak = tally_held(tally);
	input.growth = growth_of(finder, &first->at, first->bound, tally->open);
	if (finder->bound)
		input.blocked = count_blocked(finder, first, ports);
	p = pressure_of(&input);
	tell_ports(finder, &first->at, &input, &p);
	found_short(finder, group, count, &input, &p);
}

/* Most destinations use few ports, so it is not worth looking at each port of them. */
static bool are_few(const struct finder *finder, const struct fact_address *at, size_t count,
		    uint64_t refused)
{
	uint64_t usable = usable_ports(finder_netns(finder, at->netns));

	return !refused && (count + finder->bound) * 100 < TOLD_PERCENT * usable;
}

static void found_ports(struct finder *finder, const struct fact_socket *const *group, size_t count)
{
	const struct fact_socket *first = group[0];
	struct tally tally = { .key.bound = first->bound };
	struct port_bits ports = {};

	tally.refused = ports_refused(finder, &first->at, first->bound);
	if (are_few(finder, &first->at, count, tally.refused))
		return;
	for (size_t i = 0; i < count; i++)
		tally_socket(&tally, &ports, group[i]);
	judge_ports(finder, group, count, &tally, entry_rate(group, count), &ports);
}

/* Does the same for ports that a digest has counted, for which there are no facts of sockets. */
static void found_held(struct finder *finder, const struct held *held)
{
	const struct fact_socket like = {
		.at = held->at,
		.scope = held->scope,
		.bound = held->bound,
		.others = held->open + held->timewait,
	};
	const struct fact_socket *group = &like;
	struct tally tally = {
		.key.bound = held->bound,
		.open = held->open,
		.range_known = held->range_known,
		.range_varies = held->range_varies,
		.range_low = held->range_low,
		.range_high = held->range_high,
	};
	struct port_bits ports = {};

	tally.refused = ports_refused(finder, &held->at, held->bound);
	if (are_few(finder, &held->at, held->open + held->timewait, tally.refused))
		return;
	for (unsigned int second = 0; second < TALLY_SECONDS; second++)
		for (unsigned int i = 0; i < held->due[second]; i++)
			tally_add_old(&tally, 0, second * 1000000000ULL);
	judge_ports(finder, &group, 1, &tally, (double)held->entered / TALLY_RATE_SECONDS, &ports);
}

static bool was_found_short(const struct finder *finder, const struct fact_failure *failure)
{
	for (size_t i = 0; i < finder->count; i++)
		if (finder->list[i].id == FINDING_PORTS_EXHAUSTED &&
		    finder->list[i].at.netns == failure->at.netns)
			return true;
	return false;
}

/* Reports a call that failed, although no socket like its own holds a port. */
static void found_refused(struct finder *finder, const struct fact_failure *failure)
{
	const struct fact_socket like = { .at = failure->at,
					  .bound = failure->call != FACT_CONNECT };
	const struct ephemeral e = ephemeral_of(finder_netns(finder, failure->at.netns));
	struct tally tally = { .key.bound = like.bound, .refused = failure->count };
	struct pressure_input input = { .tally = &tally, .ephemeral = &e };
	struct port_bits ports = {};
	struct finding *finding;
	struct pressure p;

	input.blocked = count_blocked(finder, &like, &ports);
	p = pressure_of(&input);
	if (!input.blocked)
		p.holder = PRESSURE_BY_OTHERS;
	else if (like.bound)
		p.holder = PRESSURE_BY_OPEN;
	finding = finder_add(finder, FINDING_PORTS_EXHAUSTED, FINDING_CRITICAL);
	if (!finding)
		return;
	finding->owner = failure->owner;
	finding->at = failure->at;
	finding->err = failure->err;
	describe_ports(finding, &input, &p);
	show_holders(finding, p.holder);
	finding_why(finding, "%s.", who_holds(p.holder, &tally));
}

/*
 * Finds failed calls whose ports' holders may be invisible: bind() takes a port before there is a
 * destination.
 */
static void find_refused_ports(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->failure_count; i++) {
		const struct fact_failure *failure = &finder->facts->failures[i];
		bool connect = failure->call == FACT_CONNECT && failure->err == EADDRNOTAVAIL;
		bool bind = failure->call != FACT_CONNECT && failure->err == EADDRINUSE &&
			    !failure->at.lport;

		if ((connect || bind) && !finder_is_off(finder, &failure->at) &&
		    !was_found_short(finder, failure))
			found_refused(finder, failure);
	}
}

static bool is_of_one_destination(const struct finding *a, const struct finding *b)
{
	return a->at.netns == b->at.netns && a->at.rport && a->at.rport == b->at.rport &&
	       !memcmp(a->at.raddr, b->at.raddr, sizeof(a->at.raddr));
}

/*
 * A call that failed does not say which source address it was for. Of several sources that have
 * ports for the destination, one that is full explains it, and the others are well.
 */
static bool is_explained(const struct finder *finder, const struct finding *finding)
{
	uint64_t usable = usable_ports(finder_netns(finder, finding->at.netns));

	if (!usable || finder_percent(finding->count, usable) >= FINDER_SHARE_PERCENT)
		return false;
	for (size_t i = 0; i < finder->count; i++) {
		const struct finding *other = &finder->list[i];

		if (other->id == FINDING_PORTS_EXHAUSTED && is_of_one_destination(other, finding) &&
		    finder_percent(other->count, usable) >= FINDER_SHARE_PERCENT)
			return true;
	}
	return false;
}

static void forget_explained(struct finder *finder)
{
	size_t kept = 0;

	for (size_t i = 0; i < finder->count; i++) {
		const struct finding *finding = &finder->list[i];

		if (finding->id != FINDING_PORTS_EXHAUSTED || !is_explained(finder, finding))
			finder->list[kept++] = finder->list[i];
	}
	finder->count = kept;
}

/* Finds from the counts of a digest what is found from sockets otherwise. */
static void find_held(struct finder *finder, const struct held_ports *held)
{
	for (size_t i = 0; i < held_ports_count(held); i++)
		if (held_ports_at(held, i)->bound)
			finder->bound += held_ports_at(held, i)->open +
					 held_ports_at(held, i)->timewait;
	for (size_t i = 0; i < held_ports_count(held); i++)
		found_held(finder, held_ports_at(held, i));
	forget_explained(finder);
	find_refused_ports(finder);
}

void find_ports(struct finder *finder)
{
	if (finder->facts->held) {
		find_held(finder, finder->facts->held);
		return;
	}
	for (size_t i = 0; i < finder->facts->socket_count; i++)
		finder->bound += takes_bound_port(finder, &finder->facts->sockets[i]);
	finder_groups(finder, takes_chosen_port, by_ends, found_ports);
	forget_explained(finder);
	finder_groups(finder, takes_bound_port, by_source, found_ports);
	find_refused_ports(finder);
}
