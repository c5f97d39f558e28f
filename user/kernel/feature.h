/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All that a kernel may refuse, in one table: what it is called, what the user loses without it,
 * and the ways to have it, best first, each with its programs and maps. The knobs, what is loaded,
 * the warnings and `tcpdwell probe` follow from it.
 *
 * A way is there with all its parts or not at all. What the probes of capability.h find to be
 * closed is not tried; what proves to be refused when the object is loaded or attached is closed
 * then, and the object is opened again without it. One thread.
 */
#ifndef TCPDWELL_FEATURE_H
#define TCPDWELL_FEATURE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/capability.h"

enum feature_id {
	FEATURE_TRANSITIONS, /* without this and the ring there is nothing to trace */
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

/* The most ways to have one. */
#define FEATURE_WAYS 3

/* No way is open. */
#define FEATURE_NONE -1

/* When a part belongs to its way; it always does with PART_ALWAYS. */
enum part_when {
	PART_ALWAYS,
	PART_ATOMIC, /* the kernel has atomic exchange in programs */
	PART_NO_ATOMIC,
	PART_CAST,    /* that, and typed pointers are made */
	PART_NO_CAST, /* that without these */
	PART_COOKIE,  /* and socket cookies */
	PART_NO_COOKIE,
	PART_PREEMPTED,
	PART_ROWS,   /* rows are sent, not summed */
	PART_ARMED,  /* timewait sockets are not sought, but told of */
	PART_BEGINS, /* and inet_twsk_hashdance_schedule() is there (6.12) */
	PART_KILL,   /* inet_twsk_kill() is a function of its own */
	PART_CONNECT6,
	PART_ACCEPT2, /* by the number of parameters of a function */
	PART_ACCEPT4,
	PART_ACCEPT4_NO_ATOMIC,
	PART_TIMEWAIT3,
	PART_TIMEWAIT4,
	PART_TIMEWAIT5,
};

/* A program or a map of the object: no program has the name of a map. */
struct part {
	const char *name; /* NULL: none, the list ends */
	enum part_when when;
};

struct way {
	const char *backend;
	const char *cost; /* NULL: none that is worth a word */
	const struct part *parts;
};

struct feature {
	const char *name;
	const char *lost;      /* what the user loses without it */
	enum feature_id needs; /* another one without which it is nothing; itself: none */
	struct way ways[FEATURE_WAYS];
};

extern const struct feature feature_table[FEATURE_COUNT];

struct features {
	const struct capability *can;
	uint64_t wanted; /* by this run: a mask of enum feature_id */
	struct obstacle obstacles[FEATURE_COUNT][FEATURE_WAYS];
};

/* @can must outlive @features. What a way is made of has not been tried yet. */
void features_init(struct features *features, const struct capability *can, enum backend wanted);

/* The best way that is open, or FEATURE_NONE. */
int features_way(const struct features *features, enum feature_id id);
bool features_have(const struct features *features, enum feature_id id);

/* Whether this run wants it, and whether it wants and has it. */
bool features_want(const struct features *features, enum feature_id id);
bool features_use(const struct features *features, enum feature_id id);

/*
 * Whether what is lost is worth a warning: not what an older kernel has no need of, what costs time
 * alone, or what is lost with another one that is.
 */
bool features_miss(const struct features *features, enum feature_id id);

/* The same by name, and that for hidden states. */
const char *features_backend_name(const struct features *features, enum feature_id id);
enum backend features_backend(const struct features *features, enum feature_id id);

/* Why there is none, or none better than the one that is open; NULL: it is the best. */
const struct obstacle *features_why(const struct features *features, enum feature_id id);

/* Closes a way, for a reason that was found by a probe. */
void features_set(struct features *features, enum feature_id id, int way,
		  const struct obstacle *obstacle);

/* Closes the way that is open to a feature, because of @part (of static storage, or NULL). */
void features_close(struct features *features, enum feature_id id, int err, const char *part);

/*
 * Closes each way that the program or map of this name is a part of. Returns how many, 0: it is a
 * part of none, or of what nothing works without.
 */
int features_refused(struct features *features, const char *name, int err);

/*
 * Closes what can be done without in the program at the tracepoint, one at a time: there is no
 * knowing which of it the kernel refuses. Returns the feature, or FEATURE_NONE if none is left.
 */
int features_give_up_one(struct features *features, int err);

#endif /* TCPDWELL_FEATURE_H */
