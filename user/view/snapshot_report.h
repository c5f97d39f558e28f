/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell snapshot` as a table and as JSON. Errors stay in the stream. Any thread.
 */
#ifndef TCPDWELL_SNAPSHOT_REPORT_H
#define TCPDWELL_SNAPSHOT_REPORT_H

#include <stdint.h>
#include <stdio.h>

struct census;

/* Returns what a network namespace is called, valid until the next call; NULL: not known. */
struct netns_lookup {
	const char *(*name)(const void *context, uint32_t inode);
	const void *context;
};

/* Prints counts by state, by process and by port; of the latter two at most @top rows. */
void snapshot_report(FILE *out, const struct census *census, const struct netns_lookup *netns,
		     unsigned int top);

/* For --listening: prints a line for each listener. */
void snapshot_report_listeners(FILE *out, const struct census *census,
			       const struct netns_lookup *netns);

/*
 * Prints one object. The names are a contract: one may be added, none may be removed or change its
 * meaning.
 */
void snapshot_json(FILE *out, const struct census *census, const struct netns_lookup *netns,
		   uint64_t wall_ns);

/* Prints an object for each listener. */
void snapshot_json_listeners(FILE *out, const struct census *census,
			     const struct netns_lookup *netns);

#endif /* TCPDWELL_SNAPSHOT_REPORT_H */
