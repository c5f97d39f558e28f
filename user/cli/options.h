/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The command line as a struct.
 *
 * options_parse() is pure: it prints nothing, reads nothing but its arguments, and never exits.
 * Strings in struct options point into argv, which must outlive it. There is nothing to free.
 *
 * A repeated option adds to its list. If it has a single value, the last one counts.
 */
#ifndef TCPDWELL_OPTIONS_H
#define TCPDWELL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/backend.h"
#include "cli/filters.h"
#include "cli/parse.h"
#include "stat.h"
#include "wire.h"

enum command {
	COMMAND_TRACE, /* also if the command line names no command */
	COMMAND_TIMEWAIT,
	COMMAND_PROBE,
	COMMAND_SNAPSHOT,
	COMMAND_LEAKS,
	COMMAND_STAT,
	COMMAND_EXPLAIN,
	COMMAND_DIAGNOSE,
	COMMAND_LIFE,
	COMMAND_EXPORT,
};

/* For export: what its series are divided by. */
enum export_by {
	EXPORT_BY_COMM,
	EXPORT_BY_UNIT,
	EXPORT_BY_CONTAINER,
	EXPORT_BY_POD,
	EXPORT_BY_PORT,
	EXPORT_BY_NETNS,
	EXPORT_BY_CGROUP,
	EXPORT_BY_PEER, /* prefixes of the remote address */
};

struct export_choice {
	enum export_by by;
	uint32_t bits; /* of IPv4 with EXPORT_BY_PEER */
};

enum format {
	FORMAT_TABLE,
	FORMAT_JSON,
	FORMAT_CSV,  /* for rows */
	FORMAT_OTLP, /* for connections, and for export */
};

/* The most rows of each table of a report. */
#define OPTIONS_TOP_MAX 100

struct options {
	enum command command;
	struct filters filters;

	uint64_t count;	      /* rows to print; 0: no limit */
	uint64_t duration_ns; /* 0: no limit */
	uint32_t top;	      /* rows of each table of a report */

	enum format format;
	bool wall_time;	  /* -T */
	bool since_start; /* -t, which may be given together with -T */
	bool wide;
	bool utc;
	bool kernel_view;
	bool no_snapshot;
	bool listening;	   /* snapshot: listeners only */
	bool sockets;	   /* snapshot: connections one by one */
	uint64_t older_ns; /* snapshot: the least age of a socket */
	uint64_t leak_ns;  /* leaks: the least age of a socket */
	bool watch;	   /* leaks: look again and again */
	bool stacks;	   /* leaks: show where the sockets were connected or accepted */

	struct life_filter life;
	bool time_wait; /* life: the row comes at the end of TIME_WAIT */

	enum tcpdwell_stat_by by; /* stat: what makes a group */
	uint64_t report_ns;	  /* time between two reports; 0: no option says */
	uint32_t prefix4;	  /* stat: bits of an address that make a prefix */
	uint32_t prefix6;
	bool cumulative;     /* stat: each report is about all since the start */
	bool histogram;	     /* stat: a histogram is drawn below each row */
	uint64_t hist_bytes; /* stat: kernel memory; 0: a share of the host's memory */

	const char *listen;   /* export: an address, NULL: no option says */
	const char *textfile; /* export: a path, NULL: none */
	struct export_choice export_by;
	struct port_set export_ports; /* export: ports that have series of their own; empty: all */
	uint32_t max_series;	      /* export: the limit for each metric */

	uint64_t ring_bytes;  /* a power of two, 64 KiB to 1 GiB; 0: as the command needs */
	unsigned int rings;   /* a power of two; 0: by the number of processors */
	uint32_t max_sockets; /* 0: by the memory of the host */
	enum backend backend;
	const char *user; /* whom to become once all is attached; NULL: no option says */
	bool quiet;	  /* never together with verbose */
	bool verbose;

	bool help;    /* asked for: the options after it were not looked at */
	bool version; /* likewise */
	bool words;   /* likewise */

	const char *operand; /* the word behind the command, if it takes one; NULL: none */
	char **program;	     /* what follows --, ended by NULL; NULL: nothing */
};

/* Room for any message: long values are cut before they go in. */
#define OPTIONS_ERROR_LEN 512

/* A message: one line of printable UTF-8, without a newline and without the program's name. */
struct options_error {
	char text[OPTIONS_ERROR_LEN];
};

extern const struct options options_defaults;

/*
 * Sets @options from the defaults and from argv[1] to argv[argc - 1]. argv[argc] must be NULL, as
 * main() gets it. @find looks up users for --uid; if it is NULL, users are given by number only.
 * Returns 0, or -EINVAL for an error of use with @error filled. @options must not be used then.
 */
int options_parse(struct options *options, int argc, char *argv[], parse_find_user *find,
		  struct options_error *error);

#endif /* TCPDWELL_OPTIONS_H */
