// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hist.h"
#include "leaks.h"
#include "options.h"

/* Counts that are kept of each process, to look back LEAKS_PAST_NS. */
#define POINTS 64

struct point {
	uint64_t ns;
	size_t count;
};

/* The past of a process's sockets in one state. */
struct track {
	uint32_t pid;
	uint8_t state;
	bool queued;
	bool seen; /* in the latest look */
	char comm[TCPDWELL_COMM_LEN];
	struct point points[POINTS]; /* oldest first */
	size_t point_count;
	uint64_t shrank_ns; /* when it last did, 0: never */
	uint64_t closed;
	uint64_t closed_late; /* after as long as was asked for */
	struct hist *closes;  /* NULL: none */
};

struct leaks {
	uint16_t states;
	uint64_t older_ns;
	uint64_t start_ns; /* of the first look, 0: none yet */
	struct track *tracks;
	size_t track_count;
	struct leak *list;
	size_t count;
	size_t younger;
	leak_stack_of *stack_of; /* NULL: nobody asks */
	void *stack_context;
};

struct leaks *leaks_new(uint16_t states, uint64_t older_ns)
{
	struct leaks *leaks = calloc(1, sizeof(*leaks));

	if (!leaks)
		return NULL;
	leaks->states = states;
	leaks->older_ns = older_ns;
	leaks->tracks = calloc(LEAKS_TRACKS, sizeof(*leaks->tracks));
	if (leaks->tracks)
		return leaks;
	free(leaks);
	return NULL;
}

static void forget_list(struct leaks *leaks)
{
	for (size_t i = 0; i < leaks->count; i++) {
		free(leaks->list[i].ranges);
		free(leaks->list[i].stacks);
	}
	free(leaks->list);
	leaks->list = NULL;
	leaks->count = 0;
}

void leaks_free(struct leaks *leaks)
{
	if (!leaks)
		return;
	forget_list(leaks);
	for (size_t i = 0; i < leaks->track_count; i++)
		free(leaks->tracks[i].closes);
	free(leaks->tracks);
	free(leaks);
}

void leaks_set_stacks(struct leaks *leaks, leak_stack_of *of, void *context)
{
	leaks->stack_of = of;
	leaks->stack_context = context;
}

/*
 * ---- The past -----------------------------------------------------------------------------------
 */

/* The track of a process, new or not; NULL if there are too many. */
static struct track *track_of(struct leaks *leaks, uint32_t pid, uint8_t state, bool queued)
{
	for (size_t i = 0; i < leaks->track_count; i++) {
		struct track *t = &leaks->tracks[i];

		if (t->pid == pid && t->state == state && t->queued == queued)
			return t;
	}
	if (leaks->track_count == LEAKS_TRACKS)
		return NULL;
	leaks->tracks[leaks->track_count] = (struct track){
		.pid = pid,
		.state = state,
		.queued = queued,
	};
	return &leaks->tracks[leaks->track_count++];
}

void leaks_event(struct leaks *leaks, const struct tcpdwell_transition *t)
{
	struct track *track;

	if (!(leaks->states >> t->from & 1) || t->dwell == TCPDWELL_DWELL_UNKNOWN)
		return;
	track = track_of(leaks, t->owner ? t->pid : 0, t->from, t->owner == TCPDWELL_OWNER_LISTEN);
	if (!track)
		return;
	memcpy(track->comm, t->comm, sizeof(track->comm));
	track->closed++;
	if (t->dwell_ns >= leaks->older_ns)
		track->closed_late++;
	if (!track->closes)
		track->closes = calloc(1, sizeof(*track->closes));
	if (track->closes)
		hist_add(track->closes, t->dwell_ns);
}

/* Makes room by leaving out each second one: the past gets coarser, not shorter. */
static void thin_out(struct track *track)
{
	for (size_t i = 0; i < POINTS / 2; i++)
		track->points[i] = track->points[2 * i];
	track->point_count = POINTS / 2;
}

static void track_count(struct track *track, size_t count, uint64_t now_ns)
{
	size_t old = 0;

	if (track->point_count && count < track->points[track->point_count - 1].count)
		track->shrank_ns = now_ns;
	while (old < track->point_count && now_ns - track->points[old].ns > LEAKS_PAST_NS)
		old++;
	memmove(track->points, track->points + old,
		(track->point_count - old) * sizeof(struct point));
	track->point_count -= old;
	if (track->point_count == POINTS)
		thin_out(track);
	track->points[track->point_count++] = (struct point){ now_ns, count };
	track->seen = true;
}

/* A process that is not seen any more, and its past, make room once nothing of it is left. */
static void forget_unseen(struct leaks *leaks, uint64_t now_ns)
{
	for (size_t i = 0; i < leaks->track_count;) {
		struct track *t = &leaks->tracks[i];
		bool recent = t->point_count &&
			      now_ns - t->points[t->point_count - 1].ns < LEAKS_PAST_NS;

		if (t->seen || recent || (t->closed && leaks->track_count < LEAKS_TRACKS / 2)) {
			i++;
			continue;
		}
		free(t->closes);
		*t = leaks->tracks[--leaks->track_count];
	}
}

/*
 * ---- The present --------------------------------------------------------------------------------
 */

struct sample {
	uint64_t group;
	uint64_t age_ns;
	uint8_t worth;
	const struct socket_seen *socket;
};

/* Process, state and whether it waits, as one number. */
static uint64_t group_of(const struct tcpdwell_socket *info)
{
	return (uint64_t)info->pid << 16 | info->state << 1 |
	       (info->flags & TCPDWELL_SOCKET_QUEUED ? 1 : 0);
}

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_samples(const void *left, const void *right)
{
	const struct sample *a = left, *b = right;

	return compare(a->group, b->group) ?: compare(a->age_ns, b->age_ns);
}

static int compare_u32(const void *left, const void *right)
{
	return compare(*(const uint32_t *)left, *(const uint32_t *)right);
}

static int compare_ends(const void *left, const void *right)
{
	const struct leak_end *a = left, *b = right;

	return compare(a->family, b->family)			 ?:
		       memcmp(a->addr, b->addr, sizeof(a->addr)) ?:
								   compare(a->port, b->port);
}

static int compare_end_counts(const void *left, const void *right)
{
	return compare(((const struct leak_end *)right)->count,
		       ((const struct leak_end *)left)->count);
}

/* Worst first: what is wrong before what is slow, then most sockets. */
static int compare_leaks(const void *left, const void *right)
{
	const struct leak *a = left, *b = right;

	return compare(a->verdict == LEAK_SLOW, b->verdict == LEAK_SLOW) ?:
		       compare(b->count, a->count)			 ?:
									   compare(a->pid, b->pid);
}

uint64_t leak_age_ns(const struct socket_seen *socket, uint64_t now_ns, uint8_t *worth)
{
	const struct tcpdwell_socket *info = &socket->info;
	bool idle = info->state == TCPDWELL_ESTABLISHED && info->active_ns;
	uint64_t since_ns = idle ? info->active_ns : info->since_ns;

	*worth = idle ? TCPDWELL_DWELL_EXACT : info->since;
	return now_ns > since_ns ? now_ns - since_ns : 0;
}

/* Puts equal ends together and keeps the most frequent. Returns how many are kept. */
static size_t top_ends(struct leak_end *top, struct leak_end *ends, size_t count)
{
	size_t different = 0;

	qsort(ends, count, sizeof(*ends), compare_ends);
	for (size_t i = 0; i < count; i++) {
		if (different && !compare_ends(&ends[different - 1], &ends[i]))
			ends[different - 1].count++;
		else
			ends[different++] = ends[i];
	}
	qsort(ends, different, sizeof(*ends), compare_end_counts);
	if (different > LEAKS_TOP)
		different = LEAKS_TOP;
	memcpy(top, ends, different * sizeof(*ends));
	return different;
}

static void add_sharer(struct leak *leak, uint32_t pid)
{
	for (size_t i = 0; i < leak->sharer_count; i++)
		if (leak->sharers[i] == pid)
			return;
	if (leak->sharer_count < LEAKS_TOP)
		leak->sharers[leak->sharer_count++] = pid;
}

/* Descriptors of the process that lead to its sockets, as ranges; who else holds them. */
static int describe_holders(struct leak *leak, const struct sockets *sockets,
			    const struct sample *samples)
{
	const struct socket_holder *holder;
	size_t count = 0, room = 0;
	uint32_t *fds;

	for (size_t i = 0; i < leak->count; i++) {
		const struct socket_seen *socket = samples[i].socket;

		leak->shared += socket->holders > 1;
		for (holder = sockets_first_holder(sockets, socket); holder;
		     holder = sockets_next_holder(sockets, holder))
			room++;
	}
	fds = calloc(room ?: 1, sizeof(*fds));
	leak->ranges = calloc(room ?: 1, sizeof(*leak->ranges));
	if (!fds || !leak->ranges) {
		free(fds);
		return -ENOMEM;
	}
	for (size_t i = 0; i < leak->count; i++) {
		for (holder = sockets_first_holder(sockets, samples[i].socket); holder;
		     holder = sockets_next_holder(sockets, holder)) {
			if (holder->pid == leak->pid)
				fds[count++] = holder->fd;
			else
				add_sharer(leak, holder->pid);
		}
	}
	qsort(fds, count, sizeof(*fds), compare_u32);
	for (size_t i = 0; i < count; i++) {
		if (i && fds[i] <= leak->ranges[leak->range_count - 1].last + 1)
			leak->ranges[leak->range_count - 1].last = fds[i];
		else
			leak->ranges[leak->range_count++] = (struct leak_range){ fds[i], fds[i] };
	}
	free(fds);
	return 0;
}

static int describe_ends(struct leak *leak, const struct sample *samples)
{
	struct leak_end *ends = calloc(leak->count ?: 1, sizeof(*ends));

	if (!ends)
		return -ENOMEM;
	for (size_t i = 0; i < leak->count; i++) {
		const struct tcpdwell_socket *info = &samples[i].socket->info;

		ends[i] = (struct leak_end){ .family = info->family, .count = 1 };
		memcpy(ends[i].addr, info->raddr, sizeof(ends[i].addr));
	}
	leak->peer_count = top_ends(leak->peers, ends, leak->count);
	for (size_t i = 0; i < leak->count; i++)
		ends[i] = (struct leak_end){ .port = samples[i].socket->info.lport, .count = 1 };
	leak->lport_count = top_ends(leak->lports, ends, leak->count);
	free(ends);
	return 0;
}

static void add_stack(struct leak *leak, const struct stack *stack)
{
	size_t i = 0;

	while (i < leak->stack_count && leak->stacks[i].stack != stack)
		i++;
	if (i == leak->stack_count)
		leak->stacks[leak->stack_count++] = (struct leak_stack){ .stack = stack };
	leak->stacks[i].count++;
}

/* Most sockets first; of two with as many the one that was met first. */
static void sort_stacks(struct leak *leak)
{
	for (size_t i = 1; i < leak->stack_count; i++) {
		struct leak_stack moving = leak->stacks[i];
		size_t at = i;

		for (; at && leak->stacks[at - 1].count < moving.count; at--)
			leak->stacks[at] = leak->stacks[at - 1];
		leak->stacks[at] = moving;
	}
}

static int describe_stacks(const struct leaks *leaks, struct leak *leak,
			   const struct sample *samples)
{
	if (!leaks->stack_of)
		return 0;
	leak->stacks = calloc(leak->count ?: 1, sizeof(*leak->stacks));
	if (!leak->stacks)
		return -ENOMEM;
	for (size_t i = 0; i < leak->count; i++) {
		enum stack_none none;
		const struct stack *stack = leaks->stack_of(leaks->stack_context,
							    &samples[i].socket->info, &none);

		if (stack)
			add_stack(leak, stack);
		else
			leak->no_stack[none]++;
	}
	sort_stacks(leak);
	return 0;
}

/*
 * The limit of the listeners that a queued connection may be in: the highest of those on its port.
 */
static void describe_queue(struct leak *leak, const struct sockets *sockets)
{
	for (size_t i = 0; leak->queued && i < sockets_count(sockets); i++) {
		const struct tcpdwell_socket *info = &sockets_at(sockets, i)->info;

		if (info->state == TCPDWELL_LISTEN && leak->lport_count &&
		    info->lport == leak->lports[0].port && info->pid == leak->pid &&
		    info->queue_max > leak->queue_max)
			leak->queue_max = info->queue_max;
	}
}

static void describe_past(const struct leaks *leaks, struct leak *leak, const struct track *track,
			  uint64_t now_ns)
{
	const struct point *first = track->points, *last = first + track->point_count - 1;

	leak->watched_ns = now_ns - leaks->start_ns;
	if (leak->watched_ns > LEAKS_PAST_NS)
		leak->watched_ns = LEAKS_PAST_NS;
	leak->closed = track->closed;
	leak->close_ns = track->closes ? hist_percentile(track->closes, 50) : 0;
	if (track->point_count > 1)
		leak->growth = ((double)last->count - (double)first->count) * 60e9 /
			       (double)(last->ns - first->ns);
	leak->only_grows = leak->growth > 0 && !track->shrank_ns && !track->closed;
}

/*
 * Those that stay long are slow if such ones were seen to be closed, which takes a watch; without
 * one that was, they leak.
 */
static enum leak_verdict judge(const struct leak *leak, const struct track *track)
{
	if (leak->queued)
		return LEAK_QUEUE;
	if (!leak->pid)
		return LEAK_ORPHANED;
	if (track && track->closed_late)
		return LEAK_SLOW;
	return LEAK_LEAKS;
}

/* The sockets of one group, oldest last; @samples are those that are old enough. */
static int add_leak(struct leaks *leaks, const struct sockets *sockets,
		    const struct sample *samples, size_t count, size_t younger, uint64_t now_ns)
{
	const struct sample *last = &samples[count - 1], *median = &samples[count / 2];
	const struct tcpdwell_socket *info = &last->socket->info;
	struct leak *leak = &leaks->list[leaks->count++];
	struct track *track;
	int err;

	*leak = (struct leak){
		.pid = info->pid,
		.state = info->state,
		.queued = info->flags & TCPDWELL_SOCKET_QUEUED,
		.uid = info->uid,
		.cgroup_id = info->cgroup_id,
		.count = count,
		.younger = younger,
		.oldest_ns = last->age_ns,
		.oldest = last->worth,
		.median_ns = median->age_ns,
		.median = median->worth,
	};
	memcpy(leak->comm, info->comm, sizeof(leak->comm));
	err = describe_holders(leak, sockets, samples) ?: describe_ends(leak, samples);
	err = err ?: describe_stacks(leaks, leak, samples);
	if (err)
		return err;
	describe_queue(leak, sockets);
	track = track_of(leaks, leak->pid, leak->state, leak->queued);
	if (track) {
		track_count(track, count, now_ns);
		if (now_ns > leaks->start_ns)
			describe_past(leaks, leak, track, now_ns);
	}
	leak->verdict = judge(leak, track);
	return 0;
}

static size_t collect(const struct leaks *leaks, struct sample *samples,
		      const struct sockets *sockets, const struct filters *filters, uint64_t now_ns)
{
	struct filters wanted = *filters;
	size_t count = 0;

	wanted.either = leaks->states;
	for (size_t i = 0; i < sockets_count(sockets); i++) {
		const struct socket_seen *socket = sockets_at(sockets, i);
		struct sample *sample = &samples[count];

		if (!sockets_wanted(sockets, socket, &wanted))
			continue;
		sample->group = group_of(&socket->info);
		sample->socket = socket;
		sample->age_ns = leak_age_ns(socket, now_ns, &sample->worth);
		count++;
	}
	return count;
}

/* A list of what the sorted samples hold. */
static int make_list(struct leaks *leaks, const struct sockets *sockets,
		     const struct sample *samples, size_t count, uint64_t now_ns)
{
	size_t begin = 0, old = 0;
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		if (samples[i].age_ns < leaks->older_ns)
			old = i + 1;
		if (i + 1 < count && samples[i + 1].group == samples[begin].group)
			continue;
		if (old < begin)
			old = begin;
		leaks->younger += old - begin;
		if (old <= i)
			err = add_leak(leaks, sockets, samples + old, i + 1 - old, old - begin,
				       now_ns);
		begin = i + 1;
	}
	return err;
}

/* None of these is left: their past goes on with that. */
static void count_gone(struct leaks *leaks, uint64_t now_ns)
{
	for (size_t i = 0; i < leaks->track_count; i++) {
		struct track *track = &leaks->tracks[i];

		if (track->seen || !track->point_count ||
		    !track->points[track->point_count - 1].count)
			continue;
		track_count(track, 0, now_ns);
		track->seen = false;
	}
}

/* What shows no old one now, but was seen to be closed late. */
static void add_slow(struct leaks *leaks, uint64_t now_ns)
{
	for (size_t i = 0; i < leaks->track_count; i++) {
		const struct track *track = &leaks->tracks[i];
		struct leak *leak;

		if (track->seen || !track->pid || track->queued || !track->closed_late)
			continue;
		if (hist_percentile(track->closes, 50) < leaks->older_ns)
			continue;
		leak = &leaks->list[leaks->count++];
		*leak = (struct leak){
			.verdict = LEAK_SLOW,
			.pid = track->pid,
			.state = track->state,
		};
		memcpy(leak->comm, track->comm, sizeof(leak->comm));
		describe_past(leaks, leak, track, now_ns);
	}
}

int leaks_look(struct leaks *leaks, const struct sockets *sockets, const struct filters *filters,
	       uint64_t now_ns)
{
	size_t room = sockets_count(sockets);
	struct sample *samples = calloc(room ?: 1, sizeof(*samples));
	size_t count;
	int err;

	forget_list(leaks);
	leaks->younger = 0;
	leaks->list = calloc(room + LEAKS_TRACKS, sizeof(*leaks->list));
	if (!samples || !leaks->list) {
		free(samples);
		return -ENOMEM;
	}
	if (!leaks->start_ns)
		leaks->start_ns = now_ns;
	for (size_t i = 0; i < leaks->track_count; i++)
		leaks->tracks[i].seen = false;
	count = collect(leaks, samples, sockets, filters, now_ns);
	qsort(samples, count, sizeof(*samples), compare_samples);
	err = make_list(leaks, sockets, samples, count, now_ns);
	free(samples);
	if (err)
		return err;
	count_gone(leaks, now_ns);
	add_slow(leaks, now_ns);
	qsort(leaks->list, leaks->count, sizeof(*leaks->list), compare_leaks);
	forget_unseen(leaks, now_ns);
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

bool leaks_found(const struct leaks *leaks)
{
	for (size_t i = 0; i < leaks->count; i++)
		if (leaks->list[i].verdict != LEAK_SLOW)
			return true;
	return false;
}

uint64_t leak_limit_s(const struct leak *leak, uint64_t fds, uint64_t fd_limit)
{
	if (leak->growth <= 0 || leak->queued || !fds || fd_limit <= fds)
		return 0;
	return (uint64_t)((double)(fd_limit - fds) * 60 / leak->growth);
}
