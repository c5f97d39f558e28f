// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "model/leak.h"
#include "service.h"

static int compare_u32(const void *left, const void *right)
{
	return compare(*(const uint32_t *)left, *(const uint32_t *)right);
}

static int compare_ends(const void *left, const void *right)
{
	const struct leak_end *a = left, *b = right;

	return compare(a->family, b->family)			 ?:
		       memcmp(a->addr, b->addr, sizeof(a->addr)) ?:
		       compare(a->port, b->port)		 ?:
								   compare(a->side, b->side);
}

static int compare_end_counts(const void *left, const void *right)
{
	return compare(((const struct leak_end *)right)->count,
		       ((const struct leak_end *)left)->count);
}

struct age leak_age(const struct socket_seen *socket, uint64_t now_ns)
{
	const struct tcpdwell_socket *info = &socket->info;
	bool idle = info->state == TCPDWELL_ESTABLISHED && info->active_ns;

	return idle ? age_idle(info, now_ns) : age_in_state(info, now_ns);
}

/* Merges equal ends, and keeps the most frequent ones. Returns how many are kept. */
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

/*
 * Fills in the ranges of descriptors by which the process holds its sockets, and which other
 * processes hold them.
 */
static int describe_holders(struct leak *leak, const struct sockets *sockets,
			    const struct leak_sample *samples, size_t sample_count)
{
	const struct socket_holder *holder;
	size_t count = 0, room = 0;
	uint32_t *fds;

	for (size_t i = 0; i < sample_count; i++) {
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
	for (size_t i = 0; i < sample_count; i++) {
		for (holder = sockets_first_holder(sockets, samples[i].socket); holder;
		     holder = sockets_next_holder(sockets, holder)) {
			if (holder->pid != leak->pid)
				add_sharer(leak, holder->pid);
			else if (holder->fd != TCPDWELL_NO_FD)
				fds[count++] = holder->fd;
			else
				leak->fixed++;
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

static int describe_ends(struct leak *leak, const struct leak_sample *samples, size_t count)
{
	struct leak_end *ends = calloc(count ?: 1, sizeof(*ends));

	if (!ends)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct tcpdwell_socket *info = &samples[i].socket->info;

		ends[i] = (struct leak_end){ .family = info->family, .count = 1 };
		memcpy(ends[i].addr, info->raddr, sizeof(ends[i].addr));
	}
	if (leak->state != TCPDWELL_LISTEN) /* which has no peer */
		leak->peer_count = top_ends(leak->peers, ends, count);
	for (size_t i = 0; i < count; i++)
		ends[i] = (struct leak_end){ .port = samples[i].socket->info.lport, .count = 1 };
	leak->lport_count = top_ends(leak->lports, ends, count);
	for (size_t i = 0; i < count; i++) {
		const struct tcpdwell_socket *info = &samples[i].socket->info;

		ends[i] = (struct leak_end){ .side = samples[i].side, .count = 1 };
		ends[i].port = service_port(samples[i].side, info->lport, info->rport);
	}
	leak->port_count = top_ends(leak->ports, ends, count);
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

/*
 * Most sockets first. Of two stacks with the same number, the one that was met first comes first.
 */
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

static int describe_stacks(struct leak *leak, const struct leak_sample *samples, size_t count,
			   leak_stack_of *stack_of, void *context)
{
	leak->stacks = calloc(count ?: 1, sizeof(*leak->stacks));
	if (!leak->stacks)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		enum stack_none none;
		const struct stack *stack = stack_of(context, &samples[i].socket->info, &none);

		if (stack)
			add_stack(leak, stack);
		else
			leak->no_stack[none]++;
	}
	sort_stacks(leak);
	return 0;
}

/*
 * Fills in the limit of the accept queue that a queued connection is in: the highest limit of the
 * process's listeners on that port.
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

static int describe_ages(struct leak *leak, const struct leak_sample *samples, size_t count)
{
	struct age *ages = calloc(count, sizeof(*ages));

	if (!ages)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		ages[i] = samples[i].age;
	leak->ages = ages_of(ages, count);
	free(ages);
	return 0;
}

/* Returns what it means to stay in @state, for a socket that a process holds. */
static enum leak_verdict verdict_on_state(uint8_t state)
{
	switch (state) {
	case TCPDWELL_ESTABLISHED:
	case TCPDWELL_LISTEN:
		return LEAK_IDLE;
	case TCPDWELL_SYN_SENT:
	case TCPDWELL_SYN_RECV:
	case TCPDWELL_FIN_WAIT1:
	case TCPDWELL_CLOSING:
	case TCPDWELL_LAST_ACK:
		return LEAK_UNANSWERED;
	case TCPDWELL_FIN_WAIT2:
		return LEAK_HALF_CLOSED;
	}
	return LEAK_LEAKS;
}

static enum leak_verdict first_verdict(const struct leak *leak, const struct tcpdwell_socket *info)
{
	if (leak->queued)
		return LEAK_QUEUE;
	if (leak->state == TCPDWELL_TIME_WAIT)
		return LEAK_TIMEWAIT;
	if (leak->pid || info->flags & (TCPDWELL_SOCKET_REQUEST | TCPDWELL_SOCKET_HELD))
		return verdict_on_state(leak->state);
	return LEAK_ORPHANED;
}

int leak_describe(struct leak *leak, const struct sockets *sockets,
		  const struct leak_sample *samples, size_t count, leak_stack_of *stack_of,
		  void *stack_context)
{
	const struct tcpdwell_socket *info = &samples[count - 1].socket->info;
	bool certain = samples[0].class == AGE_OLDER;
	const struct socket_holder *receiver;
	int err;

	*leak = (struct leak){
		.pid = info->pid,
		.state = info->state,
		.queued = info->flags & TCPDWELL_SOCKET_QUEUED,
		.kernel = !info->pid && info->flags & TCPDWELL_SOCKET_KERNEL,
		.count = certain ? count : 0,
		.perhaps = certain ? 0 : count,
	};
	memcpy(leak->comm, info->comm, sizeof(leak->comm));
	receiver = sockets_receiver(sockets, samples[count - 1].socket);
	if (receiver) {
		leak->receiver = receiver->pid;
		memcpy(leak->receiver_comm, receiver->comm, sizeof(leak->receiver_comm));
	}
	leak->verdict = samples[0].at_work ? LEAK_AT_WORK : first_verdict(leak, info);
	err = describe_ages(leak, samples, count)		      ?:
		      describe_holders(leak, sockets, samples, count) ?:
		      describe_ends(leak, samples, count);
	if (!err && stack_of)
		err = describe_stacks(leak, samples, count, stack_of, stack_context);
	if (!err)
		describe_queue(leak, sockets);
	return err;
}

bool leak_is_wrong(const struct leak *leak)
{
	switch (leak->verdict) {
	case LEAK_SLOW:
	case LEAK_AT_WORK:
	case LEAK_TIMEWAIT:
		return false;
	case LEAK_IDLE:
		return leak->only_grows;
	default:
		return true;
	}
}

void leak_forget(struct leak *leak)
{
	free(leak->ranges);
	free(leak->stacks);
}

/*
 * Connections that stay long are slow if some of the kind were seen to be closed, which only
 * --watch can see. Otherwise they leak.
 */
void leak_describe_past(struct leak *leak, const struct leak_track *track, uint64_t start_ns,
			uint64_t now_ns)
{
	const struct leak_point *first = track->points, *last = first + track->point_count - 1;

	if (leak->verdict == LEAK_LEAKS && leak_track_closes_late(track, now_ns))
		leak->verdict = LEAK_SLOW;
	if (now_ns == start_ns)
		return;
	leak->watched_ns = now_ns - start_ns;
	if (leak->watched_ns > LEAK_PAST_NS)
		leak->watched_ns = LEAK_PAST_NS;
	leak->closed = track->closed - track->forgotten;
	leak->close_ns = leak_track_close_ns(track);
	if (last->ns > first->ns)
		leak->growth = ((double)last->count - (double)first->count) * 60e9 /
			       (double)(last->ns - first->ns);
	leak->only_grows = leak->growth > 0 && !leak_track_shrank(track, now_ns) && !leak->closed;
}

uint64_t leak_limit_s(const struct leak *leak, uint64_t fds, uint64_t fd_limit)
{
	if (leak->growth <= 0 || leak->queued || !fds || fd_limit <= fds)
		return 0;
	return (uint64_t)((double)(fd_limit - fds) * 60 / leak->growth);
}
