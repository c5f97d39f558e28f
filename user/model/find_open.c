// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Findings about clients: no answer, many addresses, a connection to itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
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

int finder_compare_destinations(const struct fact_address *a, const struct fact_address *b)
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
	return finder_compare_owners(&a->owner, &b->owner) ?:
		       compare(a->at.netns, b->at.netns)   ?:
							     compare(a->at.rport, b->at.rport);
}

static int by_destination(const struct fact_socket *a, const struct fact_socket *b)
{
	return finder_compare_destinations(&a->at, &b->at);
}

static int ends_by_destination(const struct fact_end *a, const struct fact_end *b)
{
	return finder_compare_destinations(&a->at, &b->at);
}

/* Returns how many addresses refused the same process at the same port, or did not answer. */
static size_t addresses_that_failed(const struct finder *finder, const struct fact_socket *like)
{
	size_t count = 0;

	for (size_t i = 0; i < finder->facts->end_count; i++) {
		const struct fact_end *end = &finder->facts->ends[i];

		count += end->from == TCPDWELL_SYN_SENT &&
			 !finder_compare_owners(&end->owner, &like->owner) &&
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
	if (count)
		finding_figure(finding, "unanswered", finder_sockets(group, count), FIGURE_COUNT,
			       false);
	finding_why(finding, "Most of them do not answer, or refuse.");
	finding_more(finding, "tcpdwell -p %u --to SYN_SENT", finding->owner.pid);
}

/* Returns true if @listener takes what is sent to @at, because the address is one of this host. */
static bool is_sent_to(const struct fact_socket *listener, const struct fact_address *at)
{
	if (listener->at.netns != at->netns || listener->at.lport != at->rport)
		return false;
	if (!addr_is_any(listener->at.laddr, sizeof(listener->at.laddr)))
		return !memcmp(listener->at.laddr, at->raddr, sizeof(at->raddr));
	return !memcmp(at->laddr, at->raddr, sizeof(at->raddr)) ||
	       pressure_is_loopback(at->family, at->raddr);
}

/*
 * Returns true if @socket shows that the namespace of @listener is where connections from the
 * namespace of @at to that destination go: it is the server's end of one.
 */
static bool shows_way(struct finder *finder, const struct fact_socket *socket,
		      const struct fact_socket *listener, const struct fact_address *at)
{
	const struct fact_address *end = &socket->at;
	const struct fact_socket *peer;

	if (socket->part == FACT_PEER || socket->state == TCPDWELL_LISTEN ||
	    end->netns != listener->at.netns || end->lport != at->rport ||
	    memcmp(end->laddr, at->raddr, sizeof(at->raddr)))
		return false;
	if (!memcmp(end->raddr, at->laddr, sizeof(at->laddr)))
		return true;
	peer = finder_peer(finder, socket);
	return peer && peer->at.netns == at->netns;
}

/* Returns true if what is sent to @at comes to @listener, in another namespace of this host. */
static bool is_sent_across(struct finder *finder, const struct fact_socket *listener,
			   const struct fact_address *at)
{
	const struct fact_address *where = &listener->at;

	if (where->netns == at->netns || where->lport != at->rport ||
	    (!addr_is_any(where->laddr, sizeof(where->laddr)) &&
	     memcmp(where->laddr, at->raddr, sizeof(at->raddr))))
		return false;
	for (size_t i = 0; i < finder->facts->socket_count; i++)
		if (shows_way(finder, &finder->facts->sockets[i], listener, at))
			return true;
	return false;
}

/*
 * Returns the listener of this host whose accept queue is full, so that it drops SYNs and the last
 * ACK of handshakes that are sent to @at. NULL: none is known.
 */
static const struct fact_socket *holds_up(struct finder *finder, const struct fact_address *at)
{
	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *socket = &finder->facts->sockets[i];

		if (socket->state == TCPDWELL_LISTEN && socket->waiting > socket->backlog &&
		    (is_sent_to(socket, at) || is_sent_across(finder, socket, at)))
			return socket;
	}
	return NULL;
}

#define NO_ANSWER                                                                            \
	"Neither a SYN-ACK nor a RST nor an ICMP error comes: the host is down, a firewall " \
	"here or there drops, or the queues of the listener there are full."

static const char *why_unanswered(const struct fact_socket *const *group, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (group[i]->timers.err_soft)
			return "An ICMP error came back, or no neighbour answers: the host is "
			       "down, or a router or a firewall says that there is no way.";
	return NO_ANSWER;
}

/* Blames the listener, whose own finding comes first, since that is what must be fixed. */
static void blame_listener(struct finding *finding, const struct fact_socket *listener)
{
	const char *where = listener->at.netns != finding->at.netns ?
				    " in another namespace of this host" :
				    "";

	finding->severity = FINDING_WARNING;
	finding->helps = "Have the process that listens there accept: see accept_queue_full.";
	finding->useless = "More local ports. Longer timeouts.";
	if (listener->owner.pid)
		finding_why(
			finding,
			"%.15s (pid %u)%s listens at that port, and its accept queue is full: it "
			"drops SYNs.",
			listener->owner.comm, listener->owner.pid, where);
	else
		finding_why(finding,
			    "A process that is not known%s listens at that port, and its accept "
			    "queue is full: it drops SYNs.",
			    where);
}

/* Connections to one destination that ended while their SYNs were not answered. */
struct given_up {
	uint64_t count;	    /* that the process closed */
	uint64_t timed_out; /* whose last SYN the kernel had sent */
	uint64_t waited_ns; /* the longest of them */
};

static void add_given_up(struct given_up *sum, const struct fact_end *end)
{
	if (end->err)
		sum->timed_out += end->count;
	else
		sum->count += end->count;
	if (end->waited_ns > sum->waited_ns)
		sum->waited_ns = end->waited_ns;
}

/* Returns true if the kernel gave up. Where it sends few SYNs, no socket may be seen that waits. */
static bool has_timed_out(const struct fact_end *end)
{
	return end->from == TCPDWELL_SYN_SENT && end->err == ETIMEDOUT;
}

/* Returns true if @owner is the finding's, or one of the processes that the finding sums. */
static bool is_of_owner(const struct finding *finding, const struct fact_owner *owner)
{
	return finding->processes ? !memcmp(finding->owner.comm, owner->comm, sizeof(owner->comm)) :
				    !finder_compare_owners(&finding->owner, owner);
}

static struct given_up given_up(const struct finder *finder, const struct finding *finding)
{
	struct given_up sum = { 0 };

	for (size_t i = 0; i < finder->facts->end_count; i++) {
		const struct fact_end *end = &finder->facts->ends[i];

		if ((end->given_up || end->hasty || has_timed_out(end)) &&
		    is_of_owner(finding, &end->owner) &&
		    !finder_compare_destinations(&end->at, &finding->at))
			add_given_up(&sum, end);
	}
	return sum;
}

static void tell_given_up(struct finding *finding, const struct given_up *closed)
{
	finding->count += closed->count + closed->timed_out;
	if (closed->timed_out)
		finding_figure(finding, "timed_out", closed->timed_out, FIGURE_COUNT, true);
	if (!closed->count)
		return;
	finding_figure(finding, "given_up", closed->count, FIGURE_COUNT, true);
	finding_figure(finding, "longest_wait", closed->waited_ns, FIGURE_NS, false);
}

static uint64_t count_stuck(const struct fact_socket *const *group, size_t count)
{
	uint64_t stuck = 0;

	for (size_t i = 0; i < count; i++)
		if (group[i]->timers.retransmits >= UNANSWERED_SYNS)
			stuck += 1 + group[i]->others;
	return stuck;
}

/* find_given_up() reports those that are closed. */
static void found_destination(struct finder *finder, const struct fact_socket *const *group,
			      size_t count)
{
	struct finding *finding = finder_add(finder, FINDING_SYN_UNANSWERED, FINDING_CRITICAL);
	unsigned int most = 0;
	uint64_t oldest_ns = 0;
	const struct fact_socket *listener;
	struct given_up closed;

	if (!finding)
		return;
	finding->count = count_stuck(group, count);
	finding_set_owner(finding, group, count);
	finding->at = group[0]->at;
	finding->at.lport = 0;
	for (size_t i = 0; i < count; i++) {
		if (group[i]->timers.retransmits > most)
			most = group[i]->timers.retransmits;
		if (group[i]->age_ns > oldest_ns)
			oldest_ns = group[i]->age_ns;
		finding_end(finder, finding, group[i]);
	}
	finding_figure(finding, "in_syn_sent", finding->count, FIGURE_COUNT, false);
	finding_processes(finding);
	finding_figure(finding, "syns_sent_again", most, FIGURE_COUNT, false);
	if (oldest_ns)
		finding_figure(finding, "oldest", oldest_ns, FIGURE_NS, false);
	closed = given_up(finder, finding);
	tell_given_up(finding, &closed);
	finding_setting(finding, FACT_SYN_RETRIES);
	listener = holds_up(finder, &group[0]->at);
	if (listener)
		blame_listener(finding, listener);
	else
		finding_why(finding, "%s", why_unanswered(group, count));
	finding_more(finding, "tcpdwell snapshot --sockets -s SYN_SENT -D %u", finding->at.rport);
}

bool finder_found_scan(const struct finder *finder, const struct fact_owner *owner,
		       const struct fact_address *at)
{
	for (size_t i = 0; i < finder->count; i++)
		if (finder->list[i].id == FINDING_SCAN &&
		    !finder_compare_owners(&finder->list[i].owner, owner) &&
		    finder->list[i].at.rport == at->rport)
			return true;
	return false;
}

static bool was_found_unanswered(const struct finder *finder, const struct fact_end *end)
{
	for (size_t i = 0; i < finder->count; i++)
		if (finder->list[i].id == FINDING_SYN_UNANSWERED &&
		    is_of_owner(&finder->list[i], &end->owner) &&
		    !finder_compare_destinations(&finder->list[i].at, &end->at))
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
		    !finder_compare_destinations(&socket->at, &like->at))
			return true;
	}
	/* Ends of connections that were open have no remote address. */
	for (size_t i = 0; i < finder->facts->end_count; i++) {
		const struct fact_end *end = &finder->facts->ends[i];

		if (end->from != TCPDWELL_SYN_SENT &&
		    !finder_compare_owners(&end->owner, &like->owner) &&
		    end->at.netns == like->at.netns && end->at.rport == like->at.rport)
			return true;
	}
	return false;
}

static void found_given_up(struct finder *finder, const struct fact_end *const *group, size_t count)
{
	struct finding *finding = finder_add(finder, FINDING_SYN_UNANSWERED, FINDING_CRITICAL);
	const struct fact_socket *listener;
	struct given_up closed = { 0 };
	bool hasty = true;

	if (!finding)
		return;
	for (size_t i = 0; i < count; i++) {
		add_given_up(&closed, group[i]);
		hasty &= group[i]->hasty;
	}
	finding_set_owner_of_ends(finding, group, count);
	finding->at = group[0]->at;
	finding->at.lport = 0;
	tell_given_up(finding, &closed);
	finding_processes(finding);
	finding_setting(finding, FACT_SYN_RETRIES);
	listener = holds_up(finder, &finding->at);
	if (listener)
		blame_listener(finding, listener);
	else if (hasty)
		finding_why(finding, "Nothing comes back for as long as the process waits, which "
				     "is less than a second: the host is down, a firewall drops, "
				     "or the way there is slow.");
	else
		finding_why(finding, "%s", NO_ANSWER);
	finding_more(finding, "tcpdwell --from SYN_SENT --to CLOSE -D %u", finding->at.rport);
}

/* Programs that have a timeout of their own may have no socket at the time of the look. */
static bool is_given_up(const struct finder *finder, const struct fact_end *end)
{
	return (end->given_up || has_timed_out(end) || (end->hasty && !may_answer(finder, end))) &&
	       !finder_found_scan(finder, &end->owner, &end->at) &&
	       !was_found_unanswered(finder, end);
}

static bool is_unanswered_alone(const struct finder *finder, const struct fact_socket *socket)
{
	return is_unanswered(finder, socket) &&
	       !finder_found_scan(finder, &socket->owner, &socket->at);
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
		    !finder_found_scan(finder, &end->owner, &end->at) &&
		    is_scan(finder, &like, 0)) {
			found_service(finder, &group, 0);
		}
	}
}

void find_unanswered(struct finder *finder)
{
	const struct finder_least least = {
		.alone = UNANSWERED_CONNECTIONS,
		.all = UNANSWERED_CONNECTIONS,
		.count = count_stuck,
	};

	finder_groups(finder, is_unanswered, by_service, found_service);
	find_refused_scans(finder);
	finder_programs(finder, is_unanswered_alone, by_destination, least, found_destination);
	finder_ends(finder, is_given_up, ends_by_destination, UNANSWERED_CONNECTIONS,
		    found_given_up);
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
