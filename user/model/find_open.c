// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Findings about clients: no answer, an error, many addresses, a connection to itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/finders.h"
#include "model/pressure.h"

/*
 * A SYN is lost now and then. Three connections to one place whose SYN was sent again twice are no
 * accident.
 */
#define UNANSWERED_SYNS	       2
#define UNANSWERED_CONNECTIONS 3

/* As a rule, a process talks to fewer services. */
#define SCAN_ADDRESSES 20

#define FAILURES 3

/* Ports of one address that fail once or twice each. */
#define FAILING_PORTS 20

static int compare_owner(const struct fact_owner *a, const struct fact_owner *b)
{
	return compare(a->pid, b->pid) ?: memcmp(a->comm, b->comm, sizeof(a->comm));
}

static int compare_destination(const struct fact_address *a, const struct fact_address *b)
{
	return compare(a->netns, b->netns)	   ?:
		       compare(a->rport, b->rport) ?:
						     memcmp(a->raddr, b->raddr, sizeof(a->raddr));
}

/* ---- No answer, and many addresses ---- */

static bool test_unanswered(const struct fact_socket *socket, uint64_t leak_ns)
{
	(void)leak_ns;
	return socket->state == TCPDWELL_SYN_SENT && socket->timers.retransmits > 0;
}

static bool is_unanswered(const struct finder *finder, const struct fact_socket *socket)
{
	return finder_is(finder, socket, FINDER_UNANSWERED, test_unanswered);
}

static int by_service(const struct fact_socket *a, const struct fact_socket *b)
{
	return compare_owner(&a->owner, &b->owner)	 ?:
		       compare(a->at.netns, b->at.netns) ?:
							   compare(a->at.rport, b->at.rport);
}

static int by_destination(const struct fact_socket *a, const struct fact_socket *b)
{
	return by_service(a, b) ?: compare_destination(&a->at, &b->at);
}

/* Returns how many addresses refused the same process at the same port, or did not answer. */
static size_t addresses_that_failed(const struct finder *finder, const struct fact_socket *like)
{
	size_t count = 0;

	for (size_t i = 0; i < finder->facts->end_count; i++) {
		const struct fact_end *end = &finder->facts->ends[i];

		count += end->from == TCPDWELL_SYN_SENT &&
			 !compare_owner(&end->owner, &like->owner) &&
			 end->at.netns == like->at.netns && end->at.rport == like->at.rport;
	}
	return count;
}

static bool is_scan(const struct finder *finder, const struct fact_socket *like, size_t addresses)
{
	return like->owner.pid && addresses + addresses_that_failed(finder, like) >= SCAN_ADDRESSES;
}

static void found_service(struct finder *finder, const struct fact_socket *const *group,
			  size_t count)
{
	size_t addresses = finder_remote_addresses(group, count);
	struct finding *finding;

	if (!is_scan(finder, group[0], addresses))
		return;
	finding = finder_add(finder, FINDING_SCAN, FINDING_NOTE);
	if (!finding)
		return;
	addresses += addresses_that_failed(finder, group[0]);
	finding->count = addresses;
	finding->owner = group[0]->owner;
	finding->at.netns = group[0]->at.netns;
	finding->at.rport = group[0]->at.rport;
	finding_figure(finding, "addresses", addresses, FIGURE_COUNT, false);
	finding_figure(finding, "unanswered", finder_sockets(group, count), FIGURE_COUNT, false);
	finding_why(finding, "Most of them do not answer, or refuse.");
	finding_more(finding, "tcpdwell -p %u --to SYN_SENT", finding->owner.pid);
}

/* Returns true if @listener takes what is sent to @at, because the address is one of this host. */
static bool is_sent_to(const struct fact_socket *listener, const struct fact_address *at)
{
	static const uint8_t any[16];

	if (listener->at.netns != at->netns || listener->at.lport != at->rport)
		return false;
	if (memcmp(listener->at.laddr, any, sizeof(any)))
		return !memcmp(listener->at.laddr, at->raddr, sizeof(at->raddr));
	return !memcmp(at->laddr, at->raddr, sizeof(at->raddr)) ||
	       pressure_is_loopback(at->family, at->raddr);
}

/*
 * Returns true if a listener of the same namespace, whose accept queue is full, drops the last ACK
 * of the handshake.
 */
static bool is_held_up_here(const struct finder *finder, const struct fact_address *at)
{
	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *socket = &finder->facts->sockets[i];

		if (socket->state == TCPDWELL_LISTEN && socket->waiting > socket->backlog &&
		    is_sent_to(socket, at))
			return true;
	}
	return false;
}

#define NO_ANSWER                                                                            \
	"Neither a SYN-ACK nor a RST nor an ICMP error comes: the host is down, a firewall " \
	"drops, or the queues of the listener there are full."

static const char *why_unanswered(const struct fact_socket *const *group, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (group[i]->timers.err_soft)
			return "An ICMP error came back, or no neighbour answers: the host is "
			       "down, or a router or a firewall says that there is no way.";
	return NO_ANSWER;
}

/* Blames the listener, whose own finding comes first, since that is what must be fixed. */
static void blame_listener(struct finding *finding)
{
	finding->severity = FINDING_WARNING;
	finding->helps = "Have the process that listens there accept: see accept_queue_full.";
	finding->useless = "More local ports. Longer timeouts.";
	finding_why(finding,
		    "The accept queue of the listener at that port is full: it drops SYNs.");
}

/* Connections to one destination that a process closed while their SYNs were not answered. */
struct given_up {
	uint64_t count;
	uint64_t waited_ns; /* the longest of them */
};

static struct given_up given_up(const struct finder *finder, const struct fact_owner *owner,
				const struct fact_address *at)
{
	struct given_up sum = { 0 };

	for (size_t i = 0; i < finder->facts->end_count; i++) {
		const struct fact_end *end = &finder->facts->ends[i];

		if ((!end->given_up && !end->hasty) || compare_owner(&end->owner, owner) ||
		    compare_destination(&end->at, at))
			continue;
		sum.count += end->count;
		if (end->waited_ns > sum.waited_ns)
			sum.waited_ns = end->waited_ns;
	}
	return sum;
}

static void tell_given_up(struct finding *finding, const struct given_up *closed)
{
	if (!closed->count)
		return;
	finding_figure(finding, "given_up", closed->count, FIGURE_COUNT, true);
	finding_figure(finding, "longest_wait", closed->waited_ns, FIGURE_NS, false);
}

static void found_destination(struct finder *finder, const struct fact_socket *const *group,
			      size_t count)
{
	struct finding *finding;
	unsigned int most = 0;
	struct given_up closed = given_up(finder, &group[0]->owner, &group[0]->at);
	uint64_t oldest_ns = 0;
	size_t stuck = 0, processes = 0;

	for (size_t i = 0; i < count; i++) {
		const struct fact_socket *socket = group[i];

		processes += !i || socket->owner.pid != group[i - 1]->owner.pid;

		if (socket->timers.retransmits >= UNANSWERED_SYNS)
			stuck += 1 + socket->others;
		if (socket->timers.retransmits > most)
			most = socket->timers.retransmits;
		if (socket->age_ns > oldest_ns)
			oldest_ns = socket->age_ns;
	}
	if (stuck < UNANSWERED_CONNECTIONS)
		return; /* find_given_up() reports those that are closed */
	finding = finder_add(finder, FINDING_SYN_UNANSWERED, FINDING_CRITICAL);
	if (!finding)
		return;
	finding->count = stuck + closed.count;
	finding->owner = group[0]->owner;
	finding->at = group[0]->at;
	finding->at.lport = 0;
	finding_figure(finding, "in_syn_sent", stuck, FIGURE_COUNT, false);
	if (processes > 1)
		finding_figure(finding, "processes", processes, FIGURE_COUNT, false);
	finding_figure(finding, "syns_sent_again", most, FIGURE_COUNT, false);
	if (oldest_ns)
		finding_figure(finding, "oldest", oldest_ns, FIGURE_NS, false);
	tell_given_up(finding, &closed);
	for (size_t i = 0; i < count; i++)
		finding_end(finder, finding, group[i]);
	finding_setting(finding, FACT_SYN_RETRIES);
	if (is_held_up_here(finder, &group[0]->at))
		blame_listener(finding);
	else
		finding_why(finding, "%s", why_unanswered(group, count));
	finding_more(finding, "tcpdwell snapshot --sockets -s SYN_SENT -D %u", finding->at.rport);
}

static bool was_found_scanning(const struct finder *finder, const struct fact_socket *socket)
{
	for (size_t i = 0; i < finder->count; i++)
		if (finder->list[i].id == FINDING_SCAN &&
		    !compare_owner(&finder->list[i].owner, &socket->owner) &&
		    finder->list[i].at.rport == socket->at.rport)
			return true;
	return false;
}

static bool was_found_unanswered(const struct finder *finder, const struct fact_owner *owner,
				 const struct fact_address *at)
{
	for (size_t i = 0; i < finder->count; i++)
		if (finder->list[i].id == FINDING_SYN_UNANSWERED &&
		    !compare_owner(&finder->list[i].owner, owner) &&
		    !compare_destination(&finder->list[i].at, at))
			return true;
	return false;
}

/*
 * Returns true if the destination may answer. Then a process that closes within a second may have
 * no need of an answer any more: it asked several servers, and another one was faster.
 */
static bool may_answer(const struct finder *finder, const struct fact_end *like)
{
	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *socket = &finder->facts->sockets[i];

		if (socket->client && socket->state != TCPDWELL_SYN_SENT &&
		    !compare_destination(&socket->at, &like->at))
			return true;
	}
	/* Ends of connections that were open have no remote address. */
	for (size_t i = 0; i < finder->facts->end_count; i++) {
		const struct fact_end *end = &finder->facts->ends[i];

		if (end->from != TCPDWELL_SYN_SENT && !compare_owner(&end->owner, &like->owner) &&
		    end->at.netns == like->at.netns && end->at.rport == like->at.rport)
			return true;
	}
	return false;
}

static void found_given_up(struct finder *finder, const struct fact_end *end,
			   const struct given_up *closed)
{
	struct finding *finding = finder_add(finder, FINDING_SYN_UNANSWERED, FINDING_CRITICAL);

	if (!finding)
		return;
	finding->count = closed->count;
	finding->owner = end->owner;
	finding->at = end->at;
	finding->at.lport = 0;
	tell_given_up(finding, closed);
	finding_setting(finding, FACT_SYN_RETRIES);
	if (is_held_up_here(finder, &end->at))
		blame_listener(finding);
	else if (end->hasty)
		finding_why(finding, "Nothing comes back for as long as the process waits, which "
				     "is less than a second: the host is down, a firewall drops, "
				     "or the way there is slow.");
	else
		finding_why(finding, "%s", NO_ANSWER);
	finding_more(finding, "tcpdwell --from SYN_SENT --to CLOSE -D %u", end->at.rport);
}

/*
 * Finds programs that have a timeout of their own: none of their sockets may exist at the time of
 * the look.
 */
static void find_given_up(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->end_count; i++) {
		const struct fact_end *end = &finder->facts->ends[i];
		const struct fact_socket like = { .at = end->at, .owner = end->owner };
		struct given_up closed;

		if ((!end->given_up && !end->hasty) || was_found_scanning(finder, &like) ||
		    was_found_unanswered(finder, &end->owner, &end->at) ||
		    (end->hasty && may_answer(finder, end)))
			continue;
		closed = given_up(finder, &end->owner, &end->at);
		if (closed.count >= UNANSWERED_CONNECTIONS)
			found_given_up(finder, end, &closed);
	}
}

static bool is_unanswered_alone(const struct finder *finder, const struct fact_socket *socket)
{
	return is_unanswered(finder, socket) && !was_found_scanning(finder, socket);
}

/*
 * Workers of one name may have a connection each, so that none of them has enough to be found by
 * itself.
 */
static bool is_unanswered_worker(const struct finder *finder, const struct fact_socket *socket)
{
	return socket->owner.comm[0] && is_unanswered_alone(finder, socket) &&
	       !was_found_unanswered(finder, &socket->owner, &socket->at);
}

static int by_name_and_destination(const struct fact_socket *a, const struct fact_socket *b)
{
	return memcmp(a->owner.comm, b->owner.comm, sizeof(a->owner.comm)) ?:
		       compare_destination(&a->at, &b->at);
}

static int by_worker(const struct fact_socket *a, const struct fact_socket *b)
{
	return by_name_and_destination(a, b) ?: compare(a->owner.pid, b->owner.pid);
}

/* An address that refuses at once leaves no socket behind, so it is found among the ends only. */
static void find_refused_scans(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->end_count; i++) {
		const struct fact_end *end = &finder->facts->ends[i];
		const struct fact_socket like = { .at = end->at, .owner = end->owner };
		const struct fact_socket *group = &like;

		if (end->from == TCPDWELL_SYN_SENT &&
		    end->reason != TCPDWELL_REASON_NO_LOCAL_PORT &&
		    !was_found_scanning(finder, &like) && is_scan(finder, &like, 0)) {
			found_service(finder, &group, 0);
		}
	}
}

void find_unanswered(struct finder *finder)
{
	finder_groups(finder, is_unanswered, by_service, found_service);
	find_refused_scans(finder);
	finder_groups(finder, is_unanswered_alone, by_destination, found_destination);
	finder_groups_sorted(finder, is_unanswered_worker, by_worker, by_name_and_destination,
			     found_destination);
	find_given_up(finder);
}

/* ---- Errors of connect() and bind() ---- */

/*
 * Returns true for errors that say that a non-blocking connect() goes on, and for those that are no
 * fault of the connection.
 */
static bool is_no_failure(int err)
{
	return err == EINPROGRESS || err == EALREADY || err == EISCONN || err == EINTR ||
	       err == EAGAIN;
}

/* Returns true if find_ports() reports the failure. */
static bool is_of_ports(const struct fact_failure *failure)
{
	return failure->err == EADDRNOTAVAIL ||
	       (failure->call == FACT_BIND && failure->err == EADDRINUSE);
}

/* @sent: a SYN was sent, so the error came back from the network. */
static const char *why_failing(int err, bool sent)
{
	switch (err) {
	case ECONNREFUSED:
		return "A RST or an ICMP error of the port answers the SYN: nobody listens there, "
		       "or a firewall rejects.";
	case ETIMEDOUT:
		return "Nothing answers the SYN.";
	case EHOSTUNREACH:
		return !sent ? "A route of this host says that the address is unreachable: `ip "
			       "route get ADDRESS` shows it." :
			       "No neighbour answers, or a router or a firewall sends an ICMP "
			       "error.";
	case ENETUNREACH:
		return sent ? "A router or a firewall sends an ICMP error: it has no way there." :
			      "This host has no route to the address, or the address is one of "
			      "broadcast or multicast, to which TCP never connects.";
	case ENOPROTOOPT:
	case EPROTO:
		return "A router or a firewall sends an ICMP error.";
	case EADDRNOTAVAIL:
		return "No local port is free for this destination.";
	case EACCES:
	case EPERM:
		return "A firewall of this host, a route of type prohibit, or a security module "
		       "forbids it.";
	case EINVAL:
		return sent ? "" :
			      "A route of type blackhole leads to the address, as `ip route get "
			      "ADDRESS` shows, or the address or the socket is not fit for "
			      "connect().";
	case ECONNRESET:
		return "The connection was reset while it opened.";
	default:
		return "";
	}
}

static void add_failing(struct finder *finder, const struct fact_owner *owner,
			const struct fact_address *at, int err, uint64_t count, bool sent)
{
	struct finding *finding = finder_add(finder, FINDING_CONNECT_FAILING, FINDING_WARNING);

	if (!finding)
		return;
	finding->count = count;
	finding->owner = *owner;
	finding->at = *at;
	finding->at.lport = 0;
	memset(finding->at.laddr, 0, sizeof(finding->at.laddr));
	finding->err = err;
	finding_figure(finding, "failed", count, FIGURE_COUNT, true);
	finding_why(finding, "%s", why_failing(err, sent));
	if (!sent && (err == ENETUNREACH || err == EHOSTUNREACH || err == EINVAL || err == EACCES))
		finding_more(finding, "tcpdwell diagnose -p %u", owner->pid); /* makes no rows */
	else if (at->rport)
		finding_more(finding, "tcpdwell --from SYN_SENT --to CLOSE -D %u", at->rport);
	else
		finding_more(finding, "tcpdwell --from SYN_SENT --to CLOSE -p %u", owner->pid);
}

/*
 * Returns how many connections ended with the same error. A connect() that blocked is among the
 * failed calls, too.
 */
static uint64_t ends_of(const struct finder *finder, const struct fact_failure *failure)
{
	for (size_t i = 0; i < finder->facts->end_count; i++) {
		const struct fact_end *end = &finder->facts->ends[i];

		if (end->from == TCPDWELL_SYN_SENT && end->err == failure->err &&
		    !compare_owner(&end->owner, &failure->owner) &&
		    !compare_destination(&end->at, &failure->at))
			return end->count;
	}
	return 0;
}

static bool failed_as_call(const struct finder *finder, const struct fact_end *end)
{
	for (size_t i = 0; i < finder->facts->failure_count; i++) {
		const struct fact_failure *failure = &finder->facts->failures[i];

		if (failure->call == FACT_CONNECT && failure->err == end->err &&
		    !compare_owner(&end->owner, &failure->owner) &&
		    !compare_destination(&end->at, &failure->at))
			return true;
	}
	return false;
}

/* Returns true if a scan reports the failure. */
static bool is_told_as_scan(const struct finder *finder, const struct fact_owner *owner,
			    const struct fact_address *at)
{
	const struct fact_socket like = { .at = *at, .owner = *owner };

	return was_found_scanning(finder, &like);
}

/*
 * Returns true if @end goes to the same address as @like, at a port that fails too seldom to be
 * reported by itself.
 */
static bool is_of_address(const struct fact_end *end, const struct fact_end *like)
{
	return end->from == TCPDWELL_SYN_SENT && end->err == like->err && end->count < FAILURES &&
	       end->reason != TCPDWELL_REASON_NO_LOCAL_PORT && end->at.netns == like->at.netns &&
	       !memcmp(end->at.raddr, like->at.raddr, sizeof(end->at.raddr)) &&
	       !compare_owner(&end->owner, &like->owner);
}

static bool was_found_failing(const struct finder *finder, const struct fact_end *end)
{
	for (size_t i = 0; i < finder->count; i++) {
		const struct finding *f = &finder->list[i];

		if (f->id == FINDING_CONNECT_FAILING && !f->at.rport && f->err == end->err &&
		    f->at.netns == end->at.netns && !compare_owner(&f->owner, &end->owner) &&
		    !memcmp(f->at.raddr, end->at.raddr, sizeof(end->at.raddr)))
			return true;
	}
	return false;
}

/* Finds processes that try many ports of one address, and fail once or twice at each. */
static void find_failing_ports(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->end_count; i++) {
		const struct fact_end *like = &finder->facts->ends[i];
		struct fact_address at = like->at;
		uint64_t count = 0, ports = 0;

		if (!like->err || !is_of_address(like, like) || was_found_failing(finder, like))
			continue;
		for (size_t j = i; j < finder->facts->end_count; j++) {
			const struct fact_end *end = &finder->facts->ends[j];

			if (!is_of_address(end, like) ||
			    is_told_as_scan(finder, &end->owner, &end->at))
				continue;
			count += end->count;
			ports++;
		}
		at.rport = 0;
		if (ports < FAILING_PORTS)
			continue;
		add_failing(finder, &like->owner, &at, like->err, count, true);
		if (finder->err)
			return;
		finding_figure(&finder->list[finder->count - 1], "remote_ports", ports,
			       FIGURE_COUNT, false);
	}
}

/* Returns true if the connection failed as @like did, in a process of the same name. */
static bool is_of_name(const struct fact_end *end, const struct fact_end *like)
{
	return end->from == TCPDWELL_SYN_SENT && end->err == like->err && end->count < FAILURES &&
	       end->reason != TCPDWELL_REASON_NO_LOCAL_PORT &&
	       !compare_destination(&end->at, &like->at) &&
	       !memcmp(end->owner.comm, like->owner.comm, sizeof(end->owner.comm));
}

static bool was_found_of_name(const struct finder *finder, const struct fact_end *end)
{
	for (size_t i = 0; i < finder->count; i++) {
		const struct finding *f = &finder->list[i];

		if (f->id == FINDING_CONNECT_FAILING && f->err == end->err &&
		    !compare_destination(&f->at, &end->at) &&
		    !memcmp(f->owner.comm, end->owner.comm, sizeof(end->owner.comm)))
			return true;
	}
	return false;
}

/* Processes that are made for one task each, as those of cron are, fail once each. */
static void find_failing_workers(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->end_count && !finder->err; i++) {
		const struct fact_end *like = &finder->facts->ends[i];
		uint64_t count = 0, processes = 0;

		if (!like->err || !like->owner.comm[0] || !is_of_name(like, like) ||
		    is_told_as_scan(finder, &like->owner, &like->at) ||
		    was_found_of_name(finder, like))
			continue;
		for (size_t j = i; j < finder->facts->end_count; j++) {
			if (!is_of_name(&finder->facts->ends[j], like))
				continue;
			count += finder->facts->ends[j].count;
			processes++;
		}
		if (count < FAILURES)
			continue;
		add_failing(finder, &like->owner, &like->at, like->err, count, true);
		if (!finder->err)
			finding_figure(&finder->list[finder->count - 1], "processes", processes,
				       FIGURE_COUNT, false);
	}
}

void find_failing(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->failure_count; i++) {
		const struct fact_failure *failure = &finder->facts->failures[i];
		uint64_t ended = ends_of(finder, failure);
		uint64_t count = ended > failure->count ? ended : failure->count;

		if (failure->call == FACT_CONNECT && count >= FAILURES && !is_of_ports(failure) &&
		    !is_no_failure(failure->err) &&
		    !is_told_as_scan(finder, &failure->owner, &failure->at))
			add_failing(finder, &failure->owner, &failure->at, failure->err, count,
				    ended);
	}
	for (size_t i = 0; i < finder->facts->end_count; i++) {
		const struct fact_end *end = &finder->facts->ends[i];

		if (end->from == TCPDWELL_SYN_SENT && end->err && end->count >= FAILURES &&
		    end->reason != TCPDWELL_REASON_NO_LOCAL_PORT && !failed_as_call(finder, end) &&
		    !is_told_as_scan(finder, &end->owner, &end->at))
			add_failing(finder, &end->owner, &end->at, end->err, end->count, true);
	}
	find_failing_ports(finder);
	find_failing_workers(finder);
}

/* ---- Itself ---- */

static bool is_local_port(const struct finder *finder, const struct fact_address *at)
{
	const struct fact_netns *netns = finder_netns(finder, at->netns);

	return netns && at->lport >= netns->settings[FACT_PORTS_LOW] &&
	       at->lport <= netns->settings[FACT_PORTS_HIGH];
}

static bool test_self(const struct fact_socket *socket, uint64_t leak_ns)
{
	const struct fact_address *at = &socket->at;

	(void)leak_ns;
	return at->lport && at->lport == at->rport &&
	       !memcmp(at->laddr, at->raddr, sizeof(at->laddr)) &&
	       socket->state != TCPDWELL_LISTEN && socket->state != TCPDWELL_TIME_WAIT;
}

unsigned int find_open_kinds(const struct fact_socket *socket, uint64_t leak_ns)
{
	unsigned int kinds = test_self(socket, leak_ns) ? FINDER_SELF : 0;

	if (!test_unanswered(socket, leak_ns))
		return kinds;
	return kinds | FINDER_UNANSWERED |
	       (socket->timers.retransmits >= UNANSWERED_SYNS ? FINDER_UNANSWERED_AGAIN : 0);
}

/*
 * Sets when a socket that is connected to itself ends. It acknowledges its own data and answers its
 * own keep-alive probes, so those timers end nothing. TCP_USER_TIMEOUT may.
 */
static void set_end_of_self(const struct finder *finder, struct finding *finding,
			    const struct fact_socket *socket)
{
	const struct deadline_socket *timers = &socket->timers;

	finding_end(finder, finding, socket);
	if (socket->state != TCPDWELL_ESTABLISHED || timers->user_timeout_ms || timers->retransmits)
		return;
	finding->has_end = true;
	finding->end = (struct deadline){ .kind = DEADLINE_NEVER };
}

void find_self_connect(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *socket = &finder->facts->sockets[i];
		const struct fact_address *at = &socket->at;
		struct finding *finding;

		if (!finder_is(finder, socket, FINDER_SELF, test_self))
			continue;
		finding = finder_add(finder, FINDING_SELF_CONNECT, FINDING_CRITICAL);
		if (!finding)
			return;
		finding->count = 1;
		finding->owner = socket->owner;
		finding->at = *at;
		set_end_of_self(finder, finding, socket);
		finding_figure(finding, "sockets", 1, FIGURE_COUNT, false);
		finding_setting(finding, FACT_PORTS_LOW);
		finding_setting(finding, FACT_PORTS_HIGH);
		finding_why(
			finding, "%s",
			!socket->bound && is_local_port(finder, at) ?
				"The port lies in the range of local ports, and no server listens "
				"there: connect() picked it for both ends." :
				"It was bound to the very address that it connected to.");
		finding_more(finding, "tcpdwell snapshot --sockets -L %u", at->lport);
	}
}
