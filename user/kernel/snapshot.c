// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/netns_walk.h"
#include "kernel/feature.h"
#include "kernel/loader.h"
#include "kernel/snapshot.h"
#include "kernel/unnamed.h"

/* The kernel fills at most 32 KiB with an iterator's records at a time (BPF seq_file: 8 pages). */
#define READ_BYTES (32 * 1024)

/* A network namespace as it was before the first descriptor was looked at. */
struct space {
	uint32_t inode;
	unsigned int sockets; /* full sockets in the hash tables */
	unsigned int timewait;
};

struct snapshot {
	struct loader *loader;
	event_take *take;
	void *context;
	struct space *spaces; /* those that have any sockets */
	size_t space_count;
	bool optional;
	bool walked; /* a walk over the table of connections found all timewait sockets */
	enum feature_id refused; /* what is missing for records; FEATURE_COUNT: nothing */
};

/* Takes the whole records in a buffer. The rest of the last record comes with the next read. */
static int take_records(const struct snapshot *snapshot, const char *buffer, size_t len)
{
	struct tcpdwell_socket socket;
	const struct event event = { .kind = EVENT_SOCKET, .socket = &socket };
	int err = 0;

	for (; !err && len >= sizeof(socket); buffer += sizeof(socket), len -= sizeof(socket)) {
		memcpy(&socket, buffer, sizeof(socket));
		err = snapshot->take(snapshot->context, &event);
	}
	return err;
}

/*
 * Reads an iterator to its end. A read ends early with EAGAIN after a million sockets for which
 * nothing was written, and the next read goes on from there. Returns 0, -errno, or what take()
 * returned.
 */
static int run(const struct snapshot *snapshot, int iterator)
{
	static char buffer[READ_BYTES];
	size_t kept = 0;
	int err = 0;

	if (iterator < 0)
		return iterator;
	while (!err) {
		ssize_t len = read(iterator, buffer + kept, sizeof(buffer) - kept);

		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (len <= 0) {
			err = len ? -errno : 0;
			break;
		}
		len += kept;
		kept = len % sizeof(struct tcpdwell_socket);
		if (snapshot->take)
			err = take_records(snapshot, buffer, len);
		memmove(buffer, buffer + len - kept, kept);
	}
	close(iterator);
	return err;
}

/*
 * Notes how many sockets a namespace has. Requests are not counted, but each has a listener, which
 * is. If they cannot be counted, the number is one that no namespace reaches, so it will be looked
 * through.
 */
static int note_space(void *context, const struct netns_place *place)
{
	struct snapshot *snapshot = context;
	struct space space = { .inode = place->inode }, *grown;

	if (netns_place_count(place, &space.sockets, &space.timewait))
		space.sockets = UINT_MAX;
	if (!space.sockets && !space.timewait)
		return 0;
	grown = reallocarray(snapshot->spaces, snapshot->space_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	grown[snapshot->space_count++] = space;
	snapshot->spaces = grown;
	return 0;
}

static uint64_t count_sockets(const struct snapshot *snapshot)
{
	uint64_t count = 0;

	for (size_t i = 0; i < snapshot->space_count; i++)
		count += (uint64_t)snapshot->spaces[i].sockets + snapshot->spaces[i].timewait;
	return count;
}

/*
 * Returns true if a walk found the timewait sockets of a namespace. If it found one of them it
 * found all. If it found none, the namespace may have a table of its own.
 */
static bool timewait_walked(const struct snapshot *snapshot, const struct space *space)
{
	return snapshot->walked && loader_walked_timewait(snapshot->loader, space->inode);
}

/*
 * Returns true if a namespace may have a socket that was found neither by descriptor nor by a walk.
 * The tracepoint tells of sockets that came after the count was noted, so if that many were found
 * they are the very sockets that were counted.
 */
static bool is_missing(const struct snapshot *snapshot, const struct space *space)
{
	return (space->timewait && !timewait_walked(snapshot, space)) ||
	       !loader_found_all(snapshot->loader, space->inode, space->sockets);
}

/*
 * Decides what a refused iterator means. If only rows are wanted, they go on, and the loader has
 * already said what is unknown without it. If records of the sockets are wanted, some of them are
 * not enough, and the snapshot fails.
 */
static int none_to_run(struct snapshot *snapshot, enum feature_id id)
{
	if (!snapshot->take || snapshot->optional)
		return 0;
	snapshot->refused = id;
	return -EOPNOTSUPP;
}

/* Takes the sockets of the namespace @place, if any are missing. */
static int take_space(void *context, const struct netns_place *place)
{
	struct snapshot *snapshot = context;
	int iterator;

	for (size_t i = 0; i < snapshot->space_count; i++) {
		if (snapshot->spaces[i].inode != place->inode)
			continue;
		if (!is_missing(snapshot, &snapshot->spaces[i]))
			return 0;
		loader_skip_timewait(snapshot->loader,
				     timewait_walked(snapshot, &snapshot->spaces[i]));
		iterator = loader_open_sockets(snapshot->loader, place);
		if (netns_place_is_gone(place, iterator))
			return 0;
		if (iterator < 0)
			return none_to_run(snapshot, FEATURE_SOCKETS);
		return run(snapshot, iterator);
	}
	return 0;
}

/*
 * Looks through namespaces with an iterator, only if a socket is missing. The hash table is one for
 * all namespaces, and an iterator goes through the whole of it for each namespace. That takes 20 ms
 * on a host of 24 GB, however few sockets there are.
 */
static int take_spaces(struct snapshot *snapshot)
{
	unsigned int closed;

	for (size_t i = 0; i < snapshot->space_count; i++)
		if (is_missing(snapshot, &snapshot->spaces[i]))
			return netns_walk(loader_steward(snapshot->loader),
					  loader_netns(snapshot->loader), take_space, snapshot,
					  &closed);
	return 0;
}

/*
 * With so many namespaces that have timewait sockets, one walk for all is cheaper than one for
 * each.
 */
#define WALK_NAMESPACES 8

static int take_walked(void *context, const struct tcpdwell_socket *socket)
{
	const struct snapshot *snapshot = context;
	struct tcpdwell_socket found = *socket;
	const struct event event = { .kind = EVENT_SOCKET, .socket = &found };

	return snapshot->take(snapshot->context, &event);
}

/*
 * Takes the timewait sockets of all namespaces by one walk, if those are many. If the kernel does
 * not allow the walk, iterators find them later.
 */
static int take_timewait(struct snapshot *snapshot)
{
	struct loader *loader = snapshot->loader;
	unsigned int many = 0;

	for (size_t i = 0; i < snapshot->space_count; i++)
		many += snapshot->spaces[i].timewait > 0;
	if (many < WALK_NAMESPACES || !loader_can_walk(loader) || unnamed_name(loader))
		return 0;
	snapshot->walked = true;
	return loader_walk(loader, TCPDWELL_WALK_TIMEWAIT, snapshot->take ? take_walked : NULL,
			   snapshot);
}

static int take_descriptors(struct snapshot *snapshot)
{
	int iterator = loader_open_descriptors(snapshot->loader);

	return iterator < 0 ? none_to_run(snapshot, FEATURE_DESCRIPTORS) : run(snapshot, iterator);
}

static int cannot_look(const struct snapshot *snapshot, int err, struct failure *failure)
{
	const struct features *features = loader_features(snapshot->loader);
	const struct obstacle *why = snapshot->refused == FEATURE_COUNT ?
					     NULL :
					     features_why(features, snapshot->refused);
	char text[OBSTACLE_TEXT_LEN];

	return failure_set(failure, STATUS_HOST, "cannot look at the sockets that exist: %s",
			   why ? obstacle_text(why, text) : strerror(-err));
}

static int take_all(struct snapshot *snapshot, unsigned int *closed, struct failure *failure)
{
	struct loader *loader = snapshot->loader;
	int err;

	snapshot->refused = FEATURE_COUNT;
	err = netns_walk(loader_steward(loader), loader_netns(loader), note_space, snapshot,
			 closed);
	loader_snapshot_begin(loader, count_sockets(snapshot));
	if (!err)
		err = take_descriptors(snapshot);
	if (!err)
		err = take_timewait(snapshot);
	if (!err)
		err = take_spaces(snapshot);
	loader_snapshot_end(loader);
	free(snapshot->spaces);
	if (err)
		return cannot_look(snapshot, err, failure);
	return 0;
}

int snapshot_take(struct loader *loader, event_take *take, void *context, unsigned int *closed,
		  struct failure *failure)
{
	struct snapshot snapshot = { .loader = loader, .take = take, .context = context };

	return take_all(&snapshot, closed, failure);
}

int snapshot_take_if_can(struct loader *loader, event_take *take, void *context,
			 unsigned int *closed, struct failure *failure)
{
	struct snapshot snapshot = {
		.loader = loader,
		.take = take,
		.context = context,
		.optional = true,
	};

	return take_all(&snapshot, closed, failure);
}

void snapshot_warn(const struct notice *notice, unsigned int closed)
{
	netns_walk_warn(notice, closed, "of their sockets only those with a descriptor are known");
}
