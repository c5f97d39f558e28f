// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Findings about connections that do not move on: peers that are gone, and processes that do not
 * close.
 */
#include <string.h>

#include "model/finders.h"

#define S 1000000000ULL

/* If data was sent again this often, and nothing was heard for this long, nobody reads it. */
#define DEAD_RETRANSMITS 4
#define DEAD_SILENT_NS	 (10 * S)

/* Fewer suspects are an accident. */
#define SUSPECTS 3

/*
 * From SUSPECT_POOL connections of one address to one service on, they may be a pool. A pool has
 * idle connections beside new ones all the time, although its peer is not gone. So for more
 * connections, up to as many as one client has, the peer must have come back with most of them, and
 * use them.
 */
#define SUSPECT_POOL	   4
#define SUSPECT_AWAY_NS	   (1 * S)
#define SUSPECT_AWAY_TIMES 2

#define STUCK_RETRANSMITS 3
#define STUCK_BACKOFF	  6 /* of probes that are answered: no room for 12 s or longer */
#define STUCK		  5
#define ORPHANS_FIN_WAIT2 100

/* A process with so many of what is found one by one is reported by itself. */
#define OF_ONE_PROCESS 5

/* Returns the port that tells which service it is. */
static uint16_t service_port(const struct fact_socket *socket)
{
	return socket->client ? socket->at.rport : socket->at.lport;
}

static int by_service(const struct fact_socket *a, const struct fact_socket *b)
{
	return compare(a->at.netns, b->at.netns)     ?:
		       compare(a->client, b->client) ?:
						       compare(service_port(a), service_port(b));
}

static int by_program_and_service(const struct fact_socket *a, const struct fact_socket *b)
{
	return memcmp(a->owner.comm, b->owner.comm, sizeof(a->owner.comm)) ?: by_service(a, b);
}

/* Fills in what all sockets of a group have in common. */
static void describe(struct finder *finder, struct finding *finding,
		     const struct fact_socket *const *group, size_t count)
{
	uint64_t oldest_ns = 0;

	finding->count = finder_sockets(group, count);
	finding_set_owner(finding, group, count);
	finding->at = group[0]->at;
	if (group[0]->client)
		finding->at.lport = 0;
	else
		finding->at.rport = 0;
	for (size_t i = 0; i < count; i++) {
		if (group[i]->age_ns > oldest_ns)
			oldest_ns = group[i]->age_ns;
		if (memcmp(group[i]->at.raddr, group[0]->at.raddr, sizeof(group[i]->at.raddr)))
			memset(finding->at.raddr, 0, sizeof(finding->at.raddr));
		finding_end(finder, finding, group[i]);
	}
	finding_figure(finding, "connections", finding->count, FIGURE_COUNT, false);
	finding_processes(finding);
	if (oldest_ns)
		finding_figure(finding, "oldest", oldest_ns, FIGURE_NS, false);
}

static unsigned int most_retransmits(const struct fact_socket *const *group, size_t count)
{
	unsigned int most = 0;

	for (size_t i = 0; i < count; i++)
		if (group[i]->timers.retransmits > most)
			most = group[i]->timers.retransmits;
	return most;
}

static unsigned int most_probes(const struct fact_socket *const *group, size_t count)
{
	unsigned int most = 0;

	for (size_t i = 0; i < count; i++)
		if (group[i]->timers.probes_out > most)
			most = group[i]->timers.probes_out;
	return most;
}

/* ---- Peers that are gone ---- */

static bool is_open(const struct fact_socket *socket)
{
	return socket->state == TCPDWELL_ESTABLISHED || socket->state == TCPDWELL_CLOSE_WAIT;
}

static bool test_dead(const struct fact_socket *socket, uint64_t leak_ns)
{
	const struct deadline_socket *timers = &socket->timers;

	(void)leak_ns;
	if (!is_open(socket) || socket->silent_ns == FACT_UNKNOWN ||
	    socket->silent_ns < DEAD_SILENT_NS)
		return false;
	return (timers->timer == DEADLINE_TIMER_RETRANSMIT &&
		timers->retransmits >= DEAD_RETRANSMITS) ||
	       timers->probes_out > 1;
}

static bool is_dead(const struct finder *finder, const struct fact_socket *socket)
{
	return finder_is(finder, socket, FINDER_DEAD, test_dead);
}

static void found_dead(struct finder *finder, const struct fact_socket *const *group, size_t count)
{
	struct finding *finding = finder_add(finder, FINDING_HALF_OPEN, FINDING_WARNING);
	uint64_t silent_ns = UINT64_MAX, unacked = 0;

	if (!finding)
		return;
	describe(finder, finding, group, count);
	for (size_t i = 0; i < count; i++) {
		unacked += group[i]->unacked_bytes;
		if (group[i]->silent_ns < silent_ns)
			silent_ns = group[i]->silent_ns;
	}
	if (most_retransmits(group, count) || !most_probes(group, count))
		finding_figure(finding, "sent_again", most_retransmits(group, count), FIGURE_COUNT,
			       false);
	if (most_probes(group, count))
		finding_figure(finding, "probes", most_probes(group, count), FIGURE_COUNT, false);
	finding_figure(finding, "unacknowledged", unacked, FIGURE_BYTES, false);
	finding_figure(finding, "silent", silent_ns, FIGURE_NS, false);
	finding_setting(finding, FACT_RETRIES2);
	finding_why(finding,
		    "What was sent is not acknowledged, and nothing comes from the peer: its host "
		    "or the path to it is gone.");
	finding_more(finding, "tcpdwell snapshot --sockets -s ESTABLISHED,CLOSE_WAIT --port %u",
		     service_port(group[0]));
}

/* Returns true if the connection is idle, and nothing would show that the peer is gone. */
static bool may_be_gone(const struct fact_socket *socket)
{
	return socket->state == TCPDWELL_ESTABLISHED && !socket->queued &&
	       !socket->timers.keepalive && !socket->timers.unacknowledged &&
	       socket->silent_ns != FACT_UNKNOWN && socket->silent_ns >= DEAD_SILENT_NS;
}

static bool test_incoming(const struct fact_socket *socket, uint64_t leak_ns)
{
	(void)leak_ns;
	return socket->state == TCPDWELL_ESTABLISHED && !socket->client;
}

static bool is_incoming(const struct finder *finder, const struct fact_socket *socket)
{
	return finder_is(finder, socket, FINDER_PEERS, test_incoming);
}

static int by_service_and_peer(const struct fact_socket *a, const struct fact_socket *b)
{
	return by_program_and_service(a, b) ?:
					      memcmp(a->at.raddr, b->at.raddr, sizeof(a->at.raddr));
}

static int by_peer_and_opening(const struct fact_socket *a, const struct fact_socket *b)
{
	return by_service_and_peer(a, b) ?: compare(a->opened_most_ns, b->opened_most_ns);
}

/*
 * Returns true if the peer opened its newest @fresh connections after it had gone, and none of the
 * others was heard since. A peer that comes back opens as many, or half as many, within less time
 * than it was away. A pool that fills slowly has idle connections beside new ones, too. A peer that
 * has few connections may come back with one, and send nothing on it.
 */
static bool came_back_with(const struct fact_socket *const *group, size_t count, size_t fresh)
{
	uint64_t first_ns = group[fresh - 1]->opened_most_ns, away_ns = UINT64_MAX;
	bool few = count <= SUSPECT_POOL, active = few;

	if (!few && fresh * 2 < count - fresh)
		return false;
	for (size_t i = fresh; i < count; i++) {
		if (!may_be_gone(group[i]) || group[i]->silent_ns < first_ns)
			return false;
		if (group[i]->silent_ns - first_ns < away_ns)
			away_ns = group[i]->silent_ns - first_ns;
	}
	for (size_t i = 0; i < fresh; i++) {
		uint64_t spread_ns = i ? group[i]->opened_most_ns - group[i - 1]->opened_most_ns :
					 0;

		active |= group[i]->silent_ns < DEAD_SILENT_NS;
		if (spread_ns * SUSPECT_AWAY_TIMES >= away_ns)
			return false;
	}
	return active && away_ns >= SUSPECT_AWAY_NS;
}

/*
 * Returns how many connections of one peer have been idle since before its other ones were opened.
 * @group is sorted by when they were opened, the newest first. A connection that may have been open
 * all the time is not taken for a new one: of a busy one that this run did not see begin, nothing
 * else is known.
 */
static size_t suspects_of(struct finder *finder, const struct fact_socket *const *group,
			  size_t count)
{
	size_t fresh = 1, suspects = 0;

	if (count < 2 || count > FINDER_POOL_MOST)
		return 0;
	while (fresh < count && group[fresh - 1]->opened_most_ns != FACT_UNKNOWN &&
	       !came_back_with(group, count, fresh))
		fresh++;
	if (fresh == count || group[fresh - 1]->opened_most_ns == FACT_UNKNOWN)
		return 0;
	for (size_t i = fresh; i < count; i++)
		suspects += !finder_peer_is_here(finder, group[i]);
	return suspects;
}

static void found_peers(struct finder *finder, const struct fact_socket *const *group, size_t count)
{
	size_t suspects = 0, peers = 0, processes;
	const struct fact_socket *one = group[0];
	struct finding *finding;

	for (size_t i = 0, n; i < count; i += n) {
		size_t of_peer;

		for (n = 1; i + n < count && !by_service_and_peer(group[i], group[i + n]); n++)
			;
		of_peer = suspects_of(finder, group + i, n);
		suspects += of_peer;
		peers += of_peer > 0;
		if (of_peer)
			one = group[i + n - 1]; /* the oldest */
	}
	if (suspects < SUSPECTS)
		return;
	finding = finder_add(finder, FINDING_HALF_OPEN, FINDING_NOTE);
	if (!finding)
		return;
	finding->count = suspects;
	finding->owner = one->owner;
	processes = finder_processes(group, count);
	finding->processes = processes > 1 ? processes : 0;
	finding->at = one->at;
	finding->at.rport = 0;
	memset(finding->at.raddr, 0, sizeof(finding->at.raddr));
	finding_figure(finding, "suspects", suspects, FIGURE_COUNT, false);
	finding_figure(finding, "peers", peers, FIGURE_COUNT, false);
	finding_processes(finding);
	finding->has_end = true;
	finding->end = (struct deadline){ .kind = DEADLINE_NEVER };
	finding_setting(finding, FACT_KEEPALIVE_TIME);
	finding_why(finding,
		    "They are idle without keep-alive, and the same addresses have connected "
		    "again since: the first connection is likely forgotten there, if not another "
		    "program has the same address.");
	finding_more(finding, "tcpdwell snapshot --sockets -s ESTABLISHED -L %u",
		     finding->at.lport);
}

void find_half_open(struct finder *finder)
{
	const struct finder_least one_by_one = { .alone = OF_ONE_PROCESS, .all = 1 };

	finder_programs(finder, is_dead, by_service, one_by_one, found_dead);
	finder_groups_sorted(finder, is_incoming, by_peer_and_opening, by_program_and_service,
			     found_peers);
}

/* ---- Processes that do not close ---- */

/*
 * Returns true if one side has closed and the other goes on sending. The peer was heard since then,
 * and not only by keep-alive probes or answers to them, which tell nothing of the processes. If it
 * is not known when data last went, the connection must have no keep-alive of this side.
 */
static bool is_half_closed_at_work(const struct fact_socket *socket, uint64_t leak_ns)
{
	if (socket->silent_ns == FACT_UNKNOWN || socket->silent_ns >= leak_ns)
		return false;
	return socket->idle_ns == FACT_UNKNOWN ? !socket->timers.keepalive :
						 socket->idle_ns < leak_ns;
}

static bool test_leaked(const struct fact_socket *socket, uint64_t leak_ns)
{
	return socket->state == TCPDWELL_CLOSE_WAIT && !socket->queued &&
	       socket->age_ns >= leak_ns && !is_half_closed_at_work(socket, leak_ns);
}

static bool is_leaked(const struct finder *finder, const struct fact_socket *socket)
{
	return finder_is(finder, socket, FINDER_LEAKED, test_leaked);
}

static void found_leak(struct finder *finder, const struct fact_socket *const *group, size_t count)
{
	struct finding *finding = finder_add(finder, FINDING_CLOSE_WAIT_LEAK, FINDING_WARNING);
	uint64_t unread = 0, shared = 0;

	if (!finding)
		return;
	describe(finder, finding, group, count);
	for (size_t i = 0; i < count; i++) {
		unread += group[i]->unread_bytes;
		shared += group[i]->holders > 1;
	}
	if (unread)
		finding_figure(finding, "unread", unread, FIGURE_BYTES, false);
	if (shared)
		finding_figure(finding, "shared", shared, FIGURE_COUNT, false);
	finding_why(finding, "%s%s",
		    unread ? "It does not read, either: it is stuck, or has forgotten them." :
			     "It has read all and has not called close().",
		    shared ? " Other processes, such as forked children, have the shared ones "
			     "open, too: all of them must close." :
			     "");
	if (finding->owner.pid && !finding->processes)
		finding_more(finding, "tcpdwell leaks -p %u", finding->owner.pid);
	else
		finding_more(finding, "tcpdwell leaks --port %u", service_port(group[0]));
}

/* ---- A FIN that nobody acknowledges ---- */

/* Returns true if the FIN was sent again and again, or if there is no room for it. */
static bool is_stuck_in(const struct fact_socket *socket, uint8_t state)
{
	const struct deadline_socket *timers = &socket->timers;

	return socket->state == state &&
	       (timers->retransmits >= STUCK_RETRANSMITS || timers->probes_out > 1 ||
		(timers->timer == DEADLINE_TIMER_PROBE && timers->backoff >= STUCK_BACKOFF));
}

static bool test_fin_wait1(const struct fact_socket *socket, uint64_t leak_ns)
{
	(void)leak_ns;
	return is_stuck_in(socket, TCPDWELL_FIN_WAIT1);
}

static bool in_fin_wait1(const struct finder *finder, const struct fact_socket *socket)
{
	return finder_is(finder, socket, FINDER_FIN_WAIT1, test_fin_wait1);
}

static bool test_closing(const struct fact_socket *socket, uint64_t leak_ns)
{
	(void)leak_ns;
	return is_stuck_in(socket, TCPDWELL_CLOSING);
}

static bool in_closing(const struct finder *finder, const struct fact_socket *socket)
{
	return finder_is(finder, socket, FINDER_CLOSING, test_closing);
}

static bool test_last_ack(const struct fact_socket *socket, uint64_t leak_ns)
{
	(void)leak_ns;
	return is_stuck_in(socket, TCPDWELL_LAST_ACK);
}

static bool in_last_ack(const struct finder *finder, const struct fact_socket *socket)
{
	return finder_is(finder, socket, FINDER_LAST_ACK, test_last_ack);
}

/*
 * Advises on the limit of retransmissions, which depends on whether a process still holds the
 * socket, and on its TCP_USER_TIMEOUT, which alone decides if it is set.
 */
static void advise_stuck(struct finding *finding, const struct fact_socket *socket)
{
	if (socket->timers.orphan && !socket->timers.user_timeout_ms) {
		finding_setting(finding, FACT_ORPHAN_RETRIES);
		return;
	}
	if (socket->timers.user_timeout_ms) {
		finding->helps = "They end by themselves, by their TCP_USER_TIMEOUT.";
		finding->useless = "net.ipv4.tcp_fin_timeout, net.ipv4.tcp_retries2, "
				   "net.ipv4.tcp_orphan_retries.";
		return;
	}
	finding_setting(finding, FACT_RETRIES2);
	finding->helps = "They end by themselves. TCP_USER_TIMEOUT ends them earlier, and so does "
			 "close(): net.ipv4.tcp_orphan_retries holds from then on.";
	finding->useless = "net.ipv4.tcp_fin_timeout; net.ipv4.tcp_orphan_retries, as long as the "
			   "process has them.";
}

static void found_stuck(struct finder *finder, const struct fact_socket *const *group, size_t count)
{
	static const enum finding_id ids[] = {
		[TCPDWELL_FIN_WAIT1] = FINDING_STUCK_FIN_WAIT1,
		[TCPDWELL_CLOSING] = FINDING_STUCK_CLOSING,
		[TCPDWELL_LAST_ACK] = FINDING_STUCK_LAST_ACK,
	};
	static const char *const states[] = {
		[TCPDWELL_FIN_WAIT1] = "FIN_WAIT1",
		[TCPDWELL_CLOSING] = "CLOSING",
		[TCPDWELL_LAST_ACK] = "LAST_ACK",
	};
	uint8_t state = group[0]->state;
	struct finding *finding;

	finding = finder_add(finder, ids[state], FINDING_NOTE);
	if (!finding)
		return;
	describe(finder, finding, group, count);
	if (most_retransmits(group, count))
		finding_figure(finding, "fin_sent_again", most_retransmits(group, count),
			       FIGURE_COUNT, false);
	if (most_probes(group, count))
		finding_figure(finding, "probes", most_probes(group, count), FIGURE_COUNT, false);
	advise_stuck(finding, group[0]);
	finding_why(
		finding, "%s",
		group[0]->timers.timer == DEADLINE_TIMER_PROBE ?
			"The FIN has not been sent: the peer reads nothing and has no room for "
			"what waits before it, or a firewall of this host lets nothing out." :
			"The FIN was sent again and again: the peer, or the path to it, is gone.");
	finding_more(finding, "tcpdwell snapshot --sockets -s %s", states[state]);
}

/* ---- FIN_WAIT2 ---- */

static bool test_held(const struct fact_socket *socket, uint64_t leak_ns)
{
	return socket->state == TCPDWELL_FIN_WAIT2 && !socket->timers.orphan &&
	       socket->age_ns >= leak_ns && !is_half_closed_at_work(socket, leak_ns);
}

static bool is_held(const struct finder *finder, const struct fact_socket *socket)
{
	return finder_is(finder, socket, FINDER_HELD, test_held);
}

static void found_held(struct finder *finder, const struct fact_socket *const *group, size_t count)
{
	struct finding *finding;

	finding = finder_add(finder, FINDING_STUCK_FIN_WAIT2, FINDING_WARNING);
	if (!finding)
		return;
	describe(finder, finding, group, count);
	finding_why(finding,
		    "The process has called shutdown() and not close(), so that "
		    "net.ipv4.tcp_fin_timeout does not hold; the peer is in CLOSE_WAIT, or gone.");
	finding->helps = "The program must close(). SO_KEEPALIVE ends those whose peer is gone.";
	finding->useless = "net.ipv4.tcp_fin_timeout, which is for sockets that no process holds.";
	finding_more(finding, "tcpdwell leaks -s FIN_WAIT2");
}

static bool test_orphan(const struct fact_socket *socket, uint64_t leak_ns)
{
	(void)leak_ns;
	return socket->state == TCPDWELL_FIN_WAIT2 && socket->timers.orphan;
}

static bool is_orphan_in_fin_wait2(const struct finder *finder, const struct fact_socket *socket)
{
	return finder_is(finder, socket, FINDER_ORPHAN, test_orphan);
}

static void found_orphans(struct finder *finder, const struct fact_socket *const *group,
			  size_t count)
{
	struct finding *finding;

	finding = finder_add(finder, FINDING_STUCK_FIN_WAIT2, FINDING_NOTE);
	if (!finding)
		return;
	describe(finder, finding, group, count);
	finding_setting(finding, FACT_FIN_TIMEOUT);
	finding_why(finding,
		    "They are orphans, closed here; their peers are in CLOSE_WAIT, or gone.");
	finding->helps = "They end by themselves; a smaller net.ipv4.tcp_fin_timeout ends them "
			 "earlier. The peer's program should close what it holds in CLOSE_WAIT.";
	finding->useless = "net.ipv4.tcp_orphan_retries, which is for data and a FIN that are not "
			   "acknowledged.";
	finding_more(finding, "tcpdwell snapshot --sockets -s FIN_WAIT2");
}

unsigned int find_stuck_kinds(const struct fact_socket *socket, uint64_t leak_ns)
{
	static const struct {
		enum finder_kind kind;
		finder_test *test;
	} tests[] = {
		{ FINDER_DEAD, test_dead },	  { FINDER_PEERS, test_incoming },
		{ FINDER_LEAKED, test_leaked },	  { FINDER_FIN_WAIT1, test_fin_wait1 },
		{ FINDER_CLOSING, test_closing }, { FINDER_LAST_ACK, test_last_ack },
		{ FINDER_HELD, test_held },	  { FINDER_ORPHAN, test_orphan },
	};
	unsigned int kinds = 0;

	for (unsigned int i = 0; i < sizeof(tests) / sizeof(*tests); i++)
		kinds |= tests[i].test(socket, leak_ns) ? tests[i].kind : 0;
	return kinds;
}

void find_stuck(struct finder *finder)
{
	const struct finder_least one_by_one = { .alone = OF_ONE_PROCESS, .all = 1 };
	const struct finder_least stuck = { .alone = STUCK, .all = STUCK };
	const struct finder_least many = { .alone = ORPHANS_FIN_WAIT2, .all = ORPHANS_FIN_WAIT2 };

	finder_programs(finder, is_leaked, by_service, one_by_one, found_leak);
	finder_programs(finder, in_fin_wait1, by_service, stuck, found_stuck);
	finder_programs(finder, in_closing, by_service, stuck, found_stuck);
	finder_programs(finder, in_last_ack, by_service, stuck, found_stuck);
	finder_programs(finder, is_held, by_service, stuck, found_held);
	finder_programs(finder, is_orphan_in_fin_wait2, by_service, many, found_orphans);
}
