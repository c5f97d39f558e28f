// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "base/spread.h"
#include "cli/filters.h"
#include "model/leak_tracks.h"
#include "model/leaks.h"
#include "model/listening.h"
#include "model/ranges.h"

struct leaks {
	uint16_t states;
	uint64_t older_ns;
	uint64_t start_ns; /* time of the first look; 0: none yet */
	struct leak_tracks *tracks;
	struct leak *list;
	size_t count;
	size_t younger;
	struct tcpdwell_socket *full; /* listeners with a full accept queue */
	size_t full_count;
	uint64_t print; /* a hash of what was found, for leaks_same() */
	uint64_t last_print;
	const struct ranges *ranges; /* NULL: Linux's default */
	leak_stack_of *stack_of;     /* NULL: nobody asks for stacks */
	void *stack_context;
};

struct leaks *leaks_new(uint16_t states, uint64_t older_ns)
{
	struct leaks *leaks = calloc(1, sizeof(*leaks));

	if (!leaks)
		return NULL;
	leaks->states = states;
	leaks->older_ns = older_ns;
	leaks->tracks = leak_tracks_new();
	if (leaks->tracks)
		return leaks;
	free(leaks);
	return NULL;
}

static void forget_list(struct leaks *leaks)
{
	for (size_t i = 0; i < leaks->count; i++)
		leak_forget(&leaks->list[i]);
	free(leaks->list);
	free(leaks->full);
	leaks->list = NULL;
	leaks->full = NULL;
	leaks->count = 0;
	leaks->full_count = 0;
}

void leaks_free(struct leaks *leaks)
{
	if (!leaks)
		return;
	forget_list(leaks);
	leak_tracks_free(leaks->tracks);
	free(leaks);
}

void leaks_set_stacks(struct leaks *leaks, leak_stack_of *of, void *context)
{
	leaks->stack_of = of;
	leaks->stack_context = context;
}

void leaks_set_ranges(struct leaks *leaks, const struct ranges *ranges)
{
	leaks->ranges = ranges;
}

void leaks_event(struct leaks *leaks, const struct tcpdwell_transition *t)
{
	struct leak_track *track;

	if (!(leaks->states >> t->from & 1) || t->dwell == TCPDWELL_DWELL_UNKNOWN)
		return;
	track = leak_tracks_find(leaks->tracks, t->owner ? t->pid : 0, t->from,
				 t->owner == TCPDWELL_OWNER_LISTEN);
	if (track)
		leak_track_close(track, t->comm, t->time_ns, t->dwell_ns,
				 t->dwell_ns >= leaks->older_ns);
}

/*
 * Returns a number made of what distinguishes leaks, such as process and state. It is equal for all
 * samples of one leak. For a socket in flight, the process is the one that can receive it.
 */
static uint64_t group_of(const struct leak_sample *sample)
{
	const struct tcpdwell_socket *info = &sample->socket->info;
	unsigned int flags = info->flags & (TCPDWELL_SOCKET_QUEUED | TCPDWELL_SOCKET_HELD |
					    TCPDWELL_SOCKET_KERNEL);
	uint32_t pid = info->pid ?: sample->receiver;

	if (info->pid)
		flags &= TCPDWELL_SOCKET_QUEUED;
	else if (sample->receiver)
		flags = TCPDWELL_SOCKET_IN_FLIGHT;
	return (uint64_t)sample->at_work << 48 | (uint64_t)pid << 16 | info->state << 8 | flags;
}

/* By group; in each, the sockets that are certainly old come last. */
static int compare_samples(const void *left, const void *right)
{
	const struct leak_sample *a = left, *b = right;

	return compare(group_of(a), group_of(b))   ?:
		       compare(a->class, b->class) ?:
						     compare(a->age.least_ns, b->age.least_ns);
}

/* Orders leaks, the worst first: faults before all else, then by the number of sockets. */
static int compare_leaks(const void *left, const void *right)
{
	const struct leak *a = left, *b = right;

	return compare(leak_is_wrong(b), leak_is_wrong(a)) ?:
		       compare(b->count, a->count)	   ?:
		       compare(b->perhaps, a->perhaps)	   ?:
							     compare(a->pid, b->pid);
}

/* The sockets of one group, by age class. */
struct classes {
	size_t younger;
	size_t perhaps;
	size_t older;
};

/*
 * Adds a leak for one group. It describes the sockets that are old enough, or, if there are none,
 * those that may be. @samples are all of the group, the younger ones first.
 */
static int add_leak(struct leaks *leaks, const struct sockets *sockets,
		    const struct leak_sample *samples, const struct classes *n, uint64_t now_ns)
{
	struct leak *leak = &leaks->list[leaks->count++];
	const struct leak_sample *first = samples + n->younger + (n->older ? n->perhaps : 0);
	int err = leak_describe(leak, sockets, first, n->older ?: n->perhaps, leaks->stack_of,
				leaks->stack_context);
	struct leak_track *track;

	if (err)
		return err;
	leak->younger = n->younger;
	leak->perhaps = n->perhaps;
	if (leak->verdict == LEAK_AT_WORK)
		return 0;
	track = leak_tracks_find(leaks->tracks, leak->pid, leak->state, leak->queued);
	if (!track)
		return 0;
	leak_track_look(track, n->older, now_ns);
	leak_describe_past(leak, track, leaks->start_ns, now_ns);
	return 0;
}

/* Fills @samples with the wanted sockets. One whose age is not known is neither old nor young. */
static size_t collect(struct leaks *leaks, struct leak_sample *samples,
		      const struct sockets *sockets, const struct listening *listening,
		      const struct filters *filters, uint64_t now_ns)
{
	struct filters wanted = *filters;
	size_t count = 0;

	wanted.either = leaks->states;
	for (size_t i = 0; i < sockets_count(sockets); i++) {
		const struct socket_seen *socket = sockets_at(sockets, i);
		struct leak_sample *sample = &samples[count];
		const struct socket_holder *receiver;

		if (!sockets_wanted(sockets, socket, &wanted))
			continue;
		sample->socket = socket;
		sample->age = leak_age(socket, now_ns);
		sample->class = age_class(sample->age, leaks->older_ns);
		/*
		 * A younger socket is not reported by itself, so it does not matter whether it is
		 * at work.
		 */
		sample->at_work = sample->class != AGE_YOUNGER &&
				  age_is_at_work(&socket->info, leaks->older_ns, now_ns);
		receiver = sockets_receiver(sockets, socket);
		sample->receiver = receiver ? receiver->pid : 0;
		sample->side = listening_side(listening, &socket->info,
					      ranges_find(leaks->ranges, socket->info.netns));
		count++;
	}
	return count;
}

/* Makes the list from the sorted samples. */
static int make_list(struct leaks *leaks, const struct sockets *sockets,
		     const struct leak_sample *samples, size_t count, uint64_t now_ns)
{
	struct classes n = {};
	size_t begin = 0;
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		n.younger += samples[i].class == AGE_YOUNGER;
		n.perhaps += samples[i].class == AGE_PERHAPS;
		n.older += samples[i].class == AGE_OLDER;
		if (i + 1 < count && group_of(&samples[i + 1]) == group_of(&samples[begin]))
			continue;
		leaks->younger += n.younger;
		if (n.perhaps || n.older)
			err = add_leak(leaks, sockets, samples + begin, &n, now_ns);
		begin = i + 1;
		n = (struct classes){};
	}
	return err;
}

static int compare_full(const void *left, const void *right)
{
	const struct tcpdwell_socket *a = left, *b = right;

	return compare(a->lport, b->lport) ?: compare(a->key, b->key);
}

/*
 * Finds listeners that drop connections (sk_acceptq_is_full()), if one of the states is one that a
 * connection in an accept queue can be in.
 */
static int find_full(struct leaks *leaks, const struct sockets *sockets,
		     const struct filters *filters)
{
	struct filters wanted = *filters;
	size_t count = sockets_count(sockets);

	if (!(leaks->states & (1U << TCPDWELL_CLOSE_WAIT | 1U << TCPDWELL_ESTABLISHED)))
		return 0;
	leaks->full = calloc(count ?: 1, sizeof(*leaks->full));
	if (!leaks->full)
		return -ENOMEM;
	wanted.either = 1U << TCPDWELL_LISTEN;
	for (size_t i = 0; i < count; i++) {
		const struct socket_seen *socket = sockets_at(sockets, i);

		if (sockets_wanted(sockets, socket, &wanted) && sockets_queue_is_full(socket))
			leaks->full[leaks->full_count++] = socket->info;
	}
	qsort(leaks->full, leaks->full_count, sizeof(*leaks->full), compare_full);
	return 0;
}

static uint64_t mix(uint64_t print, uint64_t v)
{
	return spread(print ^ v) ^ print >> 29;
}

static void take_print(struct leaks *leaks)
{
	uint64_t print = 1;

	for (size_t i = 0; i < leaks->count; i++) {
		const struct leak *leak = &leaks->list[i];

		print = mix(print, (uint64_t)leak->pid << 16 | leak->state << 8 | leak->verdict);
		print = mix(mix(print, leak->count), leak->perhaps);
	}
	for (size_t i = 0; i < leaks->full_count; i++)
		print = mix(print, leaks->full[i].key);
	leaks->last_print = leaks->print;
	leaks->print = print;
}

bool leaks_same(const struct leaks *leaks)
{
	return leaks->print == leaks->last_print;
}

/* Adds processes that have no old socket now, but lately closed one that was old. */
static void add_slow(struct leaks *leaks, uint64_t now_ns)
{
	for (size_t i = 0; i < leak_tracks_count(leaks->tracks); i++) {
		const struct leak_track *track = leak_tracks_at(leaks->tracks, i);
		struct leak *leak;

		if (track->seen || !track->pid || track->queued ||
		    !leak_track_closes_late(track, now_ns))
			continue;
		if (leak_track_close_ns(track) < leaks->older_ns)
			continue;
		leak = &leaks->list[leaks->count++];
		*leak = (struct leak){
			.verdict = LEAK_SLOW,
			.pid = track->pid,
			.state = track->state,
		};
		memcpy(leak->comm, track->comm, sizeof(leak->comm));
		leak_describe_past(leak, track, leaks->start_ns, now_ns);
	}
}

int leaks_look(struct leaks *leaks, const struct sockets *sockets, const struct filters *filters,
	       uint64_t now_ns)
{
	size_t room = sockets_count(sockets);
	struct leak_sample *samples = calloc(room ?: 1, sizeof(*samples));
	struct listening *listening = listening_new(sockets);
	size_t count;
	int err;

	forget_list(leaks);
	leaks->younger = 0;
	leaks->list = calloc(room + LEAK_TRACKS, sizeof(*leaks->list));
	if (!samples || !leaks->list || !listening) {
		free(samples);
		listening_free(listening);
		return -ENOMEM;
	}
	if (!leaks->start_ns)
		leaks->start_ns = now_ns;
	leak_tracks_begin_look(leaks->tracks, now_ns);
	count = collect(leaks, samples, sockets, listening, filters, now_ns);
	listening_free(listening);
	qsort(samples, count, sizeof(*samples), compare_samples);
	err = make_list(leaks, sockets, samples, count, now_ns);
	if (!err)
		err = find_full(leaks, sockets, filters);
	free(samples);
	if (err)
		return err;
	leak_tracks_end_look(leaks->tracks, now_ns);
	add_slow(leaks, now_ns);
	qsort(leaks->list, leaks->count, sizeof(*leaks->list), compare_leaks);
	take_print(leaks);
	return 0;
}

size_t leaks_count(const struct leaks *leaks)
{
	return leaks->count;
}

const struct leak *leaks_at(const struct leaks *leaks, size_t i)
{
	return &leaks->list[i];
}

size_t leaks_younger(const struct leaks *leaks)
{
	return leaks->younger;
}

size_t leaks_full_count(const struct leaks *leaks)
{
	return leaks->full_count;
}

const struct tcpdwell_socket *leaks_full_at(const struct leaks *leaks, size_t i)
{
	return &leaks->full[i];
}

bool leaks_found(const struct leaks *leaks)
{
	for (size_t i = 0; i < leaks->count; i++)
		if (leak_is_wrong(&leaks->list[i]))
			return true;
	return leaks->full_count;
}
