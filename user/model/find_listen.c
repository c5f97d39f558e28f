// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Findings of who listens: floods, and connections that nobody accepts. */
#include <string.h>

#include "model/finders.h"

#define S 1000000000ULL

/* A handshake that is slow is none of a flood; so many are. */
#define FLOOD_MIN   16
#define FLOOD_SHARE 8

/* So long a connection may wait for accept(): a server under load is faster. */
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

/* Whether no listener of the namespace has more old requests: cookies have no listener's name. */
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

static void describe_flood(struct finder *finder, struct finding *finding,
			   const struct fact_netns *netns)
{
	uint64_t sent = netns ? netns->grew[FACT_SYNCOOKIES_SENT] : 0;
	uint64_t valid = netns ? netns->grew[FACT_SYNCOOKIES_RECV] : 0;

	(void)finder;
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
	bool cookies = netns && netns->settings[FACT_SYNCOOKIES] &&
		       netns->settings[FACT_SYNCOOKIES] != FACT_UNKNOWN;
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
	describe_flood(finder, finding, netns);
	finding_why(finding, "%s %s",
		    listener->request_sources > 1 || !listener->request_sources ?
			    "Many addresses send SYNs and answer no SYN-ACK: forged, as a rule." :
			    "One address sends SYNs and does not answer the SYN-ACK.",
		    cookies ? "SYN cookies let real clients in." :
			      "SYN cookies are off: real clients are locked out.");
	finding_more(finding, "tcpdwell -s SYN_RECV -L %u", listener->at.lport);
}

static bool is_flooded(const struct finder *finder, const struct fact_socket *listener)
{
	uint32_t share = listener->backlog / FLOOD_SHARE;

	if (listener->old_requests >= (share > FLOOD_MIN ? share : FLOOD_MIN))
		return true;
	return grew(finder, listener->at.netns, FACT_SYNCOOKIES_SENT) &&
	       has_most_requests(finder, listener);
}

/* Cookies were sent, and no listener has a request: they take none. */
static void find_cookies_alone(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->netns_count; i++) {
		const struct fact_netns *netns = &finder->facts->namespaces[i];
		struct finding *finding;
		bool told = false;

		for (size_t j = 0; j < finder->count; j++)
			told |= finder->list[j].id == FINDING_SYN_FLOOD &&
				finder->list[j].at.netns == netns->inode;
		if (told || !netns->grew[FACT_SYNCOOKIES_SENT])
			continue;
		finding = finder_add(finder, FINDING_SYN_FLOOD, FINDING_WARNING);
		if (!finding)
			return;
		finding->count = netns->grew[FACT_SYNCOOKIES_SENT];
		finding->at.netns = netns->inode;
		describe_flood(finder, finding, netns);
		finding_why(finding,
			    "The kernel answers with SYN cookies, for which it keeps no state: "
			    "which port it is does not show.");
		finding_more(finding, "tcpdwell snapshot -l");
	}
}

/* ---- The accept queue ---- */

struct queue {
	uint64_t oldest_ns;
	uint64_t waiting;
	uint64_t served; /* other connections of the process */
};

static struct queue look_into(const struct finder *finder, const struct fact_socket *listener)
{
	struct queue queue = { 0 };

	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *socket = &finder->facts->sockets[i];

		if (socket->queued && is_same_listener(socket, listener)) {
			queue.waiting++;
			if (socket->age_ns > queue.oldest_ns)
				queue.oldest_ns = socket->age_ns;
		} else if (listener->owner.pid && socket->owner.pid == listener->owner.pid &&
			   socket->state != TCPDWELL_LISTEN) {
			queue.served++;
		}
	}
	return queue;
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
	finding_setting(finding, FACT_SOMAXCONN);
	finding_setting(finding, FACT_ABORT_ON_OVERFLOW);
	if (queue->oldest_ns >= WAIT_NS)
		finding_why(finding,
			    "The process does not call accept()%s: a larger backlog only lets "
			    "more clients wait.",
			    queue->served ? ", and has other connections to serve" : "");
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
