// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stddef.h>

#include "base/duration.h"
#include "model/cookie_flood.h"

/*
 * The kernel notes the time of a cookie once a second. A second more allows for jiffies and the
 * look.
 */
#define FRESH_NS (2 * NS_PER_S)

/* If the time between two looks is longer, the rate is too old to be shown. */
#define LONG_NS (3 * NS_PER_S)

void cookie_floods_look(struct cookie_floods *floods, uint64_t now_ns)
{
	floods->last_ns = floods->begin_ns;
	floods->begin_ns = now_ns;
	floods->count = 0;
}

/*
 * Returns the counter of a namespace. If there is no room, it replaces one that was counted neither
 * at this look nor at the one before. NULL: there is none.
 */
static struct cookie_counter *counter_of(struct cookie_floods *floods, uint32_t netns)
{
	struct cookie_counter *counter = NULL;

	for (unsigned int i = 0; i < floods->counter_count; i++) {
		if (floods->counters[i].netns == netns)
			return &floods->counters[i];
		if (floods->counters[i].at_ns < floods->last_ns)
			counter = &floods->counters[i];
	}
	if (floods->counter_count < COOKIE_NAMESPACES)
		counter = &floods->counters[floods->counter_count++];
	if (!counter)
		return NULL;
	*counter = (struct cookie_counter){ .netns = netns };
	return counter;
}

/* Moves the counter on, once at each look: when the first listener of the namespace reports. */
static void move_on(struct cookie_counter *counter, const struct tcpdwell_cookies *cookies,
		    uint64_t now_ns)
{
	if (counter->at_ns == now_ns)
		return;
	counter->sent_before = counter->sent;
	counter->valid_before = counter->valid;
	counter->before_ns = counter->at_ns;
	counter->sent = cookies->sent;
	counter->valid = cookies->valid;
	counter->at_ns = now_ns;
}

static void rate(struct cookie_flood *flood, const struct cookie_counter *counter)
{
	uint64_t past_ns = counter->at_ns - counter->before_ns;
	uint64_t sent = counter->sent - counter->sent_before;
	uint64_t valid = counter->valid - counter->valid_before;

	if (!counter->before_ns || past_ns > LONG_NS || counter->sent <= counter->sent_before)
		return;
	flood->rate = sent * NS_PER_S / past_ns;
	if (valid < sent)
		flood->unanswered = (sent - valid) * NS_PER_S / past_ns;
}

/*
 * Returns true if the cookies are no sign of a flood: where all SYNs get one, ordinary connections
 * do, too.
 */
static bool is_ordinary(const struct cookie_flood *flood)
{
	return flood->who.always &&
	       (flood->unanswered < COOKIE_UNANSWERED_MIN || flood->unanswered < flood->rate / 2);
}

void cookie_floods_take(struct cookie_floods *floods, const struct tcpdwell_cookies *cookies)
{
	struct cookie_counter *counter = counter_of(floods, cookies->netns);
	struct cookie_flood flood = { .who = *cookies };

	if (counter && cookies->sent) {
		move_on(counter, cookies, floods->begin_ns);
		rate(&flood, counter);
		/* It sent some a moment ago, but none since the last look. */
		if (counter->before_ns && counter->sent <= counter->sent_before)
			return;
	}
	if (cookies->past_ns > FRESH_NS || !floods->last_ns || floods->count == COOKIE_FLOODS ||
	    is_ordinary(&flood))
		return;
	for (unsigned int i = 0; i < floods->count; i++) {
		struct cookie_flood *other = &floods->floods[i];

		if (other->who.netns == cookies->netns)
			other->shared = flood.shared = true;
	}
	floods->floods[floods->count++] = flood;
}
