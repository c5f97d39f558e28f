/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One table of all that a kernel may refuse. It has the name of each feature, what the user loses
 * without it, and the ways to have it, best first, each with its programs and maps. The knobs, the
 * programs that are loaded, the warnings and `tcpdwell probe` follow from this table.
 *
 * A way is open only if all its parts are there. A way that the probes of capability.h find closed
 * is not tried. A way that the kernel refuses when the object is loaded or attached is closed then,
 * and the object is opened again without it. One thread.
 */
#ifndef TCPDWELL_FEATURE_H
#define TCPDWELL_FEATURE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/capability.h"

enum feature_id {
	FEATURE_TRANSITIONS, /* without this feature and its ring nothing can be traced */
	FEATURE_IDENTITY,
	FEATURE_ACCEPT_OWNER,
	FEATURE_CONNECT_PORT,
	FEATURE_SYN_RECV,
	FEATURE_TIMEWAIT,
	FEATURE_MEMORY,
	FEATURE_RECENT,
	FEATURE_RINGS,
	FEATURE_GROWTH,
	FEATURE_ACCOUNT,
	FEATURE_WORKSPACES,
	FEATURE_DESCRIPTORS,
	FEATURE_SUBFLOWS,
	FEATURE_SOCKETS,
	FEATURE_WALK,
	FEATURE_SWEEP,
	FEATURE_NESTED,
	FEATURE_KEEP_CPU,
	FEATURE_CAST,
	FEATURE_HANDSHAKE,
	FEATURE_FAST_OPEN,
	FEATURE_EXEC,
	FEATURE_EXIT,
	FEATURE_FORK,
	FEATURE_RESETS,
	FEATURE_FLOODS,
	FEATURE_SUMS,
	FEATURE_CARRIED,
	FEATURE_LIVES,
	FEATURE_STACKS,
	FEATURE_PIDS,
	FEATURE_ADDRESSES,
	FEATURE_CALLS,
	FEATURE_COOKIES,
	FEATURE_COUNT
};

#define FEATURES_ALL ((1ULL << FEATURE_COUNT) - 1)

/* The most ways that a feature has. */
#define FEATURE_WAYS 3

/* The number of a way, where no way is open. */
#define FEATURE_NONE -1

/* Says when a part belongs to its way. */
enum part_when {
	PART_ALWAYS,
	PART_ATOMIC, /* the kernel has atomic exchange in programs */
	PART_NO_ATOMIC,
	PART_CAST,    /* the kernel has atomic exchange, and programs make typed pointers */
	PART_NO_CAST, /* the kernel has atomic exchange, and programs make no typed pointers */
	PART_COOKIE,  /* the kernel has socket cookies in tracing programs */
	PART_NO_COOKIE,
	PART_PREEMPTED,
	PART_ROWS,   /* rows are sent */
	PART_EARLY,  /* requests are told while they last */
	PART_ARMED,  /* a timer that is armed tells of a timewait socket: they are not sought */
	PART_BEGINS, /* inet_twsk_hashdance_schedule() exists (6.12) */
	PART_KILL,   /* inet_twsk_kill() is a function that can be attached to */
	PART_CONNECT6,
	PART_ACCEPT2, /* chosen by the number of parameters of a kernel function */
	PART_ACCEPT4,
	PART_ACCEPT4_NO_ATOMIC,
	PART_TIMEWAIT3,
	PART_TIMEWAIT4,
	PART_TIMEWAIT5,
};

/* A program or a map of the object. No program has the name of a map. */
struct part {
	const char *name; /* NULL ends the list */
	enum part_when when;
};

struct way {
	const char *backend;
	const char *cost; /* NULL if the cost is not worth a word */
	const struct part *parts;
};

struct feature {
	const char *name;
	const char *lost; /* what the user loses without the feature */
	/* a feature without which this one is not there; its own id if it needs none */
	enum feature_id needs;
	struct way ways[FEATURE_WAYS];
};

extern const struct feature feature_table[FEATURE_COUNT];

struct features {
	const struct capability *can;
	uint64_t wanted; /* a mask of enum feature_id: what this run wants */
	struct obstacle obstacles[FEATURE_COUNT][FEATURE_WAYS];
};

/*
 * Closes the ways that @can and the backend @wanted exclude. The parts of the other ways have not
 * been tried yet. @can must outlive @features.
 */
void features_init(struct features *features, const struct capability *can, enum backend wanted);

/* Returns the best way that is open, or FEATURE_NONE. */
int features_way(const struct features *features, enum feature_id id);
bool features_have(const struct features *features, enum feature_id id);

/* Return true if this run wants the feature, or if it wants and has it. */
bool features_want(const struct features *features, enum feature_id id);
bool features_use(const struct features *features, enum feature_id id);

/*
 * Returns true if the loss of the feature is worth a warning. It is not if an older kernel does not
 * need the feature, if only time is lost, or if a feature that this one needs is missing, too: then
 * the warning about that one says it.
 */
bool features_miss(const struct features *features, enum feature_id id);

/*
 * The first returns the name of the best open way. The second returns its backend, and is for the
 * hidden states alone.
 */
const char *features_backend_name(const struct features *features, enum feature_id id);
enum backend features_backend(const struct features *features, enum feature_id id);

/* Returns why the best way is not open, or NULL if it is. */
const struct obstacle *features_why(const struct features *features, enum feature_id id);

/* Closes a way for a reason that a probe found. */
void features_set(struct features *features, enum feature_id id, int way,
		  const struct obstacle *obstacle);

/*
 * Closes the best open way of a feature. @part names the program or map that was refused, in static
 * storage, or is NULL.
 */
void features_close(struct features *features, enum feature_id id, int err, const char *part);

/*
 * Closes each way that the program or map of this name is a part of. Returns how many it closed.
 * That is 0 if the name belongs to no way, or only to the transitions, which nothing works without.
 */
int features_refused(struct features *features, const char *name, int err);

/*
 * Gives up one feature that the program at the tracepoint can do without, because it is not known
 * which of them the kernel refuses. Returns the feature, or FEATURE_NONE if none is left.
 */
int features_give_up_one(struct features *features, int err);

#endif /* TCPDWELL_FEATURE_H */
