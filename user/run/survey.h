/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looks at the network namespaces of the host (counters and settings), and at the processes that
 * have sockets, for `diagnose` and `export`. It passes what it sees to a gather (gather.h).
 * `snapshot --sockets` uses the settings alone.
 *
 * If the session has a steward, the steward enters other namespaces. One thread.
 */
#ifndef TCPDWELL_SURVEY_H
#define TCPDWELL_SURVEY_H

#include <stdint.h>

#include "model/facts.h"

struct gather;
struct netns_place;
struct session;
struct tcpdwell_failed_call;
struct tcpdwell_failed_calls;

/* How much of the host was seen. */
struct survey {
	unsigned int namespaces; /* that were visited */
	unsigned int closed;	 /* that could not be entered */
};

/*
 * Takes the first look, which later growth is measured against, in the namespace with inode @only,
 * or in all if that is 0. Of sockets it passes on only the drops of listeners. Returns 0 or -errno.
 */
int survey_begin(struct session *session, struct gather *gather, uint32_t only,
		 struct survey *survey);

/* Takes a later look at the namespaces, before the sockets are looked at. Returns 0 or -errno. */
int survey_look(struct session *session, struct gather *gather, uint32_t only,
		struct survey *survey);

/*
 * Fills in how many descriptors the processes have that hold the sockets found, their limits, and
 * what they do.
 */
void survey_processes(struct session *session, struct gather *gather);

/*
 * Calls @take for each kind of connect(), bind() and listen() that has failed since the start, if
 * the session's filters want it and it was in the namespace with inode @only (0: any). A filter by
 * user or cgroup lets none through, because neither is known of a failed call. @take may return
 * LOADER_FORGET. Returns 0, or the -errno that ended it.
 */
typedef int survey_failed_call(void *context, const struct tcpdwell_failed_call *call,
			       const struct tcpdwell_failed_calls *calls);
int survey_failed_calls(struct session *session, uint32_t only, survey_failed_call *take,
			void *context);

/*
 * Reads the settings of a namespace (netns_walk.h). FACT_UNKNOWN: this kernel does not have the
 * setting.
 */
void survey_settings(const struct netns_place *place, uint64_t settings[FACT_SETTINGS]);

#endif /* TCPDWELL_SURVEY_H */
