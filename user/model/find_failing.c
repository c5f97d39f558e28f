// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Findings about connect() that returns an error. Some errors make no transition, and are known
 * from the calls alone; others are known from the ends of connections, or from both.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/finders.h"
#include "model/pressure.h"

/*
 * FINDER_FAILING_MANY ports of one address, addresses or processes of one name are one finding, and
 * so are fewer that fail often enough to have one each.
 */
#define FAILING_OFTEN 6

/*
 * Returns true for errors that say that a non-blocking connect() goes on, and for those that are no
 * fault of the connection.
 */
static bool is_no_failure(int err)
{
	return err == EINPROGRESS || err == EALREADY || err == EISCONN || err == EINTR ||
	       err == EAGAIN;
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

#define REFUSED_BUT_OPEN                                                                          \
	"Other connections to that port are open, so somebody listens: a firewall or a limit on " \
	"the way rejects, or the server was away for a moment."

/* Returns true if the same destination has taken other connections. */
static bool is_reached(const struct finder *finder, const struct fact_address *at)
{
	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *socket = &finder->facts->sockets[i];

		if (socket->client && socket->part != FACT_FOLDED &&
		    socket->state == TCPDWELL_ESTABLISHED &&
		    !finder_compare_destinations(&socket->at, at))
			return true;
	}
	return false;
}

/* Says why it fails, as far as it follows from more than the errno. */
static void explain_failing(const struct finder *finder, struct finding *finding, bool sent)
{
	const struct fact_address *at = &finding->at;

	if (finder_is_off(finder, at) && !sent) {
		finding_why(finding, "IPv6 is off in this namespace, so the address cannot be "
				     "reached.");
		finding_advise_off(finding);
		finding->useless = "More local ports.";
	} else if (finding->err == EINVAL && !sent &&
		   pressure_is_link_local(at->family, at->raddr)) {
		finding_why(finding, "An address in fe80::/10 is one of a link, and the call does "
				     "not say of which (sin6_scope_id).");
		finding->helps = "Name the interface, as in fe80::1%eth0.";
	} else if (finding->err == ECONNREFUSED && is_reached(finder, at)) {
		finding_why(finding, "%s", REFUSED_BUT_OPEN);
		finding->helps = "Rules and limits of firewalls on the way, such as `nft list "
				 "ruleset` on the server's host; the server's log.";
	} else {
		finding_why(finding, "%s", why_failing(finding->err, sent));
	}
}

/* ---- What failed ---- */

/*
 * What failed of one process for one destination with one errno. A connect() that blocked is among
 * the calls and among the ends.
 */
struct failed {
	struct fact_owner owner;
	struct fact_address at;
	uint16_t err;
	uint64_t calls;
	uint64_t ends;
	uint64_t first_ns; /* of the ends; 0: there is none */
	uint64_t last_ns;
};

struct failed_list {
	struct failed *items;
	size_t count;
};

static uint64_t times(const struct failed *failed)
{
	return failed->calls > failed->ends ? failed->calls : failed->ends;
}

static int by_errno_and_destination(const struct failed *a, const struct failed *b)
{
	return compare(a->err, b->err) ?: finder_compare_destinations(&a->at, &b->at);
}

/* The processes of one name stand together. */
static int by_program(const void *left, const void *right)
{
	const struct failed *a = left, *b = right;

	return by_errno_and_destination(a, b) ?: finder_compare_owners(&a->owner, &b->owner);
}

static int by_process_and_errno(const struct failed *a, const struct failed *b)
{
	return finder_compare_owners(&a->owner, &b->owner) ?:
		       compare(a->err, b->err)		   ?:
							     compare(a->at.netns, b->at.netns);
}

/* The ports of one address stand together. */
static int by_process_and_address(const struct failed *a, const struct failed *b)
{
	return by_process_and_errno(a, b) ?: memcmp(a->at.raddr, b->at.raddr, sizeof(a->at.raddr));
}

static int sort_by_process_and_address(const void *left, const void *right)
{
	return by_process_and_address(left, right);
}

static void add_failed(const struct finder *finder, struct failed_list *list,
		       const struct failed *failed)
{
	if (!finder_found_scan(finder, &failed->owner, &failed->at))
		list->items[list->count++] = *failed;
}

static void merge_times(struct failed *to, const struct failed *from)
{
	if (!to->first_ns || (from->first_ns && from->first_ns < to->first_ns))
		to->first_ns = from->first_ns;
	if (from->last_ns > to->last_ns)
		to->last_ns = from->last_ns;
}

static void merge(struct failed_list *list)
{
	size_t kept = 0;

	qsort(list->items, list->count, sizeof(*list->items), by_program);
	for (size_t i = 0; i < list->count; i++) {
		if (kept && !by_program(&list->items[kept - 1], &list->items[i])) {
			list->items[kept - 1].calls += list->items[i].calls;
			list->items[kept - 1].ends += list->items[i].ends;
			merge_times(&list->items[kept - 1], &list->items[i]);
		} else {
			list->items[kept++] = list->items[i];
		}
	}
	list->count = kept;
}

/* ---- What succeeded ---- */

/* Returns true if the connection is open, and the process of @failed opened it. */
static bool is_open_of(const struct fact_socket *socket, const struct failed *failed)
{
	return socket->client && socket->state == TCPDWELL_ESTABLISHED &&
	       !finder_compare_owners(&socket->owner, &failed->owner);
}

/* Returns true if the ends are of connections to that port that the process of @failed opened. */
static bool were_open_of(const struct fact_end *end, const struct failed *failed)
{
	return end->from != TCPDWELL_SYN_SENT && end->at.netns == failed->at.netns &&
	       end->at.rport == failed->at.rport &&
	       !finder_compare_owners(&end->owner, &failed->owner);
}

/* ---- The other family ---- */

/*
 * Returns true if the address is one that programs try before they take one of IPv4: ::1 for
 * "localhost", or any of IPv6 where there is no route for it.
 */
static bool is_tried_first(const struct finder *finder, const struct failed *failed)
{
	return failed->at.family == 6 &&
	       (pressure_is_loopback(6, failed->at.raddr) || failed->err == ENETUNREACH ||
		finder_is_off(finder, &failed->at));
}

/* Returns true if the process has connected over IPv4 to the same port at least as often. */
static bool falls_back(const struct finder *finder, const struct failed *failed)
{
	const struct facts *facts = finder->facts;
	uint64_t well = 0;

	for (size_t i = 0; i < facts->end_count; i++) {
		const struct fact_end *end = &facts->ends[i];

		if (end->at.family == 4 && were_open_of(end, failed))
			well += end->count;
	}
	for (size_t i = 0; i < facts->socket_count; i++) {
		const struct fact_socket *socket = &facts->sockets[i];

		if (socket->at.family == 4 && socket->at.netns == failed->at.netns &&
		    socket->at.rport == failed->at.rport && is_open_of(socket, failed))
			well += 1 + socket->others;
	}
	return well + 1 >= times(failed); /* the last one may be on its way */
}

/* ---- What is over ---- */

/* So long after the last failure, and after twice the usual time between two, none is expected. */
#define QUIET_NS 1000000000ULL

/* Returns true if the process has connected there since the last failure. */
static bool connected_since(const struct finder *finder, const struct failed *failed)
{
	const struct facts *facts = finder->facts;

	for (size_t i = 0; i < facts->socket_count; i++) {
		const struct fact_socket *socket = &facts->sockets[i];

		if (socket->opened_most_ns < facts->now_ns - failed->last_ns &&
		    !finder_compare_destinations(&socket->at, &failed->at) &&
		    is_open_of(socket, failed))
			return true;
	}
	for (size_t i = 0; i < facts->end_count; i++) {
		const struct fact_end *end = &facts->ends[i];

		if (end->last_ns > failed->last_ns && end->at.family == failed->at.family &&
		    were_open_of(end, failed))
			return true;
	}
	return false;
}

/* Returns true if the server was away, for example to restart, and serves the process again. */
static bool has_recovered(const struct finder *finder, const struct failed *failed)
{
	uint64_t now_ns = finder->facts->now_ns, between_ns;

	if (!failed->ends || failed->calls > failed->ends || now_ns < failed->last_ns)
		return false;
	between_ns = failed->ends > 1 ? (failed->last_ns - failed->first_ns) / (failed->ends - 1) :
					0;
	return now_ns - failed->last_ns >= 2 * between_ns + QUIET_NS &&
	       connected_since(finder, failed);
}

/* Leaves out what is over, and what a program tries in vain before it connects over IPv4. */
static void forget_well(const struct finder *finder, struct failed_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (!has_recovered(finder, &list->items[i]) &&
		    (!is_tried_first(finder, &list->items[i]) ||
		     !falls_back(finder, &list->items[i])))
			list->items[kept++] = list->items[i];
	list->count = kept;
}

static void fill(const struct finder *finder, struct failed_list *list)
{
	const struct facts *facts = finder->facts;

	for (size_t i = 0; i < facts->failure_count; i++) {
		const struct fact_failure *failure = &facts->failures[i];
		const struct failed failed = {
			.owner = failure->owner,
			.at = failure->at,
			.err = failure->err,
			.calls = failure->count,
		};

		/* find_ports() reports that there is no local port. */
		if (failure->call == FACT_CONNECT && !is_no_failure(failure->err) &&
		    (failure->err != EADDRNOTAVAIL || finder_is_off(finder, &failure->at)))
			add_failed(finder, list, &failed);
	}
	for (size_t i = 0; i < facts->end_count; i++) {
		const struct fact_end *end = &facts->ends[i];
		const struct failed failed = {
			.owner = end->owner,
			.at = end->at,
			.err = end->err,
			.ends = end->count,
			.first_ns = end->first_ns,
			.last_ns = end->last_ns,
		};

		if (end->from == TCPDWELL_SYN_SENT && end->err &&
		    end->reason != TCPDWELL_REASON_NO_LOCAL_PORT)
			add_failed(finder, list, &failed);
	}
	merge(list);
	forget_well(finder, list);
}

/* ---- What is found ---- */

/* Names the command that shows what failed. Calls that send no SYN make no rows. */
static void show(struct finding *finding, bool sent)
{
	const char *rows = "tcpdwell --from SYN_SENT --to CLOSE";

	if (!sent && !finding->processes)
		finding_more(finding, "tcpdwell diagnose -p %u", finding->owner.pid);
	else if (finding->at.rport)
		finding_more(finding, "%s -D %u", sent ? rows : "tcpdwell diagnose",
			     finding->at.rport);
	else
		finding_more(finding, "%s -p %u", rows, finding->owner.pid);
}

/* Adds the finding of @count items, which are of one program or of one address. */
static struct finding *add_failing(struct finder *finder, const struct failed *items, size_t count)
{
	struct finding *finding = finder_add(finder, FINDING_CONNECT_FAILING, FINDING_WARNING);
	uint64_t ends = 0;
	uint32_t processes = 0;

	if (!finding)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		finding->count += times(&items[i]);
		ends += items[i].ends;
		processes += !i || items[i].owner.pid != items[i - 1].owner.pid;
	}
	finding->owner = items->owner;
	finding->processes = processes > 1 ? processes : 0;
	finding->at = items->at;
	finding->at.lport = 0;
	memset(finding->at.laddr, 0, sizeof(finding->at.laddr));
	finding->err = items->err;
	finding_figure(finding, "failed", finding->count, FIGURE_COUNT, true);
	finding_processes(finding);
	explain_failing(finder, finding, ends);
	return finding;
}

/* Returns true if @items are too many to be reported one by one. */
static bool are_many(const struct failed *items, size_t count)
{
	size_t often = 0;

	for (size_t i = 0; i < count; i++)
		often += times(&items[i]) >= FINDER_FAILURES;
	return count >= FINDER_FAILING_MANY || often >= FAILING_OFTEN;
}

typedef int failed_compare(const struct failed *a, const struct failed *b);
typedef void found_many(struct finding *finding, const struct failed *items, size_t count);

/*
 * Reports those that @compare takes for equal and that are too many for a finding each, and takes
 * them out of @list, where they stand together.
 */
static void find_many(struct finder *finder, struct failed_list *list, failed_compare *compare,
		      found_many *found)
{
	struct failed *items = list->items;
	size_t kept = 0;

	for (size_t i = 0, n; i < list->count; i += n) {
		struct finding *finding;

		for (n = 1; i + n < list->count; n++)
			if (compare(&items[i], &items[i + n]))
				break;
		if (!are_many(items + i, n)) {
			memmove(items + kept, items + i, n * sizeof(*items));
			kept += n;
			continue;
		}
		finding = add_failing(finder, items + i, n);
		if (!finding)
			return;
		found(finding, items + i, n);
		show(finding, items[i].ends);
	}
	list->count = kept;
}

static void found_ports(struct finding *finding, const struct failed *items, size_t count)
{
	(void)items;
	finding->at.rport = 0;
	finding_figure(finding, "remote_ports", count, FIGURE_COUNT, false);
}

static void found_addresses(struct finding *finding, const struct failed *items, size_t count)
{
	memset(finding->at.raddr, 0, sizeof(finding->at.raddr));
	for (size_t i = 1; i < count; i++)
		if (items[i].at.rport != items->at.rport)
			finding->at.rport = 0;
	finding_figure(finding, "destinations", count, FIGURE_COUNT, false);
}

/*
 * Finds processes that fail at many ports of one address, then those that fail at many addresses,
 * for example because there is no route.
 */
static void find_many_destinations(struct finder *finder, struct failed_list *list)
{
	qsort(list->items, list->count, sizeof(*list->items), sort_by_process_and_address);
	find_many(finder, list, by_process_and_address, found_ports);
	find_many(finder, list, by_process_and_errno, found_addresses);
}

static void found_failing(struct finder *finder, const struct failed *items, size_t count)
{
	struct finding *finding = add_failing(finder, items, count);

	if (finding)
		show(finding, items->ends);
}

/* Reports the processes of one name that fail at one destination: each, or all together. */
static void find_program(struct finder *finder, struct failed *items, size_t count)
{
	size_t few = 0;
	uint64_t sum = 0;

	if (are_many(items, count)) {
		found_failing(finder, items, count);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (times(&items[i]) >= FINDER_FAILURES) {
			found_failing(finder, &items[i], 1);
			continue;
		}
		sum += times(&items[i]);
		items[few++] = items[i];
	}
	if (sum >= FINDER_FAILURES && items->owner.comm[0])
		found_failing(finder, items, few);
}

/* Finds programs whose processes fail at one destination. Those that cron starts fail once each. */
static void find_programs(struct finder *finder, struct failed_list *list)
{
	struct failed *items = list->items;

	qsort(items, list->count, sizeof(*items), by_program);
	for (size_t i = 0, n; i < list->count; i += n) {
		for (n = 1; i + n < list->count; n++)
			if (by_errno_and_destination(&items[i], &items[i + n]) ||
			    memcmp(items[i].owner.comm, items[i + n].owner.comm,
				   sizeof(items[i].owner.comm)))
				break;
		find_program(finder, items + i, n);
	}
}

void find_failing(struct finder *finder)
{
	struct failed_list list = { 0 };

	list.items = calloc(finder->facts->failure_count + finder->facts->end_count + 1,
			    sizeof(*list.items));
	if (!list.items) {
		finder->err = -ENOMEM;
		return;
	}
	fill(finder, &list);
	find_many_destinations(finder, &list);
	find_programs(finder, &list);
	free(list.items);
}
