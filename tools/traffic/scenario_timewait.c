// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ends of FIN_WAIT2 and TIME_WAIT other than the timer of 60 s. */
#include "scenario.h"

#include "address.h"
#include "gate.h"
#include "segment.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

static void orphan_timeout(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	/* This replaces the 60 s of tcp_fin_timeout. */
	end_option(trio.client, IPPROTO_TCP, TCP_LINGER2, 1);
	end_close(trio.client);
	end_goes(trio.client, TCP_FIN_WAIT1, TCP_FIN_WAIT2);
	end_goes(trio.server, TCP_CLOSE_WAIT);
	end_over(trio.client, "timeout", 0, TCP_CLOSE);
	end_close(trio.server);
	end_over(trio.server, "reset_received", ECONNRESET, TCP_LAST_ACK, TCP_CLOSE);
	listener_close(trio.listener);
}

/* Closes until @first is in TIME_WAIT, and holds; the caller says how that ends. */
static void close_to_timewait(struct end *first, struct end *second)
{
	end_close(first);
	end_goes(first, TCP_FIN_WAIT1, TCP_FIN_WAIT2);
	end_goes(second, TCP_CLOSE_WAIT);
	end_close(second);
	end_over(second, "fin", 0, TCP_LAST_ACK, TCP_CLOSE);
	end_goes(first, TCP_TIME_WAIT);
	stage_hold(first->stage);
}

static void timewait_reused_by_syn(struct stage *stage)
{
	struct trio trio = trio_open(stage);
	struct end *again = end_socket(stage, false), *server;

	close_to_timewait(trio.server, trio.client);
	/* The client's port is free, so a new connection has the same addresses and ports. */
	end_bind(again, address_port(&trio.client->local));
	end_connect(again, trio.listener);
	server = end_child(trio.listener, again);
	end_goes(again, TCP_ESTABLISHED);
	end_gave_way(trio.server, again, "timewait_reused");
	end_goes(server, TCP_SYN_RECV, TCP_ESTABLISHED);
	end_accept(server, trio.listener);
	trio_close(again, server);
	listener_close(trio.listener);
}

static void timewait_reused_by_connect(struct stage *stage)
{
	/* tcp_tw_reuse requires a TIME_WAIT older than a second, by a clock of whole seconds. */
	struct timespec older = { .tv_sec = 2 };
	struct end *listener = end_listen(stage, 4), *again, *server;
	unsigned int port = address_port(&listener->local) ^ 1;
	struct trio trio;
	char range[16];

	snprintf(range, sizeof(range), "%u %u", port, port);
	stage_set(stage, "ipv4/ip_local_port_range", range);
	stage_set(stage, "ipv4/tcp_tw_reuse", "1");
	trio = trio_connect(stage, listener);
	end_accept(trio.server, listener);
	close_to_timewait(trio.client, trio.server);
	nanosleep(&older, NULL);
	end_still(trio.client);
	again = end_socket(stage, false);
	end_connect(again, listener);
	server = end_child(listener, again);
	end_goes(again, TCP_ESTABLISHED);
	end_gave_way(trio.client, again, "timewait_reused");
	end_goes(server, TCP_SYN_RECV, TCP_ESTABLISHED);
	end_accept(server, listener);
	trio_close(server, again);
	listener_close(listener);
	stage_set(stage, "ipv4/ip_local_port_range", "32768 60999");
}

static void timewait_reset(struct stage *stage)
{
	struct trio trio = trio_open(stage);
	int tap = tap_open(trio.client);
	struct segment fin;

	close_to_timewait(trio.client, trio.server);
	tap_catch(trio.client, tap, trio.server, SEGMENT_FIN, SEGMENT_FIN, &fin);
	/* RFC 1337 describes the hazard; net.ipv4.tcp_rfc1337 is off unless someone sets it. */
	segment_send_reset(trio.server, trio.client, segment_seq(&fin) + 1);
	end_over(trio.client, "timewait_reset", 0, TCP_CLOSE);
	tap_close(trio.client, tap);
	listener_close(trio.listener);
}

static void timewait_overflow(struct stage *stage)
{
	struct trio trio;

	stage_set(stage, "ipv4/tcp_max_tw_buckets", "0");
	trio = trio_open(stage);
	end_shutdown(trio.client);
	end_goes(trio.client, TCP_FIN_WAIT1, TCP_FIN_WAIT2);
	end_goes(trio.server, TCP_CLOSE_WAIT);
	stage_hold(stage);
	end_close(trio.server);
	end_over(trio.server, "fin", 0, TCP_LAST_ACK, TCP_CLOSE);
	end_over(trio.client, "timewait_overflow", 0, TCP_CLOSE);
	end_close(trio.client);
	listener_close(trio.listener);
}

const struct scenario timewait_scenarios[] = {
	{ "orphan-fin-wait2", "the client closes, the server does not: FIN_WAIT2 times out",
	  orphan_timeout, false },
	{ "timewait-reused-by-syn", "a SYN of the same addresses ends TIME_WAIT at the server",
	  timewait_reused_by_syn, false },
	{ "timewait-reused-by-connect", "connect() takes a port in TIME_WAIT (tcp_tw_reuse)",
	  timewait_reused_by_connect, true },
	{ "timewait-reset", "a reset ends TIME_WAIT", timewait_reset, false },
	{ "timewait-overflow", "no TIME_WAIT at all: tcp_max_tw_buckets", timewait_overflow, true },
	{ NULL, NULL, NULL, false },
};
