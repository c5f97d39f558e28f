/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is wrong with a host's connections, concluded from facts.h. The worst findings come first;
 * of one kind, those with the highest count first.
 *
 * Nothing is found without a figure that was seen. Pure, one thread at a time.
 */
#ifndef TCPDWELL_FINDINGS_H
#define TCPDWELL_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/deadline.h"
#include "model/facts.h"

/* The names (finding_name()) are a contract. */
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
	FINDING_WARNING,  /* something fails for some, or will soon */
	FINDING_CRITICAL, /* connections fail now */
};

/* The unit of a figure. */
enum finding_unit { FIGURE_COUNT, FIGURE_NS, FIGURE_BYTES, FIGURE_PERCENT };

struct finding_figure {
	const char *name; /* a constant, for words and JSON: "half_open" */
	uint64_t value;
	enum finding_unit unit;
	bool grew; /* what was added during the look, no present value */
};

#define FINDING_FIGURES	 8
#define FINDING_SETTINGS 4
#define FINDING_WHY_LEN	 384
#define FINDING_MORE_LEN 128

struct finding {
	enum finding_id id;
	enum finding_severity severity;
	uint64_t count;		 /* what findings of one kind are sorted by */
	struct fact_owner owner; /* pid 0: nobody, or not known */
	uint32_t processes;	/* of the owner's name that it sums, if there are several; else 0 */
	struct fact_address at; /* a port or an address of 0 is left out */
	uint16_t err;		/* 0: none */
	struct finding_figure figures[FINDING_FIGURES];
	unsigned int figure_count;
	char why[FINDING_WHY_LEN]; /* a sentence or two; empty: not known */
	/* What helps and what does not, if it differs from explain.txt. Constants. */
	const char *helps;
	const char *useless;
	bool has_end;
	struct deadline end; /* of the connection that ends last */
	enum fact_setting settings[FINDING_SETTINGS];
	unsigned int setting_count;
	char more[FINDING_MORE_LEN]; /* the command that shows the rows */
};

/*
 * How many of a client's local ports are in use to one destination, or, if bind() took them, to
 * any.
 */
struct finding_ports {
	struct fact_address at; /* without the local port; if bound, without the remote end */
	bool bound;
	uint64_t open;	  /* not in TIME_WAIT */
	double taken;	  /* share that cannot be had; see pressure.h */
	bool fills;	  /* left_ns is known */
	uint64_t left_ns; /* until no port is left */
};

/*
 * How many destinations are reported: the fullest ones, if at least a hundredth of their ports is
 * taken.
 */
#define FINDING_PORTS 10

struct findings;

/*
 * Looks through @facts, which need not outlive the findings. Returns NULL with errno set if there
 * is no memory.
 */
struct findings *findings_new(const struct facts *facts);

/* NULL-safe. */
void findings_free(struct findings *findings);

size_t findings_count(const struct findings *findings);
const struct finding *findings_at(const struct findings *findings, size_t i);

/* Return the fullest destinations, whether or not something is wrong with them. */
size_t findings_ports_count(const struct findings *findings);
const struct finding_ports *findings_ports_at(const struct findings *findings, size_t i);

/* Returns "syn_unanswered" and so on: constants. */
const char *finding_name(enum finding_id id);

/* Returns a sentence that says what the finding is, to stand above the figures; a constant. */
const char *finding_title(enum finding_id id);

/* Returns "note", "warning" or "critical". */
const char *finding_severity_name(enum finding_severity severity);

/* Returns the name that sysctl(8) uses for the setting. */
const char *fact_setting_name(enum fact_setting setting);

#endif /* TCPDWELL_FINDINGS_H */
