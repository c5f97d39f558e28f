// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Orderly closes, by FIN.
 */
#include "scenario.h"

#include "gate.h"
#include "segment.h"

#include <stddef.h>

enum { DATA_BYTES = 1000 };

static void active_close(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	stage_hold(stage);
	trio_close(trio.client, trio.server);
	listener_close(trio.listener);
}

static void passive_close(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	stage_hold(stage);
	trio_close(trio.server, trio.client);
	listener_close(trio.listener);
}

/* @first has nothing more to send, but receives all that @second sends. */
static void half_close(struct trio *trio, struct end *first, struct end *second)
{
	end_shutdown(first);
	end_goes(first, TCP_FIN_WAIT1, TCP_FIN_WAIT2);
	end_goes(second, TCP_CLOSE_WAIT);
	end_send(second, DATA_BYTES);
	end_receive(first, DATA_BYTES);
	stage_hold(first->stage);
	end_close(second);
	end_over(second, "fin", 0, TCP_LAST_ACK, TCP_CLOSE);
	end_goes(first, TCP_TIME_WAIT);
	end_close(first);
	end_expires(first, "timewait_expired");
	listener_close(trio->listener);
}

static void half_close_client(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	half_close(&trio, trio.client, trio.server);
}

static void half_close_server(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	half_close(&trio, trio.server, trio.client);
}

static void simultaneous_close(struct stage *stage)
{
	struct trio trio = trio_open(stage);
	struct segment client_fin, server_fin;
	int client_tap = tap_open(trio.client), server_tap = tap_open(trio.server);

	gate_shut(trio.client);
	gate_shut(trio.server);
	end_shutdown(trio.client);
	end_goes(trio.client, TCP_FIN_WAIT1);
	end_shutdown(trio.server);
	end_goes(trio.server, TCP_FIN_WAIT1);
	tap_catch(trio.server, server_tap, trio.client, SEGMENT_FIN, SEGMENT_FIN, &client_fin);
	tap_catch(trio.client, client_tap, trio.server, SEGMENT_FIN, SEGMENT_FIN, &server_fin);
	stage_hold(stage);
	/* Both FINs arrive, as if they had crossed, but nothing that acknowledges one of them. */
	gate_shut_but_ack(trio.client, segment_seq(&client_fin));
	gate_shut_but_ack(trio.server, segment_seq(&server_fin));
	segment_send(trio.client, trio.server, &client_fin);
	end_goes(trio.server, TCP_CLOSING);
	segment_send(trio.server, trio.client, &server_fin);
	end_goes(trio.client, TCP_CLOSING);
	stage_hold(stage);
	gate_open(trio.client);
	gate_open(trio.server);
	end_goes(trio.client, TCP_TIME_WAIT);
	end_goes(trio.server, TCP_TIME_WAIT);
	tap_close(trio.client, client_tap);
	tap_close(trio.server, server_tap);
	end_close(trio.client);
	end_close(trio.server);
	listener_close(trio.listener);
	end_expires(trio.client, "timewait_expired");
	end_expires(trio.server, "timewait_expired");
}

static void fin_unanswered(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	gate_shut(trio.server);
	end_close(trio.client);
	end_goes(trio.client, TCP_FIN_WAIT1);
	stage_hold(stage);
	gate_open(trio.server);
	end_goes(trio.client, TCP_FIN_WAIT2);
	end_goes(trio.server, TCP_CLOSE_WAIT);
	end_close(trio.server);
	end_over(trio.server, "fin", 0, TCP_LAST_ACK, TCP_CLOSE);
	end_goes(trio.client, TCP_TIME_WAIT);
	end_expires(trio.client, "timewait_expired");
	listener_close(trio.listener);
}

static void last_fin_unanswered(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	end_shutdown(trio.client);
	end_goes(trio.client, TCP_FIN_WAIT1, TCP_FIN_WAIT2);
	end_goes(trio.server, TCP_CLOSE_WAIT);
	gate_shut(trio.client);
	end_close(trio.server);
	end_goes(trio.server, TCP_LAST_ACK);
	stage_hold(stage);
	gate_open(trio.client);
	end_over(trio.server, "fin", 0, TCP_CLOSE);
	end_goes(trio.client, TCP_TIME_WAIT);
	end_close(trio.client);
	end_expires(trio.client, "timewait_expired");
	listener_close(trio.listener);
}

static void process_exit(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	stage_hold(stage);
	end_exit(trio.client);
	end_goes(trio.client, TCP_FIN_WAIT1, TCP_FIN_WAIT2);
	end_goes(trio.server, TCP_CLOSE_WAIT);
	stage_hold(stage);
	end_close(trio.server);
	end_over(trio.server, "fin", 0, TCP_LAST_ACK, TCP_CLOSE);
	end_goes(trio.client, TCP_TIME_WAIT);
	end_expires(trio.client, "timewait_expired");
	listener_close(trio.listener);
}

const struct scenario close_scenarios[] = {
	{ "active-close", "the client closes first", active_close, false },
	{ "passive-close", "the server closes first", passive_close, false },
	{ "half-close-client", "the client shuts down, the server still sends", half_close_client,
	  false },
	{ "half-close-server", "the server shuts down, the client still sends", half_close_server,
	  false },
	{ "simultaneous-close", "both shut down; both FINs cross", simultaneous_close, false },
	{ "fin-unanswered", "the client's FIN is lost at first: FIN_WAIT1 held", fin_unanswered,
	  false },
	{ "last-fin-unanswered", "the server's FIN is lost at first: LAST_ACK held",
	  last_fin_unanswered, false },
	{ "process-exit", "the client exits with its socket open", process_exit, false },
	{ NULL, NULL, NULL, false },
};
