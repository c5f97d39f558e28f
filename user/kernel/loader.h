/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Loads the kernel side, and talks to it. Only this module and its parts know the skeleton: the
 * parts are knobs.h, map_sizes.h and programs.h.
 *
 * A loader owns the BPF object, its programs and the mapped counters. One thread.
 */
#ifndef TCPDWELL_LOADER_H
#define TCPDWELL_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/notice.h"
#include "wire.h"

struct capture;
struct features;
struct loader;
struct netns_place;
struct steward;

/*
 * Finds out what the kernel can do, sets every knob as @capture asks, and loads. Returns NULL with
 * @failure filled. The caller frees the loader. @notice and the strings of @capture must outlive
 * it.
 */
struct loader *loader_new(const struct capture *capture, const struct notice *notice,
			  struct failure *failure);

/*
 * Does the same for a run that wants all features, and attaches them for a moment. After that
 * loader_features() says what the kernel lets such a run have.
 */
struct loader *loader_probe(const struct capture *capture, const struct notice *notice,
			    struct failure *failure);
const struct features *loader_features(const struct loader *loader);

/* Detaches and frees. NULL-safe. */
void loader_free(struct loader *loader);

/*
 * Attaches the programs. If the kernel refuses to attach one, all is loaded again without it. So
 * the ring, and what will be seen, are known only after this call. Returns 0, or -1 with @failure
 * filled if the tracepoint itself is refused.
 */
int loader_attach(struct loader *loader, struct failure *failure);

/* Gives back what only a look at the sockets that exist needs. There must be no look after that. */
void loader_look_no_more(struct loader *loader);

/*
 * Gives back memory that only the start needed: the pages of the BPF object, which are read again
 * from the program's file when they are needed, and free memory of the heap.
 */
void loader_started(const struct loader *loader);

/* Detaches the programs. After that no new rows come but those that loader_flush() lets go. */
void loader_detach(struct loader *loader);

/*
 * For `life`: has the kernel side send a record of each connection that goes on. The programs must
 * be attached. After the call with @last nothing more is told of these connections. Returns 0 or
 * -errno.
 */
int loader_tell_open(struct loader *loader, bool last);

/*
 * The snapshot of the sockets that exist (snapshot.h). loader_snapshot_begin() says that a new one
 * starts, of about @sockets sockets. loader_snapshot_end() says that it is over, well or not. Each
 * of the others opens an iterator, which the caller reads to its end and closes: one over all
 * descriptors, one over the sockets of a network namespace (netns_walk.h). They return -errno if
 * there is none.
 */
void loader_snapshot_begin(struct loader *loader, uint64_t sockets);
void loader_snapshot_end(struct loader *loader);
int loader_open_descriptors(struct loader *loader);
int loader_open_sockets(struct loader *loader, const struct netns_place *place);

/*
 * From here on @steward opens the iterators and goes through the namespaces. It must outlive the
 * loader. To be called before the process gives up the privileges that this takes.
 */
void loader_hand_over(struct loader *loader, struct steward *steward);

/* Returns the steward, or NULL if the process does that work itself. */
struct steward *loader_steward(const struct loader *loader);

/*
 * Returns true if the current snapshot found exactly @sockets by descriptor in the network
 * namespace of this inode, and no request of its listeners.
 */
bool loader_found_all(const struct loader *loader, uint32_t netns, unsigned int sockets);

/*
 * Walks once over the table of connections, for all namespaces, if loader_can_walk(). @found gets a
 * record for each socket that @what asks for, and may be NULL. Returns 0, what @found returned, or
 * -errno.
 */
typedef int loader_walked(void *context, const struct tcpdwell_socket *socket);
bool loader_can_walk(const struct loader *loader);
int loader_walk(struct loader *loader, enum tcpdwell_walk_for what, loader_walked *found,
		void *context);

/*
 * Returns how many timewait sockets the walk of the current snapshot found in the namespace of this
 * inode.
 */
unsigned int loader_walked_timewait(const struct loader *loader, uint32_t netns);

/* Says whether iterators that are opened from now on skip timewait sockets. */
void loader_skip_timewait(struct loader *loader, bool skip);

/* Returns the inode of the network namespace that --netns asks for, or 0 for all. */
uint32_t loader_netns(const struct loader *loader);

/*
 * Adds @pid's sockets, and those of its future children, to the wanted ones. Returns 0 or -errno.
 */
int loader_follow(struct loader *loader, uint32_t pid);

/*
 * Returns true if some backend tells of timewait sockets: of TIME_WAIT, and of orphans in
 * FIN_WAIT2.
 */
bool loader_sees_timewait(const struct loader *loader);

/*
 * Puts the descriptors of the rings into @fds, which has room for LOADER_RINGS. The programs must
 * be attached. The loader owns the descriptors. Returns how many there are. The first one becomes
 * readable when the kernel side wakes the reader.
 */
#define LOADER_RINGS (1 + TCPDWELL_RINGS)
unsigned int loader_rings(const struct loader *loader, int *fds);

/*
 * After this time a row that waits is decided: a timer that was taken off will not be armed again.
 */
#define LOADER_WAIT_NS 30000000ULL

/*
 * Lets go the rows that have been held for @min_age_ns or longer, and whose event will not come by
 * itself. Returns whether rows may still be waiting, or -errno.
 */
int loader_flush(struct loader *loader, uint64_t min_age_ns);

/*
 * Says whether the reader sleeps without a time limit, so that the next row must wake it. After it
 * says so, the reader must look at the ring once more before it sleeps.
 */
void loader_reader_sleeps(struct loader *loader, bool sleeps);

/* Returns true if no wake-up has taken that back since. */
bool loader_reader_is_asleep(const struct loader *loader);

/*
 * Takes what a SYN flood did since the last call, for the port that it hits most. Returns false if
 * there is no flood.
 */
bool loader_take_flood(struct loader *loader, struct tcpdwell_flood *flood, uint16_t *port);

/* Visits each listener that says something of SYN cookies, once. */
typedef void loader_cookies(void *context, const struct tcpdwell_cookies *cookies);
void loader_each_cookies(const struct loader *loader, uint64_t look, loader_cookies *visit,
			 void *context);

/*
 * Says that the reader may stop to look at listeners. It must look at them once more after that.
 * The other function returns whether nothing has spoken against it since. Once it returns true, the
 * kernel side wakes the reader before it returns false again.
 */
void loader_rest_listeners(struct loader *loader);
bool loader_listeners_rest(const struct loader *loader);

/*
 * Gets the stack of the call that connected or accepted the socket of @key (struct
 * tcpdwell_socket). Returns 0, or -errno if that call was not seen.
 */
int loader_stack(const struct loader *loader, uint64_t key, struct tcpdwell_stack *stack);

/*
 * Says in words what this run wants and does not see on this kernel, cut to @size. The text is
 * empty if nothing is missing.
 */
void loader_missing(const struct loader *loader, char *text, size_t size);

/*
 * Visits the calls of connect() and bind() that failed since the start: each kind once, with its
 * count. It visits none where such calls are not seen. A visit that returns LOADER_FORGET makes
 * room for another kind: calls of this one that fail from then on are counted from 0. Returns 0,
 * what else a visit returned, or -errno. loader_calls_missed() returns how many failed calls found
 * no room.
 */
#define LOADER_FORGET 1
typedef int loader_failed_call(void *context, const struct tcpdwell_failed_call *call,
			       const struct tcpdwell_failed_calls *calls);
int loader_each_failed_call(const struct loader *loader, loader_failed_call *visit, void *context);
uint64_t loader_calls_missed(const struct loader *loader);

/*
 * The first returns how many connections had bytes that found no room among the sums. The second
 * returns how many rows found no room there, where rows are also sent.
 */
uint64_t loader_carried_lost(const struct loader *loader);
uint64_t loader_sums_lost(const struct loader *loader);

/* Returns how many stacks found no room. */
uint64_t loader_stacks_missed(const struct loader *loader);

/* Returns true if the kernel side sums, and false if rows come instead (capture_sums.or_rows). */
bool loader_sums(const struct loader *loader);

/*
 * For `stat`: makes the kernel side add to its other map, and returns the descriptor of the map
 * that it has left, or -errno. The loader owns that map. Nothing is added to it, and the caller
 * must empty it before the next turn. Where sums are not taken again (capture.h) there is one map,
 * and all must be detached before the turn. loader_stat_size() returns how many elements (stat.h)
 * it has room for.
 */
int loader_stat_turn(struct loader *loader);
uint32_t loader_stat_size(const struct loader *loader);

/*
 * Returns true if there are timewait sockets of which only loader_flush() learns. It must then be
 * called at times.
 */
bool loader_polls(const struct loader *loader);

/* Adds up the counters of all CPUs, each set read at a moment when it satisfied the identity. */
void loader_counters(const struct loader *loader, struct tcpdwell_counters *sum);

/* Returns how many transitions the kernel is known to have run no program for. */
uint64_t loader_missed(const struct loader *loader);

/*
 * Returns how many requests ended without a program being run, beyond those that loader_missed()
 * counts, because nothing was remembered of them. The kernel side must have been flushed just
 * before. Only the timer backend can tell.
 */
uint64_t loader_overdue(struct loader *loader);

#endif /* TCPDWELL_LOADER_H */
