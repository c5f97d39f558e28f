/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is wrong with a host's connections, by facts.h. Findings come worst first, and those of one
 * kind with the most first.
 *
 * Pure, one thread at a time. Nothing is found without a figure that was seen.
 */
#ifndef TCPDWELL_FINDINGS_H
#define TCPDWELL_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/deadline.h"
#include "model/facts.h"

/* In the order in which they are looked for. The names (finding_name()) are a contract. */
enum finding_id {
	FINDING_SYN_UNANSWERED,
	FINDING_SCAN,
	FINDING_CONNECT_FAILING,
	FINDING_SYN_FLOOD,
	FINDING_ACCEPT_QUEUE_FULL,
	FINDING_HALF_OPEN,
	FINDING_CLOSE_WAIT_LEAK,
	FINDING_STUCK_FIN_WAIT1,
	FINDING_STUCK_FIN_WAIT2,
	FINDING_STUCK_CLOSING,
	FINDING_STUCK_LAST_ACK,
	FINDING_PORTS_EXHAUSTED,
	FINDING_ADDRESS_IN_USE,
	FINDING_TIMEWAIT_OVERFLOW,
	FINDING_KEEPALIVE_DIED,
	FINDING_RESETS,
	FINDING_ORPHANS,
	FINDING_MEMORY,
	FINDING_DESCRIPTORS,
	FINDING_SELF_CONNECT,
	FINDING_MAX
};

enum finding_severity {
	FINDING_NOTE,	  /* worth a look */
	FINDING_WARNING,  /* something does not work for some, or will not soon */
	FINDING_CRITICAL, /* connections fail now */
};

/* How a figure is to be written. */
enum finding_unit { FIGURE_COUNT, FIGURE_NS, FIGURE_BYTES, FIGURE_PERCENT };

struct finding_figure {
	const char *name; /* a constant, in words and as a JSON name: "half_open" */
	uint64_t value;
	enum finding_unit unit;
	bool grew; /* while it was looked, not a present value */
};

#define FINDING_FIGURES	 8
#define FINDING_SETTINGS 4
#define FINDING_WHY_LEN	 256
#define FINDING_MORE_LEN 128

struct finding {
	enum finding_id id;
	enum finding_severity severity;
	uint64_t count;		 /* what the kind is sorted by */
	struct fact_owner owner; /* pid 0: nobody's, or not known */
	struct fact_address at;	 /* a port or an address that is 0 says nothing */
	uint16_t err;		 /* 0: none */
	struct finding_figure figures[FINDING_FIGURES];
	unsigned int figure_count;
	char why[FINDING_WHY_LEN]; /* a sentence or two, empty: not known */
	/* What helps and what does not, where it is not what explain.txt says. Constants. */
	const char *helps;
	const char *useless;
	bool has_end;
	struct deadline end; /* of the last of them */
	enum fact_setting settings[FINDING_SETTINGS];
	unsigned int setting_count;
	char more[FINDING_MORE_LEN]; /* the command that shows the rows */
};

/* How many of a client's local ports are in use to one destination, or, bound, to any. */
struct finding_ports {
	struct fact_address at; /* the local port says nothing; of bound ones nor do remote ends */
	bool bound;
	uint64_t open;	  /* not in TIME_WAIT */
	double taken;	  /* share that is not to be had; pressure.h says which are */
	bool fills;	  /* left_ns is worth something */
	uint64_t left_ns; /* until no port is left */
};

/* Destinations that are told of, the fullest first, from a hundredth of the ports on. */
#define FINDING_PORTS 10

struct findings;

/* Looks through @facts, which need not outlive it. NULL with errno set: no memory. */
struct findings *findings_new(const struct facts *facts);

/* NULL-safe. */
void findings_free(struct findings *findings);

size_t findings_count(const struct findings *findings);
const struct finding *findings_at(const struct findings *findings, size_t i);

/* Local ports, whether or not there is something wrong with them. */
size_t findings_ports_count(const struct findings *findings);
const struct finding_ports *findings_ports_at(const struct findings *findings, size_t i);

/* "syn_unanswered" and so on: constants. */
const char *finding_name(enum finding_id id);

/* One sentence of what it is, to stand above the figures; a constant. */
const char *finding_title(enum finding_id id);

/* "note", "warning" or "critical". */
const char *finding_severity_name(enum finding_severity severity);

/* The name that sysctl(8) has for it. */
const char *fact_setting_name(enum fact_setting setting);

#endif /* TCPDWELL_FINDINGS_H */
