/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TRAFFIC_SCENARIO_H
#define TRAFFIC_SCENARIO_H

#include "end.h"
#include "stage.h"

/*
 * A scenario moves sockets through one path of the state diagram. Errors stay in the stage. Tables
 * end with a NULL name.
 */
struct scenario {
	const char *name;
	const char *about;
	void (*play)(struct stage *stage);
	bool own_netns; /* changes settings, so it plays in a new network namespace */
};

extern const struct scenario open_scenarios[];
extern const struct scenario close_scenarios[];
extern const struct scenario reset_scenarios[];
extern const struct scenario failure_scenarios[];
extern const struct scenario request_scenarios[];
extern const struct scenario timewait_scenarios[];

const struct scenario *scenario_find(const char *name);
/* Returns the @index-th scenario; NULL after the last one. */
const struct scenario *scenario_at(unsigned int index);

/* What most scenarios begin with: an established and accepted connection, and its listener. */
struct trio {
	struct end *listener, *client, *server;
};

struct trio trio_open(struct stage *stage);
/* Makes another connection to @listener, without accepting it. */
struct trio trio_connect(struct stage *stage, struct end *listener);
/* Closes both ends, @first before @second, which stays in CLOSE_WAIT for the hold. */
void trio_close(struct end *first, struct end *second);
void listener_close(struct end *listener);
/* Calls netns_set(); its error stays in the stage. */
void stage_set(struct stage *stage, const char *name, const char *value);

#endif
