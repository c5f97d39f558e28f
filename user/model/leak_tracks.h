/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The past of each process's sockets in one state: how many there were at each look, and how long
 * those that were closed had stayed. Times are nanoseconds of CLOCK_MONOTONIC. Pure, one thread at
 * a time.
 */
#ifndef TCPDWELL_LEAK_TRACKS_H
#define TCPDWELL_LEAK_TRACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/hist.h"
#include "wire.h"

/* How many pasts are kept. One in which sockets were closed takes 16 KiB. */
#define LEAK_TRACKS 1024

/* How far back the past goes. Sockets that were closed earlier do not count any more. */
#define LEAK_PAST_NS (600ULL * 1000000000)

/* How many counts are kept of each, spread over LEAK_PAST_NS. */
#define LEAK_POINTS 64

struct leak_point {
	uint64_t ns;
	size_t count;
	uint64_t closed; /* up to then, since the watch began */
};

struct leak_track {
	uint32_t pid; /* 0: nobody */
	uint8_t state;
	bool queued; /* the sockets wait in an accept queue */
	bool seen;   /* at the latest look */
	char comm[TCPDWELL_COMM_LEN];
	struct leak_point points[LEAK_POINTS]; /* oldest first */
	size_t point_count;
	uint64_t shrank_ns; /* when count last shrank; 0: never */
	uint64_t closed;
	uint64_t forgotten;  /* of closed: those before the past */
	uint64_t closed_ns;  /* when the last one was closed; 0: none was */
	uint64_t late_ns;    /* when one that was open too long was last closed; 0: never */
	struct hist *closes; /* how long those stayed; NULL: none was closed */
};

struct leak_tracks;

/* Returns NULL with errno set if there is no memory. The caller frees it. */
struct leak_tracks *leak_tracks_new(void);

/* NULL-safe. */
void leak_tracks_free(struct leak_tracks *tracks);

/*
 * Finds the past of a process's sockets, or begins it. Returns NULL if there are too many. The
 * pointer is valid until the next look begins.
 */
struct leak_track *leak_tracks_find(struct leak_tracks *tracks, uint32_t pid, uint8_t state,
				    bool queued);

size_t leak_tracks_count(const struct leak_tracks *tracks);
const struct leak_track *leak_tracks_at(const struct leak_tracks *tracks, size_t i);

/* Notes that a socket of @comm was closed at @now_ns, after @dwell_ns. @late: that was too long. */
void leak_track_close(struct leak_track *track, const char *comm, uint64_t now_ns,
		      uint64_t dwell_ns, bool late);

/*
 * Returns true if a socket that had been open too long was closed lately: the process does close
 * them, but slowly.
 */
bool leak_track_closes_late(const struct leak_track *track, uint64_t now_ns);

/* Returns true if a look found fewer than the one before it, lately. */
bool leak_track_shrank(const struct leak_track *track, uint64_t now_ns);

/* Returns the median of how long the closed sockets had stayed; 0: none was closed. */
uint64_t leak_track_close_ns(const struct leak_track *track);

/*
 * A look. Between its begin and its end, leak_track_look() sets the count of each that has sockets.
 * The others have none; once nothing of their past is left, a later look forgets them.
 */
void leak_tracks_begin_look(struct leak_tracks *tracks, uint64_t now_ns);
void leak_track_look(struct leak_track *track, size_t count, uint64_t now_ns);
void leak_tracks_end_look(struct leak_tracks *tracks, uint64_t now_ns);

#endif /* TCPDWELL_LEAK_TRACKS_H */
