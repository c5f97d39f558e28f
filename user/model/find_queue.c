// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Findings about accept queues: connections that nobody accepts, and what those do instead who
 * could.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/put.h"
#include "base/text.h"
#include "model/finders.h"

#define S 1000000000ULL

/* A connection that waits for accept() this long is too old: a server under load is faster. */
#define WAIT_NS (1 * S)

/* Returns true if @listener takes what comes to this end of @child. */
static bool is_same_listener(const struct fact_socket *child, const struct fact_socket *listener)
{
	const struct fact_address *at = &child->at, *where = &listener->at;

	if (at->netns != where->netns || at->lport != where->lport)
		return false;
	if (at->family != where->family && (where->family != 6 || listener->v6only))
		return false;
	return addr_is_any(where->laddr, sizeof(where->laddr)) ||
	       !memcmp(where->laddr, at->laddr, sizeof(at->laddr));
}

/* Returns true if both listen at one address, as SO_REUSEPORT allows. Each has its own queue. */
static bool share_address(const struct fact_socket *a, const struct fact_socket *b)
{
	return a->state == TCPDWELL_LISTEN && b->state == TCPDWELL_LISTEN &&
	       a->at.netns == b->at.netns && a->at.family == b->at.family &&
	       a->at.lport == b->at.lport && !memcmp(a->at.laddr, b->at.laddr, sizeof(a->at.laddr));
}

/* Picks the listeners at the address of @listener, and returns their number. */
static size_t pick_sharers(const struct finder *finder, const struct fact_socket *listener)
{
	size_t count = 0;

	for (size_t i = 0; i < finder->facts->socket_count; i++)
		if (share_address(&finder->facts->sockets[i], listener))
			finder->picked[count++] = &finder->facts->sockets[i];
	return count;
}

/* ---- The accept queue ---- */

struct queue {
	uint64_t oldest_ns;
	uint64_t waiting;
};

/*
 * Returns true if another one of the @sharers picked has @child in its queue. The owner of a
 * connection that waits is its listener's. If one process has several listeners there, the one with
 * the most connections stands for all of them.
 */
static bool waits_elsewhere(const struct finder *finder, size_t sharers,
			    const struct fact_socket *child, const struct fact_socket *listener)
{
	bool own = !finder_compare_owners(&child->owner, &listener->owner);

	for (size_t i = 0; i < sharers; i++) {
		const struct fact_socket *other = finder->picked[i];

		if (other == listener || finder_compare_owners(&child->owner, &other->owner))
			continue;
		if (!own || other->waiting > listener->waiting ||
		    (other->waiting == listener->waiting && other < listener))
			return true;
	}
	return false;
}

static struct queue look_into(const struct finder *finder, const struct fact_socket *listener)
{
	size_t sharers = pick_sharers(finder, listener);
	struct queue queue = { 0 };

	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *socket = &finder->facts->sockets[i];

		if (socket->part == FACT_PEER || !socket->queued ||
		    !is_same_listener(socket, listener) ||
		    waits_elsewhere(finder, sharers, socket, listener))
			continue;
		queue.waiting += 1 + socket->others;
		if (socket->age_ns > queue.oldest_ns)
			queue.oldest_ns = socket->age_ns;
	}
	return queue;
}

/* ---- Who does not accept, and what it does instead ---- */

/* A process that may accept from a listener. */
struct server {
	const struct fact_owner *owner;
	const struct fact_process *process; /* NULL: nothing is known of it */
	uint64_t accepted;		    /* its connections of the listener */
};

struct servers {
	struct server *list; /* sorted by process */
	size_t count;
	size_t listeners;		/* at the same address, with this one */
	uint64_t served;		/* their connections, also of other listeners */
	uint64_t accepted;		/* calls of accept() that returned a connection */
	uint64_t exhausted;		/* those that failed because something had run out */
	uint16_t err;			/* the errno of such a failure */
	const struct fact_owner *fails; /* whose call that was */
	/* Of those, the connections that they opened, and where most of them go. */
	uint64_t opened;
	const struct fact_socket *most;
	uint64_t most_votes;
	bool threaded; /* one of them has several threads */
	bool rings;    /* one of them has an io_uring, whose accepts are not counted */
};

static int compare_servers(const void *a, const void *b)
{
	const struct server *x = a, *y = b;

	return compare(x->owner->pid, y->owner->pid);
}

static const struct fact_process *process_of(const struct finder *finder,
					     const struct fact_owner *owner)
{
	for (size_t i = 0; i < finder->facts->process_count; i++)
		if (finder->facts->processes[i].owner.pid == owner->pid)
			return &finder->facts->processes[i];
	return NULL;
}

static bool is_same_destination(const struct fact_socket *a, const struct fact_socket *b)
{
	return a->at.rport == b->at.rport && !memcmp(a->at.raddr, b->at.raddr, sizeof(a->at.raddr));
}

/* Counts a vote. A destination with more than half of all votes is left at the end. */
static void vote(struct servers *servers, const struct fact_socket *socket)
{
	servers->opened++;
	if (!servers->most_votes)
		servers->most = socket;
	if (is_same_destination(servers->most, socket))
		servers->most_votes++;
	else
		servers->most_votes--;
}

static struct server *server_of(const struct servers *servers, const struct fact_owner *owner)
{
	const struct server like = { .owner = owner };

	return bsearch(&like, servers->list, servers->count, sizeof(like), compare_servers);
}

static void count_served(const struct finder *finder, const struct fact_socket *listener,
			 struct servers *servers)
{
	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *socket = &finder->facts->sockets[i];
		struct server *server;

		if (socket->part == FACT_PEER || socket->queued || !socket->owner.pid ||
		    socket->state == TCPDWELL_LISTEN || socket->state == TCPDWELL_CLOSE)
			continue;
		server = server_of(servers, &socket->owner);
		if (!server)
			continue;
		servers->served += 1 + socket->others;
		if (!socket->client && is_same_listener(socket, listener))
			server->accepted += 1 + socket->others;
		if (socket->client && socket->state == TCPDWELL_ESTABLISHED)
			vote(servers, socket);
	}
}

/*
 * Counts the calls of accept() at the listener: by all processes, since some may have ended. A call
 * does not say which of several listeners at one address it was for; then only those count that
 * have this one.
 */
static void count_accepts(const struct finder *finder, const struct fact_socket *listener,
			  struct servers *servers)
{
	for (size_t i = 0; i < finder->facts->failure_count; i++) {
		const struct fact_failure *call = &finder->facts->failures[i];
		const struct fact_address *at = &call->at;

		if (call->call != FACT_ACCEPT || at->netns != listener->at.netns ||
		    at->lport != listener->at.lport ||
		    memcmp(at->laddr, listener->at.laddr, sizeof(at->laddr)))
			continue;
		if (servers->listeners > 1 && !server_of(servers, &call->owner))
			continue;
		if (call->err) {
			servers->exhausted += call->count;
			servers->err = call->err;
			servers->fails = &call->owner;
		} else {
			servers->accepted += call->count;
		}
	}
}

/*
 * Returns the processes that have the listener: its owner alone, if the others are not known. The
 * caller frees the list.
 */
static struct servers servers_of(struct finder *finder, const struct fact_socket *listener)
{
	const struct facts *facts = finder->facts;
	struct servers servers = { .list = calloc(facts->holder_count + 1, sizeof(*servers.list)) };

	if (!servers.list) {
		finder->err = -ENOMEM;
		return servers;
	}
	for (size_t i = 0; i < facts->holder_count; i++)
		if (facts->holders[i].listener == listener->cookie)
			servers.list[servers.count++].owner = &facts->holders[i].owner;
	if (!servers.count && listener->owner.pid)
		servers.list[servers.count++].owner = &listener->owner;
	for (size_t i = 0; i < servers.count; i++) {
		struct server *server = &servers.list[i];

		server->process = process_of(finder, server->owner);
		servers.threaded |= server->process && server->process->threads > 1;
		servers.rings |= server->process && server->process->ring;
	}
	servers.listeners = pick_sharers(finder, listener);
	count_served(finder, listener, &servers);
	count_accepts(finder, listener, &servers);
	return servers;
}

static bool is_stopped(const struct server *server)
{
	return server->process && (server->process->state == 'T' || server->process->state == 't');
}

static size_t count_stopped(const struct servers *servers)
{
	size_t stopped = 0;

	for (size_t i = 0; i < servers->count; i++)
		stopped += is_stopped(&servers->list[i]);
	return stopped;
}

/* Writes what @server does, for @count of them; empty: not known. */
static void doing(char *text, size_t size, const struct server *server, size_t count)
{
	const struct fact_process *process = server->process;
	const char *s = count == 1 ? "s" : "";

	text[0] = '\0';
	if (!process || !process->state)
		return;
	if (is_stopped(server))
		snprintf(text, size, "%s stopped", count == 1 ? "is" : "are");
	else if (process->state == 'R')
		snprintf(text, size, "run%s", s);
	else if (process->call[0] && process->state == 'D')
		snprintf(text, size, "wait%s for a device in %s()", s, process->call);
	else if (process->call[0])
		snprintf(text, size, "sleep%s in %s()%s", s, process->call,
			 strncmp(process->call, "accept", 6) ? "" : " of another socket");
	else
		snprintf(text, size, "sleep%s", s);
}

static int by_doing(const void *a, const void *b)
{
	char x[64], y[64];

	doing(x, sizeof(x), a, 1);
	doing(y, sizeof(y), b, 1);
	return strcmp(x, y);
}

/* Writes what the servers do, such as "2 sleep in futex(), 1 is stopped". */
static void tell_doings(struct servers *servers, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	qsort(servers->list, servers->count, sizeof(*servers->list), by_doing);
	for (size_t i = 0, n; i < servers->count; i += n) {
		char what[64];

		for (n = 1; i + n < servers->count; n++)
			if (by_doing(&servers->list[i], &servers->list[i + n]))
				break;
		doing(what, sizeof(what), &servers->list[i], n);
		if (what[0] && len < size)
			len += snprintf(text + len, size - len, "%s%zu %s", len ? ", " : "", n,
					what);
	}
}

/* Writes where most of the connections go that the servers opened; empty: nowhere. */
static void tell_destination(const struct servers *servers, char text[96 + TEXT_SLACK_BYTES])
{
	const struct fact_address *at;
	char *p;

	text[0] = '\0';
	if (!servers->most_votes || servers->most_votes * 2 <= servers->opened)
		return;
	at = &servers->most->at;
	p = servers->count > 1 ? put_literal(text, ", most of those that they opened to ") :
				 put_literal(text, ", most of those that it opened to ");
	p = put_char(put_addr(p, at->family ?: 4, at->raddr), ':');
	*put_u16(p, at->rport) = '\0';
}

static void blame_one(struct finding *finding, const struct servers *servers)
{
	char what[64] = "", to[96 + TEXT_SLACK_BYTES];
	const struct server *server = &servers->list[0];

	if (servers->count && is_stopped(server)) {
		finding_why(finding, "The process is stopped, by a signal or a debugger.");
		return;
	}
	if (servers->count)
		doing(what, sizeof(what), server, 1);
	tell_destination(servers, to);
	finding_why(finding, "The process %s%s%s%s. It has %s%s.",
		    servers->rings    ? "accepts too slowly, or not at all (accepts of io_uring "
					"are not counted)" :
		    servers->accepted ? "accepts too slowly" :
					"does not call accept()",
		    what[0] ? ": " : "",
		    !what[0]	      ? "" :
		    servers->threaded ? "its first thread " :
					"it ",
		    what, servers->served ? "other connections to serve" : "no other connection",
		    to);
}

static void blame_several(struct finding *finding, struct servers *servers)
{
	char what[128], to[96 + TEXT_SLACK_BYTES];
	size_t idle = 0;

	for (size_t i = 0; i < servers->count; i++)
		idle += !servers->list[i].accepted;
	tell_doings(servers, what, sizeof(what));
	tell_destination(servers, to);
	finding_why(finding, "%s %zu processes %s%s%s%s%s%s.",
		    servers->rings || servers->accepted ? "The" : "None of", servers->count,
		    servers->rings    ? "accept too slowly, or not at all (accepts of io_uring are "
					"not counted)" :
		    servers->accepted ? "accept too slowly" :
					"calls accept()",
		    what[0] ? ": " : "", what,
		    what[0] && servers->threaded ? " (the first thread of each)" : "",
		    servers->served ? ". They have other connections to serve" : "", to);
	if (idle && servers->served && idle < servers->count) {
		size_t len = strlen(finding->why);

		snprintf(finding->why + len, sizeof(finding->why) - len,
			 " %zu of them %s none of this listener's.", idle,
			 idle == 1 ? "has" : "have");
	}
}

/* Names a process that must go on. */
static void name_stopped(struct finding *finding, const struct servers *servers)
{
	for (size_t i = 0; i < servers->count; i++)
		if (is_stopped(&servers->list[i])) {
			finding->owner = *servers->list[i].owner;
			finding->helps =
				count_stopped(servers) == servers->count ?
					"`kill -CONT PID` has it go on, if no debugger has it." :
					"`kill -CONT PID` for each that is stopped, if no debugger "
					"has it. If others are busy: more workers, or an event "
					"loop that does not block.";
			return;
		}
}

static void blame_limit(struct finding *finding, const struct servers *servers)
{
	finding->err = servers->err;
	finding->owner = *servers->fails;
	finding_why(finding, "accept() fails: %s.",
		    servers->err == EMFILE ? "the process has no descriptor left" :
		    servers->err == ENFILE ? "the host has no descriptor left" :
					     "there is not enough memory");
	if (servers->err == EMFILE)
		finding->helps = "Close descriptors that are not needed, or raise the limit "
				 "(`ulimit -n`, LimitNOFILE= of systemd).";
}

/* Says what the processes that have the listener do instead of accepting. */
static void blame_servers(struct finding *finding, struct servers *servers)
{
	if (servers->exhausted)
		blame_limit(finding, servers);
	else if (servers->count > 1)
		blame_several(finding, servers);
	else
		blame_one(finding, servers);
	if (count_stopped(servers))
		name_stopped(finding, servers);
	if (servers->listeners > 1) {
		size_t len = strlen(finding->why);

		snprintf(finding->why + len, sizeof(finding->why) - len,
			 " %zu listeners share that address, and each has a queue of its own.",
			 servers->listeners);
	}
}

static void found_queue(struct finder *finder, const struct fact_socket *listener,
			const struct queue *queue)
{
	bool full = listener->waiting > listener->backlog;
	bool over = !full && queue->oldest_ns < WAIT_NS;
	struct finding *finding = finder_add(finder, FINDING_ACCEPT_QUEUE_FULL,
					     over ? FINDING_WARNING : FINDING_CRITICAL);
	struct servers servers;

	if (!finding)
		return;
	servers = servers_of(finder, listener);
	finding->count = listener->waiting;
	finding->owner = listener->owner;
	finding->at = listener->at;
	finding_figure(finding, "waiting", listener->waiting, FIGURE_COUNT, false);
	finding_figure(finding, "backlog", listener->backlog, FIGURE_COUNT, false);
	if (queue->oldest_ns)
		finding_figure(finding, "oldest", queue->oldest_ns, FIGURE_NS, false);
	finding_figure(finding, "dropped", listener->drops_grew, FIGURE_COUNT, true);
	if (finder->facts->accepts_known && !servers.rings)
		finding_figure(finding, "accepted", servers.accepted, FIGURE_COUNT, true);
	finding_figure(finding, "other_connections", servers.served, FIGURE_COUNT, false);
	if (servers.count > 1)
		finding_figure(finding, "processes", servers.count, FIGURE_COUNT, false);
	if (count_stopped(&servers))
		finding_figure(finding, "stopped", count_stopped(&servers), FIGURE_COUNT, false);
	finding_setting(finding, FACT_SOMAXCONN);
	finding_setting(finding, FACT_ABORT_ON_OVERFLOW);
	if (queue->oldest_ns >= WAIT_NS)
		blame_servers(finding, &servers);
	else
		finding_why(finding, "%s",
			    full ? "More connections come than accept() takes." :
				   "The queue was full for a moment.");
	finding_more(finding, "tcpdwell snapshot -l -L %u", listener->at.lport);
	free(servers.list);
}

/*
 * A listener drops SYNs for other reasons, too, so its drops count only if queues have overflowed
 * in its namespace.
 */
static bool has_dropped(const struct finder *finder, const struct fact_socket *listener)
{
	return listener->drops_grew &&
	       finder_grew(finder, listener->at.netns, FACT_LISTEN_OVERFLOWS);
}

void find_queue(struct finder *finder, const struct fact_socket *listener)
{
	struct queue queue;

	if (!listener->waiting && !listener->drops_grew)
		return;
	queue = look_into(finder, listener);
	if (listener->waiting > listener->backlog || queue.oldest_ns >= WAIT_NS ||
	    has_dropped(finder, listener))
		found_queue(finder, listener, &queue);
}
