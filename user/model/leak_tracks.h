/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The past of each process's sockets in one state: how many there were at each look, and how long
 * those stayed that were closed. Pure, one thread at a time.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef TCPDWELL_LEAK_TRACKS_H
#define TCPDWELL_LEAK_TRACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/hist.h"
#include "wire.h"

/* Processes whose past is kept: 16 KiB for each that closes some. */
#define LEAK_TRACKS 1024

/* The past goes back this far at the most; what was closed before counts no more. */
#define LEAK_PAST_NS (600ULL * 1000000000)

/* Counts that are kept of each process, to look back LEAK_PAST_NS. */
#define LEAK_POINTS 64

struct leak_point {
	uint64_t ns;
	size_t count;
	uint64_t closed; /* up to it, since the watch began */
};

struct leak_track {
	uint32_t pid; /* 0: nobody */
	uint8_t state;
	bool queued; /* they wait in an accept queue */
	bool seen;   /* in the latest look */
	char comm[TCPDWELL_COMM_LEN];
	struct leak_point points[LEAK_POINTS]; /* oldest first */
	size_t point_count;
	uint64_t shrank_ns; /* when it last did, 0: never */
	uint64_t closed;
	uint64_t forgotten;  /* of closed, those that are past */
	uint64_t closed_ns;  /* when the last was, 0: none */
	uint64_t late_ns;    /* when the last was that was open for too long, 0: none */
	struct hist *closes; /* NULL: none */
};

struct leak_tracks;

/* Returns NULL with errno set if there is no memory. The caller frees it. */
struct leak_tracks *leak_tracks_new(void);

/* NULL-safe. */
void leak_tracks_free(struct leak_tracks *tracks);

/* One of them, new or not, NULL if there are too many. Valid until the next look begins. */
struct leak_track *leak_tracks_find(struct leak_tracks *tracks, uint32_t pid, uint8_t state,
				    bool queued);

size_t leak_tracks_count(const struct leak_tracks *tracks);
const struct leak_track *leak_tracks_at(const struct leak_tracks *tracks, size_t i);

/* A socket of @comm was closed at @now_ns after @dwell_ns, which may be too long (@late). */
void leak_track_close(struct leak_track *track, const char *comm, uint64_t now_ns,
		      uint64_t dwell_ns, bool late);

/* Whether one was lately, of those that are too long open: it closes them, if slowly. */
bool leak_track_closes_late(const struct leak_track *track, uint64_t now_ns);

/* Whether there were fewer at one look than at the one before it, lately. */
bool leak_track_shrank(const struct leak_track *track, uint64_t now_ns);

/* How long they stayed that were closed, median; 0: none was. */
uint64_t leak_track_close_ns(const struct leak_track *track);

/*
 * A look: between its begin and its end the counts of all that have any. What is not counted has
 * none, and is forgotten by a later one when nothing of it is left.
 */
void leak_tracks_begin_look(struct leak_tracks *tracks, uint64_t now_ns);
void leak_track_look(struct leak_track *track, size_t count, uint64_t now_ns);
void leak_tracks_end_look(struct leak_tracks *tracks, uint64_t now_ns);

#endif /* TCPDWELL_LEAK_TRACKS_H */
