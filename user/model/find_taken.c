// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Findings about bind() and listen() that cannot have what they ask for: ports that others hold,
 * foreign addresses, ports for which the process has no right.
 */
#include <errno.h>
#include <string.h>

#include "base/addr.h"
#include "model/finders.h"

/* The sockets that have a port which bind() asked for by number. */
struct port_holder {
	const struct fact_socket *listener;
	const struct fact_socket *connection; /* of a known process, if there is one */
	const struct fact_socket *bound;      /* only bound: neither listens nor is connected */
	uint64_t connections;
	uint64_t timewait;
};

static bool is_any(const struct fact_address *at)
{
	return addr_is_any(at->laddr, sizeof(at->laddr));
}

/*
 * Returns true if @socket is in the way of the bind() that failed. 0.0.0.0 is all of IPv4; :: is
 * all of both families, unless its socket is for IPv6 alone.
 */
static bool is_in_the_way(const struct fact_socket *socket, const struct fact_failure *failure)
{
	const struct fact_address *at = &socket->at, *wanted = &failure->at;

	if (at->netns != wanted->netns || at->lport != wanted->lport)
		return false;
	if (at->family != wanted->family)
		return at->family == 6 ? is_any(at) && !socket->v6only :
					 is_any(wanted) && !failure->v6only;
	return !memcmp(at->laddr, wanted->laddr, sizeof(at->laddr)) || is_any(at) || is_any(wanted);
}

static struct port_holder holder_of(const struct finder *finder, const struct fact_failure *failure)
{
	struct port_holder holder = { 0 };

	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *socket = &finder->facts->sockets[i];

		if (!is_in_the_way(socket, failure))
			continue;
		if (socket->state == TCPDWELL_LISTEN) {
			holder.listener = socket;
		} else if (socket->state == TCPDWELL_CLOSE) {
			holder.bound = socket;
		} else if (socket->state == TCPDWELL_TIME_WAIT) {
			holder.timewait++;
		} else {
			holder.connections++;
			if (!holder.connection || !holder.connection->owner.pid)
				holder.connection = socket;
		}
	}
	return holder;
}

/*
 * Returns words for a socket that several processes hold: its port is free only when all of them,
 * children included, have closed it.
 */
static const char *others_of(const struct fact_socket *socket)
{
	return socket->holders > 1 ?
		       ", and others have that socket, too: a child keeps what it was "
		       "left" :
		       "";
}

static void blame_listening(struct finding *finding, const struct fact_socket *listener)
{
	if (listener->owner.pid)
		finding_why(finding, "%.15s (pid %u) listens there%s.", listener->owner.comm,
			    listener->owner.pid, others_of(listener));
	else
		finding_why(finding, "A socket listens there whose process is not known.");
	finding->helps = "Stop that process, or have one of the two listen at another port or "
			 "address.";
	finding->useless = "SO_REUSEADDR, which does not help against a listener; "
			   "net.ipv4.tcp_tw_reuse, which is about connect().";
}

/* connect() gave the port to a client, or nobody has the connections any more, or a server has. */
static void advise_on_connections(struct finding *finding, const struct fact_socket *connection)
{
	if (connection->client && !connection->bound && connection->owner.pid)
		finding->helps = "Stop that client, and put the port into "
				 "net.ipv4.ip_local_reserved_ports: connect() takes none of those.";
	else if (!connection->owner.pid)
		finding->helps = "They end by themselves. SO_REUSEADDR before bind(), if the last "
				 "server had set it, too.";
	else
		finding->helps = "Stop that process. SO_REUSEADDR before bind(), if the last "
				 "server had set it, too.";
	if (connection->client && connection->owner.pid)
		finding->useless = "SO_REUSEADDR, which a client does not set as a rule.";
}

static void blame_connections(struct finding *finding, const struct port_holder *holder)
{
	const struct fact_owner *owner = &holder->connection->owner;

	advise_on_connections(finding, holder->connection);
	if (owner->pid)
		finding_why(finding,
			    "%.15s (pid %u) has connections at that port: what is left of the last "
			    "server, or a client that was given it%s.",
			    owner->comm, owner->pid, others_of(holder->connection));
	else
		finding_why(finding, "Connections at that port are closed, and their peers do not "
				     "answer.");
}

static void blame_holder(struct finding *finding, const struct port_holder *holder)
{
	if (holder->listener) {
		blame_listening(finding, holder->listener);
	} else if (holder->connection) {
		blame_connections(finding, holder);
	} else if (holder->bound) {
		finding_why(finding,
			    "%.15s (pid %u) has a socket that is bound to it and neither listens "
			    "nor is connected%s.",
			    holder->bound->owner.comm, holder->bound->owner.pid,
			    others_of(holder->bound));
		finding->helps = "Stop that process, or have it close the socket.";
		finding_more(finding, "tcpdwell snapshot --sockets -s CLOSE -L %u",
			     finding->at.lport);
	} else if (holder->timewait) {
		finding_why(finding, "What is left of the last server's connections is in "
				     "TIME_WAIT, and SO_REUSEADDR is not set.");
		finding->helps = "Set SO_REUSEADDR before bind(). They end within a minute.";
	} else {
		finding_why(finding,
			    "Nothing has it that listens or is connected: it may have been freed, "
			    "or a socket is bound to it and does nothing else.");
		finding->helps = "`ss -tanpB` shows sockets that are bound and no more, where the "
				 "kernel tells of them.";
	}
}

/* Sets when what nobody holds any more gives the port back. */
static void set_end(const struct finder *finder, struct finding *finding,
		    const struct fact_failure *failure)
{
	for (size_t i = 0; i < finder->facts->socket_count; i++)
		if (is_in_the_way(&finder->facts->sockets[i], failure))
			finding_end(finder, finding, &finder->facts->sockets[i]);
}

/* Adds the finding of an address that a process did not get; NULL if there is no room. */
static struct finding *add_taken(struct finder *finder, const struct fact_failure *failure)
{
	struct finding *finding = finder_add(finder, FINDING_ADDRESS_IN_USE, FINDING_WARNING);

	if (!finding)
		return NULL;
	finding->count = failure->count;
	finding->owner = failure->owner;
	finding->at = failure->at;
	finding->err = failure->err;
	finding_figure(finding, "failed", failure->count, FIGURE_COUNT, true);
	return finding;
}

/* Finds bind() to a port by number that is in use, and listen() where another socket listens. */
static void find_in_use(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->failure_count; i++) {
		const struct fact_failure *failure = &finder->facts->failures[i];
		struct port_holder holder;
		struct finding *finding;

		if (failure->call == FACT_CONNECT || failure->err != EADDRINUSE ||
		    !failure->at.lport)
			continue;
		finding = add_taken(finder, failure);
		if (!finding)
			return;
		holder = holder_of(finder, failure);
		finding_figure(finding, "connections", holder.connections, FIGURE_COUNT, false);
		finding_figure(finding, "timewait", holder.timewait, FIGURE_COUNT, false);
		finding_more(finding, "tcpdwell snapshot --sockets -L %u", failure->at.lport);
		blame_holder(finding, &holder);
		if (!holder.listener && !holder.bound)
			set_end(finder, finding, failure);
	}
}

/* Returns true if the process listens at the same port over IPv4, as servers on localhost do. */
static bool listens_over_ipv4(const struct finder *finder, const struct fact_failure *failure)
{
	for (size_t i = 0; i < finder->facts->socket_count; i++) {
		const struct fact_socket *socket = &finder->facts->sockets[i];

		if (socket->state == TCPDWELL_LISTEN && socket->at.family == 4 &&
		    socket->at.netns == failure->at.netns &&
		    socket->at.lport == failure->at.lport &&
		    !finder_compare_owners(&socket->owner, &failure->owner))
			return true;
	}
	return false;
}

static void blame_foreign(const struct finder *finder, struct finding *finding)
{
	if (finder_is_off(finder, &finding->at)) {
		finding_why(finding, "IPv6 is off in this namespace, so it has no such address.");
		finding_advise_off(finding);
	} else {
		finding_why(finding, "No interface of this namespace has that address: it is "
				     "another host's, or was not there yet.");
		finding->helps = "An address that `ip address` shows in that namespace, or any "
				 "(0.0.0.0, ::). IP_FREEBIND, or net.ipv4.ip_nonlocal_bind=1, for "
				 "an address that comes later. For IPv6, wait until it is "
				 "no longer tentative.";
	}
	finding->useless = "SO_REUSEADDR, which is about ports.";
	finding_more(finding, "tcpdwell diagnose -p %u", finding->owner.pid);
}

/* Finds bind() to an address that this host does not have, or not yet. */
static void find_foreign(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->failure_count; i++) {
		const struct fact_failure *failure = &finder->facts->failures[i];
		struct finding *finding;

		if (failure->call != FACT_BIND || failure->err != EADDRNOTAVAIL ||
		    (finder_is_off(finder, &failure->at) && listens_over_ipv4(finder, failure)))
			continue;
		finding = add_taken(finder, failure);
		if (!finding)
			return;
		blame_foreign(finder, finding);
	}
}

/* Finds bind() to a port that the process has no right to. */
static void find_forbidden(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->failure_count; i++) {
		const struct fact_failure *failure = &finder->facts->failures[i];
		const struct fact_netns *netns = finder_netns(finder, failure->at.netns);
		struct finding *finding;

		if (failure->call == FACT_CONNECT ||
		    (failure->err != EACCES && failure->err != EPERM))
			continue;
		finding = add_taken(finder, failure);
		if (!finding)
			return;
		finding_more(finding, "tcpdwell diagnose -p %u", failure->owner.pid);
		finding->useless = "SO_REUSEADDR; stopping other servers.";
		if (netns && netns->settings[FACT_UNPRIVILEGED] != FACT_UNKNOWN &&
		    failure->at.lport >= netns->settings[FACT_UNPRIVILEGED]) {
			finding_why(finding, "A security module, or a BPF program of its cgroup, "
					     "does not let the process have that port.");
			finding->helps = "The policy of that module: its log says what it refused.";
			continue;
		}
		finding_why(finding, "The port is for processes with CAP_NET_BIND_SERVICE, which "
				     "this one does not have.");
		finding->helps = "AmbientCapabilities=CAP_NET_BIND_SERVICE of systemd, or setcap; "
				 "a socket unit; another port; a lower "
				 "net.ipv4.ip_unprivileged_port_start.";
		finding_setting(finding, FACT_UNPRIVILEGED);
	}
}

void find_taken(struct finder *finder)
{
	find_in_use(finder);
	find_forbidden(finder);
	find_foreign(finder);
}
