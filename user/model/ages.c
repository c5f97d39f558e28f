// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>

#include "base/compare.h"
#include "model/ages.h"

static struct age age_between(uint64_t latest_ns, uint64_t earliest_ns, uint64_t now_ns)
{
	struct age age = {
		.least_ns = latest_ns && now_ns > latest_ns ? now_ns - latest_ns : 0,
		.most_ns = AGE_UNBOUNDED,
	};

	if (earliest_ns)
		age.most_ns = now_ns > earliest_ns ? now_ns - earliest_ns : 0;
	/* Stamps of two clocks may cross by the resolution of the coarser one. */
	if (age.most_ns < age.least_ns)
		age.most_ns = age.least_ns;
	return age;
}

struct age age_in_state(const struct tcpdwell_socket *socket, uint64_t now_ns)
{
	uint64_t since_ns = socket->since_ns, earliest_ns = socket->since_earliest_ns;

	if (socket->since == TCPDWELL_DWELL_UNKNOWN)
		since_ns = 0;
	if (socket->since == TCPDWELL_DWELL_EXACT)
		earliest_ns = since_ns;
	return age_between(since_ns, earliest_ns, now_ns);
}

struct age age_idle(const struct tcpdwell_socket *socket, uint64_t now_ns)
{
	return age_between(socket->active_ns, socket->active_earliest_ns, now_ns);
}

bool age_is_half_closed(const struct tcpdwell_socket *socket)
{
	return socket->active_ns &&
	       (socket->state == TCPDWELL_CLOSE_WAIT || socket->state == TCPDWELL_FIN_WAIT2);
}

enum age_class age_class(struct age age, uint64_t older_ns)
{
	if (age.least_ns >= older_ns)
		return AGE_OLDER;
	return age.most_ns < older_ns ? AGE_YOUNGER : AGE_PERHAPS;
}

bool age_is_at_work(const struct tcpdwell_socket *socket, uint64_t older_ns, uint64_t now_ns)
{
	return age_is_half_closed(socket) &&
	       age_class(age_idle(socket, now_ns), older_ns) == AGE_YOUNGER;
}

uint8_t age_worth(struct age age)
{
	if (age.least_ns == age.most_ns)
		return TCPDWELL_DWELL_EXACT;
	return age.least_ns ? TCPDWELL_DWELL_AT_LEAST : TCPDWELL_DWELL_UNKNOWN;
}

static int compare_least(const void *left, const void *right)
{
	return compare(((const struct age *)left)->least_ns, ((const struct age *)right)->least_ns);
}

static int compare_most(const void *left, const void *right)
{
	return compare(((const struct age *)left)->most_ns, ((const struct age *)right)->most_ns);
}

struct ages ages_of(struct age *ages, size_t count)
{
	struct ages of;

	qsort(ages, count, sizeof(*ages), compare_least);
	of.oldest.least_ns = ages[count - 1].least_ns;
	of.median.least_ns = ages[count / 2].least_ns;
	qsort(ages, count, sizeof(*ages), compare_most);
	of.oldest.most_ns = ages[count - 1].most_ns;
	of.median.most_ns = ages[count / 2].most_ns;
	return of;
}
