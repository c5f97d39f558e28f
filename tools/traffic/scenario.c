// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "scenario.h"

#include "netns.h"

#include <stddef.h>
#include <string.h>

enum { BACKLOG = 16 };

static const struct scenario *const tables[] = {
	open_scenarios,	   close_scenarios,   reset_scenarios,
	failure_scenarios, request_scenarios, timewait_scenarios,
};

const struct scenario *scenario_at(unsigned int index)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct scenario *scenario = tables[i]; scenario->name; scenario++)
			if (!index--)
				return scenario;
	return NULL;
}

const struct scenario *scenario_find(const char *name)
{
	const struct scenario *scenario;

	for (unsigned int i = 0; (scenario = scenario_at(i)); i++)
		if (!strcmp(scenario->name, name))
			break;
	return scenario;
}

struct trio trio_connect(struct stage *stage, struct end *listener)
{
	struct trio trio = { .listener = listener };

	trio.client = end_socket(stage, false);
	end_connect(trio.client, listener);
	trio.server = end_child(listener, trio.client);
	end_goes(trio.client, TCP_ESTABLISHED);
	end_goes(trio.server, TCP_SYN_RECV, TCP_ESTABLISHED);
	return trio;
}

struct trio trio_open(struct stage *stage)
{
	struct end *listener = end_listen(stage, BACKLOG);
	struct trio trio = trio_connect(stage, listener);

	end_accept(trio.server, listener);
	return trio;
}

void trio_close(struct end *first, struct end *second)
{
	end_close(first);
	end_goes(first, TCP_FIN_WAIT1, TCP_FIN_WAIT2);
	end_goes(second, TCP_CLOSE_WAIT);
	stage_hold(first->stage);
	end_close(second);
	end_over(second, "fin", 0, TCP_LAST_ACK, TCP_CLOSE);
	end_goes(first, TCP_TIME_WAIT);
	end_expires(first, "timewait_expired");
}

void listener_close(struct end *listener)
{
	end_close(listener);
	end_over(listener, "listener_closed", 0, TCP_CLOSE);
}

void stage_set(struct stage *stage, const char *name, const char *value)
{
	int err;

	if (stage_error(stage))
		return;
	err = netns_set(name, value);
	if (err)
		stage_fail(stage, err, "set %s to '%s'", name, value);
}
