/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds who leaves connections in a state in which they should not stay. Snapshots, and the rows of
 * what was closed, go in; a list of offenders with a verdict on each comes out. Pure, one thread at
 * a time.
 *
 * A verdict says no more than what was seen. One snapshot shows how many there are and how old they
 * are. What grows, and what is closed after all, shows only with --watch.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC. Memory follows the number of sockets found, and the
 * number of processes that close some (leak_tracks.h).
 */
#ifndef TCPDWELL_LEAKS_H
#define TCPDWELL_LEAKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/leak.h"

struct filters;
struct ranges;

struct leaks;

/*
 * @states is a mask of states. Returns NULL with errno set if there is no memory. The caller frees
 * the leaks.
 */
struct leaks *leaks_new(uint16_t states, uint64_t older_ns);

/* NULL-safe. */
void leaks_free(struct leaks *leaks);

/* Makes the leaks call @of, with @context, for each socket that leaks. */
void leaks_set_stacks(struct leaks *leaks, leak_stack_of *of, void *context);

/*
 * Sets from which range connect() takes ports in each namespace. @ranges must live as long as the
 * leaks.
 */
void leaks_set_ranges(struct leaks *leaks, const struct ranges *ranges);

/* Takes a row of the stream. */
void leaks_event(struct leaks *leaks, const struct tcpdwell_transition *t);

/*
 * Takes a snapshot that was complete at @now_ns, and of it what @filters want; the states in
 * @filters are ignored. Returns 0 or -errno. The list is valid until the next call.
 */
int leaks_look(struct leaks *leaks, const struct sockets *sockets, const struct filters *filters,
	       uint64_t now_ns);

/* The offenders, worst first. */
size_t leaks_count(const struct leaks *leaks);
const struct leak *leaks_at(const struct leaks *leaks, size_t i);

/* Returns how many sockets in the states are certainly too young to count. */
size_t leaks_younger(const struct leaks *leaks);

/*
 * Return the listeners whose accept queue is full, by port. A listener with a full queue drops what
 * it has no room for.
 */
size_t leaks_full_count(const struct leaks *leaks);
const struct tcpdwell_socket *leaks_full_at(const struct leaks *leaks, size_t i);

/*
 * Returns true if something is, or may be, wrong: leak_is_wrong() of any leak, or a full accept
 * queue.
 */
bool leaks_found(const struct leaks *leaks);

/*
 * Returns true if the last look found what the one before it did: the same offenders with as many
 * sockets and the same verdicts. Ages, and the number of young ones, may differ.
 */
bool leaks_same(const struct leaks *leaks);

#endif /* TCPDWELL_LEAKS_H */
