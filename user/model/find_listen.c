// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Findings about listeners: floods. Those about accept queues are in find_queue.c.
 */
#include "model/finders.h"

/* A few slow handshakes are no flood; this many are. */
#define FLOOD_MIN   16
#define FLOOD_SHARE 8

/* A value of net.ipv4.tcp_syncookies. */
#define COOKIES_ALWAYS 2

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
			    "Many addresses send SYNs and complete no handshake: forged, as a "
			    "rule." :
			    "One address sends SYNs and completes no handshake: the SYN-ACK or "
			    "its answer is lost, or, with TCP_DEFER_ACCEPT, it says nothing.",
		    cookies ? "SYN cookies let real clients in." :
			      "SYN cookies are off: real clients are locked out.");
	finding_more(finding, "tcpdwell snapshot --sockets -s SYN_RECV -L %u", listener->at.lport);
}

/*
 * Returns true if cookies show that handshakes do not complete. The kernel sends a cookie when a
 * queue is full, and one that does not come back is enough. If it is told to send them always, too
 * few of them must come back.
 */
static bool tell_cookies(const struct fact_netns *netns)
{
	uint64_t sent = netns ? netns->grew[FACT_SYNCOOKIES_SENT] : 0;
	uint64_t valid = netns ? netns->grew[FACT_SYNCOOKIES_RECV] : 0;
	uint64_t unanswered = sent > valid ? sent - valid : 0;

	if (cookies_mode(netns) != COOKIES_ALWAYS)
		return unanswered > 0;
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
		 finder_grew(finder, listener->at.netns, FACT_REQ_FULL_DROP))) &&
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

/* Returns the listener of the namespace. NULL: there is none, or there may be several. */
static const struct fact_socket *only_listener(const struct finder *finder, uint32_t netns)
{
	const struct fact_socket *only = NULL;

	if (finder->facts->narrowed)
		return NULL;
	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *socket = &finder->facts->sockets[i];

		if (socket->state != TCPDWELL_LISTEN || socket->at.netns != netns)
			continue;
		if (only)
			return NULL;
		only = socket;
	}
	return only;
}

/* Says to whom the SYNs are sent that the kernel answers with cookies, if that is known. */
static void name_flooded(const struct finder *finder, struct finding *finding)
{
	const struct fact_cookies *sender = sender_of_cookies(finder, finding->at.netns);
	const struct fact_socket *only = only_listener(finder, finding->at.netns);

	if (sender) {
		finding->at = sender->at;
		finding->owner = sender->owner;
	} else if (only) {
		finding->at = only->at;
		finding->owner = only->owner;
	}
	finding_why(finding, "The kernel answers with SYN cookies, for which it keeps no state%s.",
		    sender ? "" :
		    only   ? ". No other port listens here" :
			     ": which port it is does not show");
}

/* Finds floods where cookies were sent, but no listener has a request: a cookie takes none. */
static void find_cookies_alone(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->netns_count; i++) {
		const struct fact_netns *netns = &finder->facts->namespaces[i];
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
		describe_flood(finding, netns);
		name_flooded(finder, finding);
		finding_more(finding, "tcpdwell snapshot -l");
	}
}

void find_listeners(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *listener = &finder->facts->sockets[i];

		if (listener->state != TCPDWELL_LISTEN)
			continue;
		if (is_flooded(finder, listener))
			found_flood(finder, listener);
		find_queue(finder, listener);
	}
	find_cookies_alone(finder);
}
