// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "base/tcpstate.h"
#include "cli/filters.h"
#include "model/census.h"
#include "model/listening.h"

/*
 * A socket that is to be grouped. Sorted by these members, the sockets of a group stand together.
 */
struct sample {
	uint64_t group;
	uint8_t rank; /* the rank of its state */
	struct age age;
	const struct socket_seen *socket;
};

static int compare_samples(const void *left, const void *right)
{
	const struct sample *a = left, *b = right;

	return compare(a->group, b->group) ?: compare(a->rank, b->rank);
}

static int compare_counts(const void *left, const void *right)
{
	const struct census_group *a = left, *b = right;

	return compare(b->count, a->count) ?:
		       compare(b->ages.oldest.least_ns, a->ages.oldest.least_ns);
}

static int compare_listeners(const void *left, const void *right)
{
	const struct socket_seen *a = *(const struct socket_seen *const *)left;
	const struct socket_seen *b = *(const struct socket_seen *const *)right;

	return compare(sockets_queue_is_full(b), sockets_queue_is_full(a)) ?:
		       compare(a->info.lport, b->info.lport)		   ?:
		       compare(a->info.netns, b->info.netns)		   ?:
		       compare(a->info.key, b->info.key);
}

/* Makes a group of samples that belong together. @ages has room for @count ages. */
static void make_group(struct census_table *table, const struct sample *samples, size_t count,
		       struct age *ages)
{
	const struct named_cgroup *cgroup = samples[0].socket->cgroup;

	for (size_t i = 0; i < count; i++) {
		ages[i] = samples[i].age;
		if (samples[i].socket->cgroup != cgroup)
			cgroup = NULL;
	}
	table->groups[table->count++] = (struct census_group){
		.one = samples[count - 1].socket,
		.cgroup = cgroup,
		.count = count,
		.ages = ages_of(ages, count),
	};
}

/* Makes a group of each run of samples that belong together. Returns 0 or -errno. */
static int make_groups(struct census_table *table, struct sample *samples, size_t count)
{
	struct age *ages = calloc(count ?: 1, sizeof(*ages));
	size_t begin = 0;

	qsort(samples, count, sizeof(*samples), compare_samples);
	table->groups = calloc(count ? count : 1, sizeof(*table->groups));
	if (!table->groups || !ages) {
		free(ages);
		return -ENOMEM;
	}
	for (size_t i = 1; i <= count; i++) {
		const struct sample *first = &samples[begin];

		if (i < count && samples[i].group == first->group && samples[i].rank == first->rank)
			continue;
		make_group(table, first, i - begin, ages);
		begin = i;
	}
	free(ages);
	return 0;
}

/*
 * Returns a number for the service, made of its side and port; the port is 0 if the side is not
 * known.
 */
static uint64_t service_of(const struct listening *listening, const struct ranges *ranges,
			   const struct tcpdwell_socket *info)
{
	uint8_t side = listening_side(listening, info, ranges_find(ranges, info->netns));

	return (uint64_t)side << 16 | service_port(side, info->lport, info->rport);
}

/* Returns a number for the process that a socket counts for; the kernel itself has one, too. */
static uint64_t process_of(const struct tcpdwell_socket *info)
{
	return info->pid ?: (uint64_t) !!(info->flags & TCPDWELL_SOCKET_KERNEL) << 32;
}

/*
 * Fills @samples with the wanted sockets, and the list of listeners. Returns the number of samples.
 */
static size_t collect(struct census *census, struct sample *samples, const struct sockets *sockets,
		      const struct filters *filters, uint64_t older_ns)
{
	size_t count = 0;

	for (size_t i = 0; i < sockets_count(sockets); i++) {
		const struct socket_seen *socket = sockets_at(sockets, i);
		struct age age = age_in_state(&socket->info, census->now_ns);
		enum age_class class = age_class(age, older_ns);

		if (!sockets_wanted(sockets, socket, filters))
			continue;
		census->perhaps += class == AGE_PERHAPS;
		census->younger += class == AGE_YOUNGER;
		if (class != AGE_OLDER)
			continue;
		samples[count++] = (struct sample){
			.rank = tcpstate_rank(socket->info.state),
			.age = age,
			.socket = socket,
		};
		if (socket->info.state == TCPDWELL_LISTEN)
			census->listeners[census->listener_count++] = socket;
	}
	return count;
}

static void sort_by_count(struct census_table *table)
{
	qsort(table->groups, table->count, sizeof(*table->groups), compare_counts);
}

static int count_processes(struct census *census, struct sample *samples)
{
	int err;

	for (size_t i = 0; i < census->total; i++)
		samples[i].group = process_of(&samples[i].socket->info);
	err = make_groups(&census->processes, samples, census->total);
	if (!err)
		sort_by_count(&census->processes);
	return err;
}

static int count_ports(struct census *census, struct sample *samples,
		       const struct listening *listening, const struct ranges *ranges)
{
	int err;

	for (size_t i = 0; i < census->total; i++)
		samples[i].group = (uint64_t)samples[i].socket->info.netns << 32 |
				   service_of(listening, ranges, &samples[i].socket->info);
	err = make_groups(&census->ports, samples, census->total);
	if (err)
		return err;
	for (size_t i = 0; i < census->ports.count; i++) {
		struct census_group *group = &census->ports.groups[i];
		uint64_t service = service_of(listening, ranges, &group->one->info);

		group->port = (uint16_t)service;
		group->side = service >> 16;
	}
	sort_by_count(&census->ports);
	return 0;
}

static int count(struct census *census, struct sample *samples, const struct listening *listening,
		 const struct ranges *ranges)
{
	qsort(census->listeners, census->listener_count, sizeof(*census->listeners),
	      compare_listeners);
	return make_groups(&census->states, samples, census->total) ?:
		       count_processes(census, samples)		    ?:
		       count_ports(census, samples, listening, ranges);
}

struct census *census_new(const struct sockets *sockets, const struct ranges *ranges,
			  const struct filters *filters, uint64_t older_ns, uint64_t now_ns)
{
	size_t room = sockets_count(sockets) ?: 1;
	struct listening *listening = NULL;
	struct sample *samples = calloc(room, sizeof(*samples));
	struct census *census = calloc(1, sizeof(*census));
	int err = -ENOMEM;

	if (!census || !samples)
		goto out;
	census->now_ns = now_ns;
	census->listeners = calloc(room, sizeof(*census->listeners));
	listening = listening_new(sockets);
	if (!census->listeners || !listening)
		goto out;
	census->total = collect(census, samples, sockets, filters, older_ns);
	err = count(census, samples, listening, ranges);
out:
	free(samples);
	listening_free(listening);
	if (!err)
		return census;
	census_free(census);
	errno = -err;
	return NULL;
}

void census_free(struct census *census)
{
	if (!census)
		return;
	free(census->states.groups);
	free(census->processes.groups);
	free(census->ports.groups);
	free(census->listeners);
	free(census);
}
