/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long sockets have been as they are, where all that is known are bounds. Pure, any thread.
 * Times are nanoseconds.
 */
#ifndef TCPDWELL_AGES_H
#define TCPDWELL_AGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/* As an upper bound: there is none. */
#define AGE_UNBOUNDED UINT64_MAX

/* An age: at least this, at most that. Both are the same where it is known. */
struct age {
	uint64_t least_ns;
	uint64_t most_ns;
};

/* Against an age that is asked for. */
enum age_class {
	AGE_YOUNGER, /* certainly */
	AGE_PERHAPS,
	AGE_OLDER, /* or as old; certainly */
};

/* How long the socket has been in its state. */
struct age age_in_state(const struct tcpdwell_socket *socket, uint64_t now_ns);

/* For how long no new data came or went. */
struct age age_idle(const struct tcpdwell_socket *socket, uint64_t now_ns);

/*
 * Whether one side of it has closed and the other may go on sending, and it is known when that last
 * did: then it is at work, and not left.
 */
bool age_is_half_closed(const struct tcpdwell_socket *socket);

enum age_class age_class(struct age age, uint64_t older_ns);

/* What the lower bound is worth: enum tcpdwell_dwell. */
uint8_t age_worth(struct age age);

/* The oldest and the median of some. */
struct ages {
	struct age oldest;
	struct age median;
};

/*
 * Sorts @ages. Between the medians of the lower and of the upper bounds is the median of what is
 * true, and so it is with the oldest. @count is 1 at least.
 */
struct ages ages_of(struct age *ages, size_t count);

#endif /* TCPDWELL_AGES_H */
