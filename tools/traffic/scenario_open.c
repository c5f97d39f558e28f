// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ways to open a connection other than connect() to a listener. */
#include "scenario.h"

#include "gate.h"
#include "segment.h"

#include <errno.h>
#include <stddef.h>

static void simultaneous_open(struct stage *stage)
{
	struct end *a = end_socket(stage, false), *b = end_socket(stage, true);
	struct segment a_syn, b_syn;
	int a_tap, b_tap;

	end_bind(a, 0);
	end_bind(b, 0);
	a_tap = tap_open(a);
	b_tap = tap_open(b);
	/* Each SYN is dropped, and so is the reset that answers the first one. */
	gate_shut(a);
	gate_shut(b);
	end_connect(a, b);
	end_connect(b, a);
	tap_catch(b, b_tap, a, SEGMENT_SYN | SEGMENT_ACK, SEGMENT_SYN, &a_syn);
	tap_catch(a, a_tap, b, SEGMENT_SYN | SEGMENT_ACK, SEGMENT_SYN, &b_syn);
	/* Now both SYNs arrive, as if they had crossed, but neither SYN-ACK does. */
	gate_shut_but_syn(a);
	gate_shut_but_syn(b);
	segment_send(a, b, &a_syn);
	end_goes(b, TCP_SYN_RECV);
	segment_send(b, a, &b_syn);
	end_goes(a, TCP_SYN_RECV);
	stage_hold(stage);
	gate_open(a);
	gate_open(b);
	end_goes(a, TCP_ESTABLISHED);
	end_goes(b, TCP_ESTABLISHED);
	tap_close(a, a_tap);
	tap_close(b, b_tap);
	trio_close(a, b);
}

static void self_connect(struct stage *stage)
{
	struct end *end = end_socket(stage, false);

	end_bind(end, 0);
	end_connect(end, end);
	end_goes(end, TCP_SYN_RECV, TCP_ESTABLISHED);
	stage_hold(stage);
	end_close(end);
	end_goes(end, TCP_FIN_WAIT1, TCP_CLOSING, TCP_TIME_WAIT);
	end_expires(end, "timewait_expired");
}

static void bind_then_connect(struct stage *stage)
{
	struct trio trio = { .listener = end_listen(stage, 1) };

	trio.client = end_socket(stage, false);
	end_bind(trio.client, 0);
	end_connect(trio.client, trio.listener);
	trio.server = end_child(trio.listener, trio.client);
	end_goes(trio.client, TCP_ESTABLISHED);
	end_goes(trio.server, TCP_SYN_RECV, TCP_ESTABLISHED);
	end_accept(trio.server, trio.listener);
	trio_close(trio.client, trio.server);
	listener_close(trio.listener);
}

static void reconnect(struct stage *stage)
{
	struct end *nobody = end_socket(stage, true);
	struct end *client = end_socket(stage, false);
	struct end *listener, *server;

	end_bind(nobody, 0);
	end_connect(client, nobody);
	end_over(client, "refused", ECONNREFUSED, TCP_CLOSE);

	/* It connects again after a failure, which the socket has to report first. */
	end_collect(client, nobody, ECONNREFUSED);
	client = end_again(client);
	listener = end_listen(stage, 1);
	end_connect(client, listener);
	server = end_child(listener, client);
	end_goes(client, TCP_ESTABLISHED);
	end_goes(server, TCP_SYN_RECV, TCP_ESTABLISHED);
	end_accept(server, listener);
	stage_hold(stage);
	end_disconnect(client);
	end_over(client, "reset_sent", 0, TCP_CLOSE);
	end_over(server, "reset_received", ECONNRESET, TCP_CLOSE);
	end_close(server);

	/* It connects again after connect(AF_UNSPEC). */
	client = end_again(client);
	end_connect(client, listener);
	server = end_child(listener, client);
	end_goes(client, TCP_ESTABLISHED);
	end_goes(server, TCP_SYN_RECV, TCP_ESTABLISHED);
	end_accept(server, listener);
	trio_close(client, server);
	listener_close(listener);
}

static void fastopen(struct stage *stage)
{
	/* Client 0x1, server 0x2, and neither asks for a cookie: 0x4 and 0x200. */
	static const char no_cookie[] = "519";
	struct trio trio;

	stage_set(stage, "ipv4/tcp_fastopen", no_cookie);
	trio.listener = end_listen(stage, 1);
	end_option(trio.listener, IPPROTO_TCP, TCP_FASTOPEN, 1);
	trio.client = end_socket(stage, false);
	gate_shut(trio.client);
	end_connect_with_data(trio.client, trio.listener, 16);
	trio.server = end_child(trio.listener, trio.client);
	/* The socket exists, and can be accepted and read, before the handshake completes. */
	end_goes(trio.server, TCP_SYN_RECV);
	end_accept(trio.server, trio.listener);
	end_receive(trio.server, 16);
	stage_hold(stage);
	gate_open(trio.client);
	end_goes(trio.client, TCP_ESTABLISHED);
	end_goes(trio.server, TCP_ESTABLISHED);
	trio_close(trio.client, trio.server);
	listener_close(trio.listener);
}

const struct scenario open_scenarios[] = {
	{ "simultaneous-open", "two sockets connect to each other; both SYNs cross",
	  simultaneous_open, false },
	{ "self-connect", "a socket connects to its own port", self_connect, false },
	{ "bind-then-connect", "the client's port is bound before it connects", bind_then_connect,
	  false },
	{ "reconnect", "one socket: refused, connected, connect(AF_UNSPEC), connected", reconnect,
	  false },
	{ "fastopen", "data in the SYN; accepted while in SYN_RECV", fastopen, true },
	{ NULL, NULL, NULL, false },
};
