// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Findings about listeners: floods, and connections that nobody accepts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/put.h"
#include "base/text.h"
#include "model/finders.h"

#define S 1000000000ULL

/* A few slow handshakes are no flood; this many are. */
#define FLOOD_MIN   16
#define FLOOD_SHARE 8

/* A value of net.ipv4.tcp_syncookies. */
#define COOKIES_ALWAYS 2

/* A connection that waits for accept() this long is too old: a server under load is faster. */
#define WAIT_NS (1 * S)

static uint64_t grew(const struct finder *finder, uint32_t netns, enum fact_counter counter)
{
	const struct fact_netns *found = finder_netns(finder, netns);

	return found ? found->grew[counter] : 0;
}

static bool is_same_listener(const struct fact_socket *child, const struct fact_socket *listener)
{
	static const uint8_t any[16];

	return child->at.netns == listener->at.netns && child->at.lport == listener->at.lport &&
	       (!memcmp(listener->at.laddr, any, sizeof(any)) ||
		!memcmp(listener->at.laddr, child->at.laddr, sizeof(any)));
}

/* ---- Floods ---- */

/*
 * Returns true if no listener of the namespace has more requests. The counters of cookies do not
 * name a listener.
 */
static bool has_most_requests(const struct finder *finder, const struct fact_socket *listener)
{
	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *other = &finder->facts->sockets[i];

		if (other->state == TCPDWELL_LISTEN && other->at.netns == listener->at.netns &&
		    other->requests > listener->requests)
			return false;
	}
	return listener->requests > 0;
}

/* Returns tcp_syncookies. 0: never, 1: if the queue of requests is full, 2: always. */
static uint64_t cookies_mode(const struct fact_netns *netns)
{
	return netns && netns->settings[FACT_SYNCOOKIES] != FACT_UNKNOWN ?
		       netns->settings[FACT_SYNCOOKIES] :
		       0;
}

static void describe_flood(struct finding *finding, const struct fact_netns *netns)
{
	uint64_t sent = netns ? netns->grew[FACT_SYNCOOKIES_SENT] : 0;
	uint64_t valid = netns ? netns->grew[FACT_SYNCOOKIES_RECV] : 0;

	if (cookies_mode(netns) == COOKIES_ALWAYS)
		finding->helps = "A filter before this host. SYN cookies are on already, for each "
				 "SYN.";
	else if (cookies_mode(netns))
		finding->helps = "A filter before this host. SYN cookies are on already; a larger "
				 "net.ipv4.tcp_max_syn_backlog together with a larger backlog of "
				 "listen() puts them off.";
	if (sent) {
		finding_figure(finding, "cookies_sent", sent, FIGURE_COUNT, true);
		finding_figure(finding, "cookies_valid", valid, FIGURE_COUNT, true);
	}
	if (netns && netns->grew[FACT_REQ_FULL_DROP])
		finding_figure(finding, "syns_dropped", netns->grew[FACT_REQ_FULL_DROP],
			       FIGURE_COUNT, true);
	finding_setting(finding, FACT_SYNCOOKIES);
	finding_setting(finding, FACT_MAX_SYN_BACKLOG);
	finding_setting(finding, FACT_SYNACK_RETRIES);
}

static void found_flood(struct finder *finder, const struct fact_socket *listener)
{
	const struct fact_netns *netns = finder_netns(finder, listener->at.netns);
	bool cookies = cookies_mode(netns);
	struct finding *finding = finder_add(finder, FINDING_SYN_FLOOD,
					     cookies ? FINDING_WARNING : FINDING_CRITICAL);

	if (!finding)
		return;
	finding->count = listener->requests;
	finding->owner = listener->owner;
	finding->at = listener->at;
	finding_figure(finding, "half_open", listener->requests, FIGURE_COUNT, false);
	finding_figure(finding, "half_open_old", listener->old_requests, FIGURE_COUNT, false);
	finding_figure(finding, "backlog", listener->backlog, FIGURE_COUNT, false);
	if (listener->request_sources)
		finding_figure(finding, "sources", listener->request_sources, FIGURE_COUNT, false);
	describe_flood(finding, netns);
	finding_why(finding, "%s %s",
		    listener->request_sources > 1 || !listener->request_sources ?
			    "Many addresses send SYNs and answer no SYN-ACK: forged, as a rule." :
			    "One address sends SYNs and does not answer the SYN-ACK.",
		    cookies ? "SYN cookies let real clients in." :
			      "SYN cookies are off: real clients are locked out.");
	finding_more(finding, "tcpdwell snapshot --sockets -s SYN_RECV -L %u", listener->at.lport);
}

/*
 * Returns true if cookies show that handshakes do not complete. The kernel sends a cookie when a
 * queue is full, and that is enough. If it is told to send them always, too few of them must come
 * back.
 */
static bool tell_cookies(const struct fact_netns *netns)
{
	uint64_t sent = netns ? netns->grew[FACT_SYNCOOKIES_SENT] : 0;
	uint64_t valid = netns ? netns->grew[FACT_SYNCOOKIES_RECV] : 0;
	uint64_t unanswered = sent > valid ? sent - valid : 0;

	if (cookies_mode(netns) != COOKIES_ALWAYS)
		return sent > 0;
	return unanswered >= FLOOD_MIN && unanswered >= sent / FLOOD_SHARE;
}

/*
 * Returns true if the listener is flooded. A queue that is more than half full drops old requests
 * early, and may hold only young ones at times. Then the SYNs that it drops show the flood.
 */
static bool is_flooded(const struct finder *finder, const struct fact_socket *listener)
{
	uint32_t share = listener->backlog / FLOOD_SHARE;
	uint32_t least = share > FLOOD_MIN ? share : FLOOD_MIN;

	if (listener->old_requests >= least)
		return true;
	return (tell_cookies(finder_netns(finder, listener->at.netns)) ||
		(listener->requests >= least &&
		 grew(finder, listener->at.netns, FACT_REQ_FULL_DROP))) &&
	       has_most_requests(finder, listener);
}

/*
 * Returns the only listener of the namespace that was seen to send cookies. NULL: there is none, or
 * there are several.
 */
static const struct fact_cookies *sender_of_cookies(const struct finder *finder, uint32_t netns)
{
	const struct fact_cookies *sender = NULL;

	for (size_t i = 0; i < finder->facts->cookies_count; i++) {
		const struct fact_cookies *cookies = &finder->facts->cookies[i];

		if (cookies->at.netns != netns)
			continue;
		if (sender)
			return NULL;
		sender = cookies;
	}
	return sender;
}

/* Finds floods where cookies were sent, but no listener has a request: a cookie takes none. */
static void find_cookies_alone(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->netns_count; i++) {
		const struct fact_netns *netns = &finder->facts->namespaces[i];
		const struct fact_cookies *sender;
		struct finding *finding;
		bool told = false;

		for (size_t j = 0; j < finder->count; j++)
			told |= finder->list[j].id == FINDING_SYN_FLOOD &&
				finder->list[j].at.netns == netns->inode;
		if (told || !tell_cookies(netns))
			continue;
		finding = finder_add(finder, FINDING_SYN_FLOOD, FINDING_WARNING);
		if (!finding)
			return;
		finding->count = netns->grew[FACT_SYNCOOKIES_SENT];
		finding->at.netns = netns->inode;
		sender = sender_of_cookies(finder, netns->inode);
		if (sender) {
			finding->at = sender->at;
			finding->owner = sender->owner;
		}
		describe_flood(finding, netns);
		finding_why(finding,
			    "The kernel answers with SYN cookies, for which it keeps no state%s.",
			    sender ? "" : ": which port it is does not show");
		finding_more(finding, "tcpdwell snapshot -l");
	}
}

/* ---- The accept queue ---- */

struct queue {
	uint64_t oldest_ns;
	uint64_t waiting;
	uint64_t served; /* other connections of those that may accept */
	/* Of those, the connections that the process opened, and where most of them go. */
	uint64_t opened;
	const struct fact_socket *most;
	uint64_t most_votes;
};

static bool is_same_destination(const struct fact_socket *a, const struct fact_socket *b)
{
	return a->at.rport == b->at.rport && !memcmp(a->at.raddr, b->at.raddr, sizeof(a->at.raddr));
}

/* Counts a vote. A destination with more than half of all votes is left at the end. */
static void vote(struct queue *queue, const struct fact_socket *socket)
{
	queue->opened++;
	if (!queue->most_votes)
		queue->most = socket;
	if (is_same_destination(queue->most, socket))
		queue->most_votes++;
	else
		queue->most_votes--;
}

static int compare_pids(const void *a, const void *b)
{
	const struct fact_socket *const *x = a, *const *y = b;

	return compare((*x)->owner.pid, (*y)->owner.pid);
}

/*
 * Picks a socket of each process that may accept, sorted by process: of the listener's owner, and,
 * if several processes have the listener, of those that have accepted at its port. If only one has
 * it, others that serve the port are its children or were given the connection.
 */
static size_t pick_servers(struct finder *finder, const struct fact_socket *listener)
{
	const struct fact_socket **picked = finder->picked;
	size_t count = 0, kept = 0;

	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *socket = &finder->facts->sockets[i];

		if (socket == listener ||
		    (listener->holders > 1 && !socket->queued && !socket->client &&
		     socket->part != FACT_PEER && is_same_listener(socket, listener)))
			picked[count++] = socket;
	}
	qsort(picked, count, sizeof(*picked), compare_pids);
	for (size_t i = 0; i < count; i++)
		if (picked[i]->owner.pid &&
		    (!kept || picked[i]->owner.pid != picked[kept - 1]->owner.pid))
			picked[kept++] = picked[i];
	return kept;
}

static struct queue look_into(struct finder *finder, const struct fact_socket *listener)
{
	size_t servers = pick_servers(finder, listener);
	struct queue queue = { 0 };

	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *socket = &finder->facts->sockets[i];

		if (socket->part == FACT_PEER)
			continue;
		if (socket->queued && is_same_listener(socket, listener)) {
			queue.waiting += 1 + socket->others;
			if (socket->age_ns > queue.oldest_ns)
				queue.oldest_ns = socket->age_ns;
		} else if (socket->state != TCPDWELL_LISTEN && socket->state != TCPDWELL_CLOSE &&
			   bsearch(&socket, finder->picked, servers, sizeof(*finder->picked),
				   compare_pids)) {
			queue.served += 1 + socket->others;
			if (socket->client && socket->state == TCPDWELL_ESTABLISHED)
				vote(&queue, socket);
		}
	}
	return queue;
}

static bool is_stopped(const struct finder *finder, const struct fact_owner *owner)
{
	for (size_t i = 0; i < finder->facts->process_count; i++)
		if (owner->pid && finder->facts->processes[i].owner.pid == owner->pid)
			return finder->facts->processes[i].stopped;
	return false;
}

/* Says what the processes that have the listener do instead of accepting. */
static void blame_process(const struct finder *finder, struct finding *finding,
			  const struct queue *queue, uint32_t holders)
{
	char to[96 + TEXT_SLACK_BYTES] = "", who[64] = "The process does not call accept()";
	bool several = holders > 1;

	if (!several && is_stopped(finder, &finding->owner)) {
		finding_why(finding, "The process is stopped, by a signal or a debugger.");
		finding->helps = "`kill -CONT PID` has it go on, if no debugger has it.";
		return;
	}
	if (queue->most_votes && queue->most_votes * 2 > queue->opened) {
		const struct fact_address *at = &queue->most->at;
		char *p = several ? put_literal(to, ", most of those that they opened to ") :
				    put_literal(to, ", most of those that it opened to ");

		p = put_char(put_addr(p, at->family ?: 4, at->raddr), ':');
		*put_u16(p, at->rport) = '\0';
	}
	if (several)
		snprintf(who, sizeof(who), "None of %" PRIu32 " processes calls accept()", holders);
	finding_why(finding, "%s%s%s: a larger backlog only lets more clients wait.", who,
		    !queue->served ? "" :
		    several	   ? ", and they have other connections to serve" :
				     ", and has other connections to serve",
		    to);
}

static void found_queue(struct finder *finder, const struct fact_socket *listener,
			const struct queue *queue)
{
	struct finding *finding = finder_add(finder, FINDING_ACCEPT_QUEUE_FULL, FINDING_CRITICAL);
	bool full = listener->waiting > listener->backlog;

	if (!finding)
		return;
	finding->count = listener->waiting;
	finding->owner = listener->owner;
	finding->at = listener->at;
	finding_figure(finding, "waiting", listener->waiting, FIGURE_COUNT, false);
	finding_figure(finding, "backlog", listener->backlog, FIGURE_COUNT, false);
	if (queue->oldest_ns)
		finding_figure(finding, "oldest", queue->oldest_ns, FIGURE_NS, false);
	finding_figure(finding, "dropped", listener->drops_grew, FIGURE_COUNT, true);
	finding_figure(finding, "other_connections", queue->served, FIGURE_COUNT, false);
	if (listener->holders > 1)
		finding_figure(finding, "processes", listener->holders, FIGURE_COUNT, false);
	finding_setting(finding, FACT_SOMAXCONN);
	finding_setting(finding, FACT_ABORT_ON_OVERFLOW);
	if (queue->oldest_ns >= WAIT_NS)
		blame_process(finder, finding, queue, listener->holders);
	else
		finding_why(finding, "%s",
			    full ? "More connections come than accept() takes." :
				   "The queue was full for a moment.");
	finding_more(finding, "tcpdwell snapshot -l -L %u", listener->at.lport);
}

void find_listeners(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *listener = &finder->facts->sockets[i];
		struct queue queue;

		if (listener->state != TCPDWELL_LISTEN)
			continue;
		if (is_flooded(finder, listener))
			found_flood(finder, listener);
		if (!listener->waiting && !listener->drops_grew)
			continue;
		queue = look_into(finder, listener);
		if (listener->waiting > listener->backlog || queue.oldest_ns >= WAIT_NS ||
		    (listener->drops_grew &&
		     grew(finder, listener->at.netns, FACT_LISTEN_OVERFLOWS)))
			found_queue(finder, listener, &queue);
	}
	find_cookies_alone(finder);
}
