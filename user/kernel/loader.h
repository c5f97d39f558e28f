/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel side in the kernel. No module but this one and its parts, knobs.h, map_sizes.h and
 * programs.h, knows the skeleton.
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
 * Finds out what the kernel can do, sets every knob as @capture asks and loads. Returns NULL with
 * @failure filled. @notice and the strings of @capture must outlive the loader, which the caller
 * frees.
 */
struct loader *loader_new(const struct capture *capture, const struct notice *notice,
			  struct failure *failure);

/*
 * The same for a run that would want all that there is, attached for a moment: loader_features()
 * says then what the kernel lets it have.
 */
struct loader *loader_probe(const struct capture *capture, const struct notice *notice,
			    struct failure *failure);
const struct features *loader_features(const struct loader *loader);

/* Detaches and frees. NULL-safe. */
void loader_free(struct loader *loader);

/*
 * Attaches, without what the kernel refuses to attach: for that all is loaded again, so the ring
 * and what is seen is not known before. Returns 0, or -1 with @failure filled if the tracepoint
 * itself is refused.
 */
int loader_attach(struct loader *loader, struct failure *failure);

/*
 * Gives back the memory that only the start needed: the pages of the BPF object, which come back
 * from the program's file if they are read again, and what the heap has left over.
 */
void loader_started(const struct loader *loader);

/* From here on no new rows but those that loader_flush() lets go. */
void loader_detach(struct loader *loader);

/*
 * `life`: has the kernel side tell of the connections that go on, while all is attached. For the
 * @last time: what becomes of them after that is told no more. Returns 0 or -errno.
 */
int loader_tell_open(struct loader *loader, bool last);

/*
 * The snapshot of what exists (snapshot.h). Begin says that a new one starts, of about so many
 * @sockets, end that it is over, well or not; each of the others opens an iterator, which the
 * caller reads to its end and closes: one over all descriptors, one over the sockets of a network
 * namespace (netns_walk.h). They return -errno if there is none.
 */
void loader_snapshot_begin(struct loader *loader, uint64_t sockets);
void loader_snapshot_end(struct loader *loader);
int loader_open_descriptors(struct loader *loader);
int loader_open_sockets(struct loader *loader, const struct netns_place *place);

/*
 * From here on @steward, which must outlive the loader, opens them and goes through the namespaces.
 * To be called before the privileges are given up that this takes.
 */
void loader_hand_over(struct loader *loader, struct steward *steward);

/* NULL: the process does it itself. */
struct steward *loader_steward(const struct loader *loader);

/*
 * Whether that run found @sockets by descriptor in the network namespace of this inode, and no
 * request to its listeners.
 */
bool loader_found_all(const struct loader *loader, uint32_t netns, unsigned int sockets);

/*
 * One walk over the table of connections for all namespaces, where that can be had: @found gets a
 * record for each socket that @what asks for, and may be NULL. Returns 0, what @found returned, or
 * -errno.
 */
typedef int loader_walked(void *context, const struct tcpdwell_socket *socket);
bool loader_can_walk(const struct loader *loader);
int loader_walk(struct loader *loader, enum tcpdwell_walk_for what, loader_walked *found,
		void *context);

/* Timewait sockets that it found in that run in the namespace of this inode. */
unsigned int loader_walked_timewait(const struct loader *loader, uint32_t netns);

/* Whether iterators that are opened from now on pass over timewait sockets. */
void loader_skip_timewait(struct loader *loader, bool skip);

/* Inode of the one network namespace that --netns asks for, 0: all. */
uint32_t loader_netns(const struct loader *loader);

/* Take @pid's sockets, and those of its children to come, for wanted. Returns 0 or -errno. */
int loader_follow(struct loader *loader, uint32_t pid);

/* Whether some backend tells of timewait sockets: of TIME_WAIT, and of orphans in FIN_WAIT2. */
bool loader_sees_timewait(const struct loader *loader);

/*
 * Descriptors of the rings, owned by the loader, of one that is attached, into @fds with room for
 * LOADER_RINGS. Returns how many. The first one becomes readable when the reader is woken.
 */
#define LOADER_RINGS (1 + TCPDWELL_RINGS)
unsigned int loader_rings(const struct loader *loader, int *fds);

/* What has waited for so long is decided: a timer that was taken off is not put back any more. */
#define LOADER_WAIT_NS 30000000ULL

/*
 * Lets go the rows that have waited for @min_age_ns or more for what will not come by itself.
 * Returns whether rows may still be waiting, or -errno.
 */
int loader_flush(struct loader *loader, uint64_t min_age_ns);

/*
 * Says whether the reader sleeps with no time limit, so that the next row wakes it. After setting
 * it the reader must look at the ring once more before it sleeps.
 */
void loader_reader_sleeps(struct loader *loader, bool sleeps);

/* Whether no wake-up has taken that back since. */
bool loader_reader_is_asleep(const struct loader *loader);

/*
 * Takes what a SYN flood did since the last call: the port that it hits most. Returns whether there
 * is one.
 */
bool loader_take_flood(struct loader *loader, struct tcpdwell_flood *flood, uint16_t *port);

/* Listeners that say something of SYN cookies, each once, and whether there are any at all. */
typedef void loader_cookies(void *context, const struct tcpdwell_cookies *cookies);
void loader_each_cookies(const struct loader *loader, uint64_t look, loader_cookies *visit,
			 void *context);
bool loader_has_listeners(const struct loader *loader);

/*
 * Where the socket of @key (struct tcpdwell_socket) was connected or accepted. Returns 0, or -errno
 * if that was not seen.
 */
int loader_stack(const struct loader *loader, uint64_t key, struct tcpdwell_stack *stack);

/* What a run that wants it does not see on this kernel, in words, cut to @size; empty: nothing. */
void loader_missing(const struct loader *loader, char *text, size_t size);

/*
 * Visits connect() and bind() that failed since the start, each kind with its number; none where
 * that is not seen. Returns 0, what a visit returned, or -errno.
 */
typedef int loader_failed_call(void *context, const struct tcpdwell_failed_call *call,
			       const struct tcpdwell_failed_calls *calls);
int loader_each_failed_call(const struct loader *loader, loader_failed_call *visit, void *context);

/* Connections whose bytes found no room among the sums; where rows are sent, too: rows. */
uint64_t loader_carried_lost(const struct loader *loader);
uint64_t loader_sums_lost(const struct loader *loader);

/* Stacks that found no room. */
uint64_t loader_stacks_missed(const struct loader *loader);

/*
 * `stat`: has the kernel side add to its other map, and returns the descriptor of the one that it
 * has left, or -errno. That one, owned by the loader, stands still and must be emptied before the
 * next turn. loader_stat_size() is how many elements (stat.h) it has room for.
 */
int loader_stat_turn(struct loader *loader);
uint32_t loader_stat_size(const struct loader *loader);

/*
 * Whether there are timewait sockets that only loader_flush() hears of: it must be called at times.
 */
bool loader_polls(const struct loader *loader);

/* The sum over all CPUs, each at a moment when its own set satisfied the identity. */
void loader_counters(const struct loader *loader, struct tcpdwell_counters *sum);

/* Transitions that the kernel ran no program for, as far as it shows. */
uint64_t loader_missed(const struct loader *loader);

/*
 * Requests whose end is among those, beside what loader_missed() says: nothing was remembered of
 * them. The kernel side must have been flushed just now. Only the timer backend can tell.
 */
uint64_t loader_overdue(struct loader *loader);

#endif /* TCPDWELL_LOADER_H */
