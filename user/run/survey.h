/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A look at the network namespaces of the host, for `diagnose`: sockets as sock_diag(7) has them,
 * counters, settings; and at the processes that have sockets. It tells a gather (gather.h) of them.
 * Settings alone are for `snapshot --sockets`, too.
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
struct sockets;

/* What of the host was not seen. */
struct survey {
	uint32_t own;		 /* inode of this process's namespace; the caller's to set */
	unsigned int namespaces; /* that were looked into */
	unsigned int closed;	 /* that could not be entered */
};

/* Every state but CLOSE, whose sockets are in no table. */
#define SURVEY_STATES (((1U << (TCPDWELL_CLOSING + 1)) - 2) & ~(1U << TCPDWELL_CLOSE))

/*
 * Looks into the namespace of inode @only, or, if that is 0, into all. sock_diag is asked for
 * sockets in @states, a mask of state numbers, whose ends the session's filters want; 0: a walk
 * tells all of them. Returns 0 or -errno.
 */
int survey_take(struct session *session, struct gather *gather, uint32_t only, uint16_t states,
		struct survey *survey);

/* The settings of a namespace (netns_walk.h); FACT_UNKNOWN: this kernel has none such. */
void survey_settings(const struct netns_place *place, uint64_t settings[FACT_SETTINGS]);

/* Reads how many descriptors the holders of @sockets have. Returns 0 or -errno. */
int survey_processes(struct session *session, struct gather *gather, const struct sockets *sockets);

#endif /* TCPDWELL_SURVEY_H */
