// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "model/leak_tracks.h"

struct leak_tracks {
	size_t count;
	struct leak_track tracks[LEAK_TRACKS];
};

struct leak_tracks *leak_tracks_new(void)
{
	return calloc(1, sizeof(struct leak_tracks));
}

void leak_tracks_free(struct leak_tracks *tracks)
{
	if (!tracks)
		return;
	for (size_t i = 0; i < tracks->count; i++)
		free(tracks->tracks[i].closes);
	free(tracks);
}

struct leak_track *leak_tracks_find(struct leak_tracks *tracks, uint32_t pid, uint8_t state,
				    bool queued)
{
	struct leak_track *t = tracks->tracks;

	for (; t < tracks->tracks + tracks->count; t++)
		if (t->pid == pid && t->state == state && t->queued == queued)
			return t;
	if (tracks->count == LEAK_TRACKS)
		return NULL;
	*t = (struct leak_track){ .pid = pid, .state = state, .queued = queued };
	tracks->count++;
	return t;
}

size_t leak_tracks_count(const struct leak_tracks *tracks)
{
	return tracks->count;
}

const struct leak_track *leak_tracks_at(const struct leak_tracks *tracks, size_t i)
{
	return &tracks->tracks[i];
}

/* Returns true if @ns lies in the past that is looked back at; @ns is 0 for never. */
static bool is_lately(uint64_t ns, uint64_t now_ns)
{
	return ns && (now_ns < ns || now_ns - ns <= LEAK_PAST_NS);
}

bool leak_track_closes_late(const struct leak_track *track, uint64_t now_ns)
{
	return is_lately(track->late_ns, now_ns);
}

void leak_track_close(struct leak_track *track, const char *comm, uint64_t now_ns,
		      uint64_t dwell_ns, bool late)
{
	memcpy(track->comm, comm, sizeof(track->comm));
	track->closed++;
	track->closed_ns = now_ns;
	if (late)
		track->late_ns = now_ns;
	if (!track->closes)
		track->closes = calloc(1, sizeof(*track->closes));
	if (track->closes)
		hist_add(track->closes, dwell_ns);
}

bool leak_track_shrank(const struct leak_track *track, uint64_t now_ns)
{
	return is_lately(track->shrank_ns, now_ns);
}

uint64_t leak_track_close_ns(const struct leak_track *track)
{
	return track->closes ? hist_percentile(track->closes, 50) : 0;
}

/* Makes room by dropping every second point: the past becomes coarser, but not shorter. */
static void thin_out(struct leak_track *track)
{
	for (size_t i = 0; i < LEAK_POINTS / 2; i++)
		track->points[i] = track->points[2 * i];
	track->point_count = LEAK_POINTS / 2;
}

static void add_point(struct leak_track *track, size_t count, uint64_t now_ns)
{
	size_t old = 0;

	if (track->point_count && count < track->points[track->point_count - 1].count)
		track->shrank_ns = now_ns;
	while (old < track->point_count && now_ns - track->points[old].ns > LEAK_PAST_NS)
		old++;
	if (old)
		track->forgotten = track->points[old - 1].closed;
	memmove(track->points, track->points + old,
		(track->point_count - old) * sizeof(struct leak_point));
	track->point_count -= old;
	if (track->point_count == LEAK_POINTS)
		thin_out(track);
	track->points[track->point_count++] = (struct leak_point){ now_ns, count, track->closed };
}

/* Forgets processes that are not seen any more, once nothing of their past is left. */
static void forget_unseen(struct leak_tracks *tracks, uint64_t now_ns)
{
	for (size_t i = 0; i < tracks->count;) {
		struct leak_track *t = &tracks->tracks[i];
		bool recent = t->point_count &&
			      now_ns - t->points[t->point_count - 1].ns < LEAK_PAST_NS;

		if (t->seen || recent || is_lately(t->closed_ns, now_ns)) {
			i++;
			continue;
		}
		free(t->closes);
		*t = tracks->tracks[--tracks->count];
	}
}

void leak_tracks_begin_look(struct leak_tracks *tracks, uint64_t now_ns)
{
	forget_unseen(tracks, now_ns);
	for (size_t i = 0; i < tracks->count; i++)
		tracks->tracks[i].seen = false;
}

void leak_track_look(struct leak_track *track, size_t count, uint64_t now_ns)
{
	add_point(track, count, now_ns);
	track->seen = true;
}

/*
 * Returns true if, at the last look that it was in, it had sockets, or if some were closed since.
 */
static bool has_news(const struct leak_track *track)
{
	const struct leak_point *last = track->points + track->point_count - 1;

	if (!track->point_count)
		return track->closed;
	return last->count || last->closed != track->closed;
}

/* Notes a count of 0 for each that this look has not seen. */
void leak_tracks_end_look(struct leak_tracks *tracks, uint64_t now_ns)
{
	for (size_t i = 0; i < tracks->count; i++) {
		struct leak_track *track = &tracks->tracks[i];

		if (!track->seen && has_news(track))
			add_point(track, 0, now_ns);
	}
}
