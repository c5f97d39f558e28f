// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Connections that end by a reset. */
#include "scenario.h"

#include <errno.h>
#include <stddef.h>

static void resets(struct trio *trio, struct end *sender, struct end *receiver)
{
	stage_hold(sender->stage);
	end_abort(sender);
	end_over(sender, "reset_sent", 0, TCP_CLOSE);
	end_over(receiver, "reset_received", ECONNRESET, TCP_CLOSE);
	end_error(receiver, ECONNRESET);
	end_close(receiver);
	listener_close(trio->listener);
}

static void rst_from_client(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	resets(&trio, trio.client, trio.server);
}

static void rst_from_server(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	resets(&trio, trio.server, trio.client);
}

static void rst_unread_data(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	end_send(trio.server, 1);
	end_unread(trio.client, 1);
	stage_hold(stage);
	end_close(trio.client);
	end_over(trio.client, "reset_sent", 0, TCP_CLOSE);
	end_over(trio.server, "reset_received", ECONNRESET, TCP_CLOSE);
	end_close(trio.server);
	listener_close(trio.listener);
}

static void rst_in_close_wait(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	end_shutdown(trio.client);
	end_goes(trio.client, TCP_FIN_WAIT1, TCP_FIN_WAIT2);
	end_goes(trio.server, TCP_CLOSE_WAIT);
	stage_hold(stage);
	end_abort(trio.client);
	end_over(trio.client, "reset_sent", 0, TCP_CLOSE);
	/* The kernel reports a reset after the FIN like this. */
	end_over(trio.server, "reset_received", EPIPE, TCP_CLOSE);
	end_error(trio.server, EPIPE);
	end_close(trio.server);
	listener_close(trio.listener);
}

static void rst_in_fin_wait2(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	end_shutdown(trio.client);
	end_goes(trio.client, TCP_FIN_WAIT1, TCP_FIN_WAIT2);
	end_goes(trio.server, TCP_CLOSE_WAIT);
	stage_hold(stage);
	end_abort(trio.server);
	end_over(trio.server, "reset_sent", 0, TCP_CLOSE);
	end_over(trio.client, "reset_received", ECONNRESET, TCP_CLOSE);
	end_close(trio.client);
	listener_close(trio.listener);
}

static void data_after_close(struct stage *stage)
{
	struct trio trio = trio_open(stage);

	end_close(trio.client);
	end_goes(trio.client, TCP_FIN_WAIT1, TCP_FIN_WAIT2);
	end_goes(trio.server, TCP_CLOSE_WAIT);
	stage_hold(stage);
	end_send(trio.server, 1);
	end_over(trio.client, "reset_sent", 0, TCP_CLOSE);
	end_over(trio.server, "reset_received", EPIPE, TCP_CLOSE);
	end_close(trio.server);
	listener_close(trio.listener);
}

static void listener_closed_with_queue(struct stage *stage)
{
	struct end *listener = end_listen(stage, 4);
	struct trio open = trio_connect(stage, listener), shut = trio_connect(stage, listener);

	end_shutdown(shut.client);
	end_goes(shut.client, TCP_FIN_WAIT1, TCP_FIN_WAIT2);
	end_goes(shut.server, TCP_CLOSE_WAIT);
	stage_hold(stage);
	listener_close(listener);
	end_over(open.server, "listener_closed", 0, TCP_CLOSE);
	end_over(open.client, "reset_received", ECONNRESET, TCP_CLOSE);
	end_over(shut.server, "listener_closed", 0, TCP_CLOSE);
	end_over(shut.client, "reset_received", ECONNRESET, TCP_CLOSE);
	end_close(open.client);
	end_close(shut.client);
}

const struct scenario reset_scenarios[] = {
	{ "rst-from-client", "the client closes with SO_LINGER 0", rst_from_client, false },
	{ "rst-from-server", "the server closes with SO_LINGER 0", rst_from_server, false },
	{ "rst-unread-data", "the client closes with data unread", rst_unread_data, false },
	{ "rst-in-close-wait", "the client shuts down, then resets", rst_in_close_wait, false },
	{ "rst-in-fin-wait2", "the client shuts down, the server resets", rst_in_fin_wait2, false },
	{ "data-after-close", "the server sends to a client that has closed", data_after_close,
	  false },
	{ "listener-closed-with-queue", "two connections wait to be accepted, one with its FIN",
	  listener_closed_with_queue, false },
	{ NULL, NULL, NULL, false },
};
