/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A look at the network namespaces of the host, for `diagnose`: counters, settings; and at the
 * processes that have sockets. It tells a gather (gather.h) of them. Settings alone are for
 * `snapshot --sockets`, too.
 *
 * The steward goes into other namespaces where the session has one. One thread.
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

/* What of the host was not seen. */
struct survey {
	unsigned int namespaces; /* that were looked into */
	unsigned int closed;	 /* that could not be entered */
};

/*
 * The first look, which what grows is held against: into the namespace of inode @only, or, if that
 * is 0, into all. Of sockets it tells only what listeners have dropped. Returns 0 or -errno.
 */
int survey_begin(struct session *session, struct gather *gather, uint32_t only,
		 struct survey *survey);

/* A look there, ahead of one at sockets. Returns 0 or -errno. */
int survey_look(struct session *session, struct gather *gather, uint32_t only,
		struct survey *survey);

/* How many descriptors those have who hold the sockets that were found. */
void survey_processes(struct session *session, struct gather *gather);

/*
 * Calls @take for each kind of connect() and bind() that has failed since the start: of those that
 * the session's filters want, in the namespace of inode @only, or, if that is 0, in all. Whose user
 * or cgroup is asked for, of those none is known. Returns 0, or what ended it: an -errno.
 */
typedef int survey_failed_call(void *context, const struct tcpdwell_failed_call *call,
			       const struct tcpdwell_failed_calls *calls);
int survey_failed_calls(struct session *session, uint32_t only, survey_failed_call *take,
			void *context);

/* The settings of a namespace (netns_walk.h); FACT_UNKNOWN: this kernel has none such. */
void survey_settings(const struct netns_place *place, uint64_t settings[FACT_SETTINGS]);

#endif /* TCPDWELL_SURVEY_H */
