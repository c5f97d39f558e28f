// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections that are never established, and those that are given up.
 */
#include "scenario.h"

#include "address.h"
#include "gate.h"
#include "segment.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

/* Long enough for one retransmission (RTO_MIN is 200 ms), but soon over. */
enum { USER_TIMEOUT_MS = 500, DATA_BYTES = 1000 };

static void refused(struct stage *stage)
{
	struct end *nobody = end_socket(stage, true), *client = end_socket(stage, false);

	/* It is bound, so that nobody else listens there. */
	end_bind(nobody, 0);
	end_connect(client, nobody);
	end_over(client, "refused", ECONNREFUSED, TCP_CLOSE);
	end_error(client, ECONNREFUSED);
	end_close(client);
}

static void timed_out(struct stage *stage)
{
	struct end *listener = end_listen(stage, 1), *client = end_socket(stage, false);

	gate_shut(listener);
	end_option(client, IPPROTO_TCP, TCP_SYNCNT, 1);
	end_option(client, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
	end_connect(client, listener);
	stage_hold(stage);
	end_over(client, "user_timeout", ETIMEDOUT, TCP_CLOSE);
	end_error(client, ETIMEDOUT);
	end_close(client);
	listener_close(listener);
}

static void unreachable(struct stage *stage)
{
	struct end *listener = end_listen(stage, 1), *client = end_socket(stage, false);
	int tap = tap_open(listener);
	struct segment syn;

	gate_shut(listener);
	end_connect(client, listener);
	tap_catch(listener, tap, client, SEGMENT_SYN | SEGMENT_ACK, SEGMENT_SYN, &syn);
	stage_hold(stage);
	segment_send_unreachable(listener, client, &syn);
	end_over(client, "unreachable", EHOSTUNREACH, TCP_CLOSE);
	end_error(client, EHOSTUNREACH);
	tap_close(listener, tap);
	end_close(client);
	listener_close(listener);
}

static void connect_abort(struct stage *stage)
{
	struct end *listener = end_listen(stage, 1), *client = end_socket(stage, false);

	gate_shut(listener);
	end_connect(client, listener);
	stage_hold(stage);
	end_close(client);
	end_over(client, "aborted", 0, TCP_CLOSE);
	listener_close(listener);
}

static void port_exhausted(struct stage *stage)
{
	struct end *listener = end_listen(stage, 4), *late = end_socket(stage, false);
	struct trio trio;
	char range[16];
	/* Any port but the listener's is fine, since the namespace has no other user. */
	unsigned int port = address_port(&listener->local) ^ 1;

	snprintf(range, sizeof(range), "%u %u", port, port);
	stage_set(stage, "ipv4/ip_local_port_range", range);
	trio = trio_connect(stage, listener);
	end_accept(trio.server, listener);
	end_connect_finds_no_port(late, listener);
	end_close(late);
	trio_close(trio.server, trio.client);
	listener_close(listener);
	stage_set(stage, "ipv4/ip_local_port_range", "32768 60999");
}

static void keepalive_timeout(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	gate_shut(trio.client);
	end_option(trio.client, IPPROTO_TCP, TCP_KEEPIDLE, 1);
	end_option(trio.client, IPPROTO_TCP, TCP_KEEPINTVL, 1);
	end_option(trio.client, IPPROTO_TCP, TCP_KEEPCNT, 1);
	end_option(trio.client, SOL_SOCKET, SO_KEEPALIVE, 1);
	end_over(trio.client, "keepalive_timeout", ETIMEDOUT, TCP_CLOSE);
	/* Keep-alive gives up by sending a reset. */
	end_over(trio.server, "reset_received", ECONNRESET, TCP_CLOSE);
	end_close(trio.client);
	end_close(trio.server);
	listener_close(trio.listener);
}

static void user_timeout(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	gate_shut(trio.client);
	end_option(trio.client, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
	end_send(trio.client, DATA_BYTES);
	end_receive(trio.server, DATA_BYTES);
	end_over(trio.client, "user_timeout", ETIMEDOUT, TCP_CLOSE);
	end_close(trio.client);
	/* The server does not learn of it until its FIN reaches no socket. */
	end_still(trio.server);
	end_close(trio.server);
	end_over(trio.server, "reset_received", ECONNRESET, TCP_FIN_WAIT1, TCP_CLOSE);
	listener_close(trio.listener);
}

const struct scenario failure_scenarios[] = {
	{ "refused", "nobody listens", refused, false },
	{ "timed-out", "the SYN is dropped until the client gives up", timed_out, false },
	{ "unreachable", "the SYN is answered by ICMP: host unreachable", unreachable, false },
	{ "connect-abort", "the client closes while in SYN_SENT", connect_abort, false },
	{ "port-exhausted", "no ephemeral port is left: EADDRNOTAVAIL", port_exhausted, true },
	{ "keepalive-timeout", "the client's keep-alive probes are not answered", keepalive_timeout,
	  false },
	{ "user-timeout", "the client's data is not acknowledged", user_timeout, false },
	{ NULL, NULL, NULL, false },
};
