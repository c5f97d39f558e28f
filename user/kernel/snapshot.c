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

/* The kernel fills at most 32 KiB of an iterator's records at a time (BPF seq_file: 8 pages). */
#define READ_BYTES (32 * 1024)

/* A network namespace as it was before the first descriptor was looked at. */
struct space {
	uint32_t inode;
	unsigned int sockets; /* in the hash tables */
	unsigned int timewait;
};

struct snapshot {
	struct loader *loader;
	event_take *take;
	void *context;
	struct space *spaces; /* those that have any */
	size_t space_count;
	bool optional;
	bool walked; /* all timewait sockets that a walk over the table leads to were found */
	enum feature_id refused; /* what records are missing for, FEATURE_COUNT: nothing */
};

/* The whole records in a buffer; the rest of the last one comes with the next read. */
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
 * Runs an iterator to its end. A read ends early, with EAGAIN, after a million sockets that wrote
 * nothing; the next one goes on from there. Answers -errno, or what take() did.
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
 * Notes what the namespace has that the thread is in. A request has a listener, which counts. What
 * cannot be counted is looked through: no number of sockets is that high.
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
 * Whether the timewait sockets of a namespace were found by a walk: where it found one it found
 * all, where none the namespace may have a table of its own.
 */
static bool timewait_walked(const struct snapshot *snapshot, const struct space *space)
{
	return snapshot->walked && loader_walked_timewait(snapshot->loader, space->inode);
}

/*
 * Whether a namespace may have what was not found by descriptor or by a walk. The tracepoint tells
 * what came since it was noted, so a count that is reached now was of these very sockets.
 */
static bool is_missing(const struct snapshot *snapshot, const struct space *space)
{
	return (space->timewait && !timewait_walked(snapshot, space)) ||
	       !loader_found_all(snapshot->loader, space->inode, space->sockets);
}

/*
 * Where rows go on without what was there before, the loader has said what is unknown for that.
 * Where records of it are what is asked for, some of them are not enough.
 */
static int none_to_run(struct snapshot *snapshot, enum feature_id id)
{
	if (!snapshot->take || snapshot->optional)
		return 0;
	snapshot->refused = id;
	return -EOPNOTSUPP;
}

/* Takes the sockets of the namespace that the thread is in, if any are missing. */
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
 * The hash table is one for all namespaces, and an iterator goes through the whole of it for each:
 * 20 ms on a host of 24 GB, however few sockets there are. Only where it must.
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

/* Namespaces with timewait sockets from which on one walk for all is cheaper than one for each. */
#define WALK_NAMESPACES 8

static int take_walked(void *context, const struct tcpdwell_socket *socket)
{
	const struct snapshot *snapshot = context;
	struct tcpdwell_socket found = *socket;
	const struct event event = { .kind = EVENT_SOCKET, .socket = &found };

	return snapshot->take(snapshot->context, &event);
}

/* Takes the timewait sockets of all namespaces, if these are many. Iterators do where it cannot. */
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
	if (closed & NETNS_WALK_MORE)
		notice_print(notice, NOTICE_WARNING,
			     "there are more than %u network namespaces: of the sockets in the "
			     "others only those with a descriptor are known",
			     NETNS_WALK_MAX);
	closed &= ~NETNS_WALK_MORE;
	if (closed)
		notice_print(notice, NOTICE_WARNING,
			     "%u network namespaces cannot be entered (it takes CAP_SYS_ADMIN): of "
			     "their sockets only those with a descriptor are known",
			     closed);
}
