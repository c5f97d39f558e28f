/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long sockets have been as they are, if only bounds of that are known. Times are nanoseconds.
 * Pure, any thread.
 */
#ifndef TCPDWELL_AGES_H
#define TCPDWELL_AGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/* The upper bound if there is none. */
#define AGE_UNBOUNDED UINT64_MAX

/* An age between two bounds. They are equal if the age is known exactly. */
struct age {
	uint64_t least_ns;
	uint64_t most_ns;
};

/* How an age compares with one that was asked for. */
enum age_class {
	AGE_YOUNGER, /* certainly */
	AGE_PERHAPS,
	AGE_OLDER, /* certainly older, or exactly as old */
};

/* Returns how long the socket has been in its state. */
struct age age_in_state(const struct tcpdwell_socket *socket, uint64_t now_ns);

/* Returns how long no new data has come or gone. */
struct age age_idle(const struct tcpdwell_socket *socket, uint64_t now_ns);

/*
 * Returns true if one side of the connection has closed, the other side may still send, and the
 * time of the last data is known. Such a connection can be at work, rather than left behind.
 */
bool age_is_half_closed(const struct tcpdwell_socket *socket);

enum age_class age_class(struct age age, uint64_t older_ns);

/*
 * Returns true if the connection is half closed and certainly carried data less than @older_ns ago,
 * so that nobody has left it behind.
 */
bool age_is_at_work(const struct tcpdwell_socket *socket, uint64_t older_ns, uint64_t now_ns);

/* Returns what the lower bound of @age is worth, as enum tcpdwell_dwell. */
uint8_t age_worth(struct age age);

/* The oldest and the median of several ages. */
struct ages {
	struct age oldest;
	struct age median;
};

/*
 * Computes the oldest and the median, and sorts @ages. The true median lies between the medians of
 * the lower and of the upper bounds; the same is true of the oldest. @count is at least 1.
 */
struct ages ages_of(struct age *ages, size_t count);

#endif /* TCPDWELL_AGES_H */
