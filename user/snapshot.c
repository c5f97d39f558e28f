// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "loader.h"
#include "netns_walk.h"
#include "procfs_sockstat.h"
#include "snapshot.h"

/* The kernel fills at most 32 KiB of an iterator's records at a time (BPF seq_file: 8 pages). */
#define READ_BYTES (32 * 1024)

struct snapshot {
	struct loader *loader;
	snapshot_found *found;
	void *context;
};

/* The whole records in a buffer; the rest of the last one comes with the next read. */
static int take_records(const struct snapshot *snapshot, const char *buffer, size_t len)
{
	struct tcpdwell_socket socket;
	int err = 0;

	for (; !err && len >= sizeof(socket); buffer += sizeof(socket), len -= sizeof(socket)) {
		memcpy(&socket, buffer, sizeof(socket));
		err = snapshot->found(snapshot->context, &socket);
	}
	return err;
}

/*
 * Runs an iterator to its end. A read ends early, with EAGAIN, after a million sockets that wrote
 * nothing; the next one goes on from there. Answers -errno, or what found() did.
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
		if (snapshot->found)
			err = take_records(snapshot, buffer, len);
		memmove(buffer, buffer + len - kept, kept);
	}
	close(iterator);
	return err;
}

/*
 * Takes the sockets of the namespace that the thread is in. The hash table is one for all
 * namespaces, and an iterator goes through the whole of it for each: not where there is nothing to
 * find. A request has a listener, which counts.
 */
static int take_namespace(void *context, const struct netns_place *place)
{
	const struct snapshot *snapshot = context;
	unsigned int inuse, timewait;

	(void)place;
	if (!procfs_tcp_sockets("", &inuse, &timewait) && !inuse && !timewait)
		return 0;
	return run(snapshot, loader_open_sockets(snapshot->loader));
}

int snapshot_take(struct loader *loader, snapshot_found *found, void *context, unsigned int *closed,
		  struct failure *failure)
{
	struct snapshot snapshot = { .loader = loader, .found = found, .context = context };
	int err;

	loader_snapshot_begin(loader);
	err = run(&snapshot, loader_open_descriptors(loader));
	if (!err)
		err = netns_walk(loader_netns(loader), take_namespace, &snapshot, closed);
	if (err)
		return failure_set(failure, STATUS_OTHER,
				   "cannot look at the sockets that exist: %s", strerror(-err));
	return 0;
}

void snapshot_warn(const struct notice *notice, unsigned int closed)
{
	if (closed)
		notice_print(notice, NOTICE_WARNING,
			     "%u network namespaces cannot be entered (it takes CAP_SYS_ADMIN): of "
			     "their sockets only those with a descriptor are known",
			     closed);
}
