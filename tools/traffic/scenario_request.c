// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Handshakes that stay in SYN_RECV for a while, or never complete.
 */
#include "scenario.h"

#include "gate.h"
#include "segment.h"

#include <errno.h>
#include <stddef.h>

/* Makes a connection whose client does not receive the SYN-ACK. */
static struct trio request(struct stage *stage, struct end *listener)
{
	struct trio trio = { .listener = listener };

	trio.client = end_socket(stage, false);
	gate_shut(trio.client);
	end_connect(trio.client, trio.listener);
	trio.server = end_child(trio.listener, trio.client);
	end_goes(trio.server, TCP_SYN_RECV);
	return trio;
}

static void slow_handshake(struct stage *stage)
{
	struct trio trio = request(stage, end_listen(stage, 1));

	stage_hold(stage);
	gate_open(trio.client);
	end_goes(trio.client, TCP_ESTABLISHED);
	end_goes(trio.server, TCP_ESTABLISHED);
	end_accept(trio.server, trio.listener);
	trio_close(trio.client, trio.server);
	listener_close(trio.listener);
}

static void syn_again(struct stage *stage)
{
	struct trio trio = request(stage, end_listen(stage, 1));
	int tap = tap_open(trio.server);
	struct segment syn;

	/* The first SYN came before the tap. The request lives on, and its timer starts again. */
	tap_catch(trio.server, tap, trio.client, SEGMENT_SYN | SEGMENT_ACK, SEGMENT_SYN, &syn);
	tap_close(trio.server, tap);
	stage_hold(stage);
	gate_open(trio.client);
	end_goes(trio.client, TCP_ESTABLISHED);
	end_goes(trio.server, TCP_ESTABLISHED);
	end_accept(trio.server, trio.listener);
	trio_close(trio.client, trio.server);
	listener_close(trio.listener);
}

static void handshake_timeout(struct stage *stage)
{
	struct end *listener = end_listen(stage, 1);
	struct trio trio;

	/* On a listener this limits the SYN-ACKs. */
	end_option(listener, IPPROTO_TCP, TCP_SYNCNT, 1);
	trio = request(stage, listener);
	/*
	 * Otherwise the client's next SYN would prolong the request, and the one after that make
	 * another.
	 */
	gate_shut(listener);
	end_over(trio.server, "timeout", 0, TCP_CLOSE);
	end_close(trio.client);
	end_over(trio.client, "aborted", 0, TCP_CLOSE);
	listener_close(listener);
}

static void handshake_reset(struct stage *stage)
{
	struct trio trio = request(stage, end_listen(stage, 1));

	stage_hold(stage);
	end_close(trio.client);
	end_over(trio.client, "aborted", 0, TCP_CLOSE);
	/* The next SYN-ACK reaches no socket. */
	end_over(trio.server, "reset_received", 0, TCP_CLOSE);
	listener_close(trio.listener);
}

static void handshake_listener_closed(struct stage *stage)
{
	struct trio trio = request(stage, end_listen(stage, 1));

	stage_hold(stage);
	listener_close(trio.listener);
	end_over(trio.server, "listener_closed", 0, TCP_CLOSE);
	end_close(trio.client);
	end_over(trio.client, "aborted", 0, TCP_CLOSE);
}

static void accept_queue_full(struct stage *stage)
{
	/*
	 * A backlog of N lets N + 1 connections wait, and N requests (N - 1 before 6.8). One more
	 * would be answered with a SYN cookie.
	 */
	enum { ROOM = 2, EARLY = ROOM + 1 };
	struct end *listener = end_listen(stage, ROOM);
	struct trio late = request(stage, listener), early[EARLY];

	for (int i = 0; i < EARLY; i++)
		early[i] = trio_connect(stage, listener);
	gate_open(late.client);
	end_goes(late.client, TCP_ESTABLISHED);
	/*
	 * Its ACK finds no room: the client believes that it is connected, but the server does not.
	 */
	stage_hold(stage);
	for (int i = 0; i < EARLY; i++)
		end_accept(early[i].server, listener);
	end_goes(late.server, TCP_ESTABLISHED);
	end_accept(late.server, listener);
	for (int i = 0; i < EARLY; i++)
		trio_close(early[i].client, early[i].server);
	trio_close(late.client, late.server);
	listener_close(listener);
}

static void syn_cookie(struct stage *stage)
{
	static const char always[] = "2";
	struct trio trio;

	stage_set(stage, "ipv4/tcp_syncookies", always);
	trio = trio_open(stage);
	stage_hold(stage);
	trio_close(trio.client, trio.server);
	listener_close(trio.listener);
}

const struct scenario request_scenarios[] = {
	{ "slow-handshake", "the SYN-ACK is lost at first: SYN_RECV held", slow_handshake, false },
	{ "syn-again", "as before, and the client sends its SYN again", syn_again, false },
	{ "handshake-timeout", "the SYN-ACK is never answered", handshake_timeout, false },
	{ "handshake-reset", "the client closes before it hears the SYN-ACK", handshake_reset,
	  false },
	{ "handshake-listener-closed", "the listener closes with a request pending",
	  handshake_listener_closed, false },
	{ "accept-queue-full", "the handshake's last ACK finds the accept queue full",
	  accept_queue_full, false },
	{ "syn-cookie", "the server answers with SYN cookies: no request to see", syn_cookie,
	  true },
	{ NULL, NULL, NULL, false },
};
