// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/filters.h"
#include "base/spread.h"
#include "host/name_book.h"
#include "model/names_wanted.h"
#include "model/sockets.h"

#define SLOTS_MIN 256

struct sockets {
	struct socket_seen *seen;
	size_t count;
	size_t room;
	struct socket_holder *holders;
	size_t holder_count;
	size_t holder_room;
	uint32_t *slots; /* open addressing by key: index into seen, plus one; 0: free */
	size_t slot_count;
};

struct sockets *sockets_new(void)
{
	return calloc(1, sizeof(struct sockets));
}

void sockets_free(struct sockets *sockets)
{
	if (!sockets)
		return;
	free(sockets->seen);
	free(sockets->holders);
	free(sockets->slots);
	free(sockets);
}

void sockets_clear(struct sockets *sockets)
{
	sockets->count = 0;
	sockets->holder_count = 0;
	if (sockets->slots)
		memset(sockets->slots, 0, sockets->slot_count * sizeof(*sockets->slots));
}

static uint32_t *slot_of(const struct sockets *sockets, uint64_t key)
{
	size_t at = spread(key) >> 20 & (sockets->slot_count - 1);

	while (sockets->slots[at] && sockets->seen[sockets->slots[at] - 1].info.key != key)
		at = (at + 1) & (sockets->slot_count - 1);
	return &sockets->slots[at];
}

static int grow_slots(struct sockets *sockets)
{
	size_t count = sockets->slot_count ? sockets->slot_count * 2 : SLOTS_MIN;
	uint32_t *slots = calloc(count, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	free(sockets->slots);
	sockets->slots = slots;
	sockets->slot_count = count;
	for (size_t i = 0; i < sockets->count; i++)
		*slot_of(sockets, sockets->seen[i].info.key) = i + 1;
	return 0;
}

/* Makes room for one more element after @count. Returns 0 or -errno. */
static int grow(void **array, size_t *room, size_t count, size_t size)
{
	size_t more = *room ? *room * 2 : SLOTS_MIN;
	void *p;

	if (count < *room)
		return 0;
	p = realloc(*array, more * size);
	if (!p)
		return -ENOMEM;
	*array = p;
	*room = more;
	return 0;
}

/* Adds a process to the list of holders. Returns its index plus one, or -errno. */
static int note_process(struct sockets *sockets, uint32_t pid, uint32_t fd, const char *comm)
{
	struct socket_holder *holder;
	int err;

	err = grow((void **)&sockets->holders, &sockets->holder_room, sockets->holder_count,
		   sizeof(*sockets->holders));
	if (err)
		return err;
	holder = &sockets->holders[sockets->holder_count++];
	*holder = (struct socket_holder){ .pid = pid, .fd = fd };
	memcpy(holder->comm, comm, sizeof(holder->comm));
	return sockets->holder_count;
}

/*
 * A fixed file adds nothing about a process that has a descriptor; records of descriptors come
 * first.
 */
static int add_holder(struct sockets *sockets, struct socket_seen *seen,
		      const struct tcpdwell_socket *record)
{
	bool known = false;
	int at;

	for (uint32_t i = seen->first; i; i = sockets->holders[i - 1].next) {
		const struct socket_holder *holder = &sockets->holders[i - 1];

		if (holder->pid != record->pid)
			continue;
		/* A thread's own table of descriptors is a copy of the process's, to begin with. */
		if (holder->fd == record->fd)
			return 0;
		known = true;
	}
	if (known && record->fd == TCPDWELL_NO_FD)
		return 0;
	at = note_process(sockets, record->pid, record->fd, record->comm);
	if (at < 0)
		return at;
	if (!known)
		seen->holders++;
	sockets->holders[at - 1].next = seen->first;
	seen->first = at;
	return 0;
}

static int add_receiver(struct sockets *sockets, struct socket_seen *seen,
			const struct tcpdwell_socket *record)
{
	int at;

	if (seen->receiver)
		return 0;
	at = note_process(sockets, record->owner_pid, TCPDWELL_NO_FD, record->comm);
	if (at < 0)
		return at;
	seen->receiver = at;
	return 0;
}

/*
 * Decides whom the socket counts for: the owner that the kernel side knows, if it holds the socket,
 * else the first holder. In an accept queue or a handshake it is the listener's owner.
 */
static void settle_owner(struct socket_seen *seen, const struct tcpdwell_socket *record)
{
	struct tcpdwell_socket *info = &seen->info;
	bool is_owner = record->pid && record->pid == record->owner_pid;
	const unsigned int of_listener = TCPDWELL_SOCKET_QUEUED | TCPDWELL_SOCKET_REQUEST;

	if (record->pid && (!info->pid || (is_owner && info->pid != record->pid))) {
		info->pid = record->pid;
		info->fd = record->fd;
		memcpy(info->comm, record->comm, sizeof(info->comm));
	}
	if (record->pid && record->pid == info->pid && record->fd < info->fd)
		info->fd = record->fd;
	if (record->flags & of_listener && record->owner) {
		info->pid = record->owner_pid;
		memcpy(info->comm, record->comm, sizeof(info->comm));
	}
}

int sockets_add(struct sockets *sockets, const struct tcpdwell_socket *record)
{
	struct socket_seen *seen;
	uint32_t *slot;
	int err;

	if (sockets->count * 2 >= sockets->slot_count && (err = grow_slots(sockets)))
		return err;
	err = grow((void **)&sockets->seen, &sockets->room, sockets->count, sizeof(*sockets->seen));
	if (err)
		return err;
	slot = slot_of(sockets, record->key);
	if (!*slot) {
		*slot = ++sockets->count;
		seen = &sockets->seen[*slot - 1];
		*seen = (struct socket_seen){ .info = *record };
		seen->info.pid = 0;
		memset(seen->info.comm, 0, sizeof(seen->info.comm));
	} else {
		seen = &sockets->seen[*slot - 1];
		/* The state may have changed between the two records; the later one counts. */
		seen->info.state = record->state;
		seen->info.since = record->since;
		seen->info.since_ns = record->since_ns;
		seen->info.since_earliest_ns = record->since_earliest_ns;
		seen->info.active_ns = record->active_ns;
		seen->info.active_earliest_ns = record->active_earliest_ns;
		seen->info.flags |= record->flags;
		seen->info.detail = record->detail;
	}
	if (record->flags & TCPDWELL_SOCKET_IN_FLIGHT)
		return add_receiver(sockets, seen, record);
	settle_owner(seen, record);
	return record->pid ? add_holder(sockets, seen, record) : 0;
}

size_t sockets_count(const struct sockets *sockets)
{
	return sockets->count;
}

const struct socket_seen *sockets_at(const struct sockets *sockets, size_t i)
{
	return &sockets->seen[i];
}

void sockets_set_cgroup(struct sockets *sockets, size_t i, const struct named_cgroup *cgroup)
{
	sockets->seen[i].cgroup = cgroup;
}

static const struct socket_holder *holder_at(const struct sockets *sockets, uint32_t index)
{
	return index ? &sockets->holders[index - 1] : NULL;
}

const struct socket_holder *sockets_first_holder(const struct sockets *sockets,
						 const struct socket_seen *socket)
{
	return holder_at(sockets, socket->first);
}

const struct socket_holder *sockets_next_holder(const struct sockets *sockets,
						const struct socket_holder *holder)
{
	return holder_at(sockets, holder->next);
}

const struct socket_holder *sockets_receiver(const struct sockets *sockets,
					     const struct socket_seen *socket)
{
	return socket->holders ? NULL : holder_at(sockets, socket->receiver);
}

bool sockets_queue_is_full(const struct socket_seen *socket)
{
	const struct tcpdwell_socket *info = &socket->info;

	return info->state == TCPDWELL_LISTEN && info->queued > info->queue_max;
}

static bool pid_wanted(const struct sockets *sockets, const struct socket_seen *socket,
		       const struct id_list *pids)
{
	const struct socket_holder *holder = sockets_first_holder(sockets, socket);

	if (!pids->count || id_list_has(pids, socket->info.pid))
		return true;
	for (; holder; holder = sockets_next_holder(sockets, holder))
		if (id_list_has(pids, holder->pid))
			return true;
	return false;
}

bool sockets_wanted(const struct sockets *sockets, const struct socket_seen *socket,
		    const struct filters *filters)
{
	const struct tcpdwell_socket *info = &socket->info;

	if (filters->either ? !(filters->either >> info->state & 1) : info->state == TCPDWELL_CLOSE)
		return false;
	if (!filters_want_comm(filters, info->comm))
		return false;
	if (!names_wanted(filters, socket->cgroup))
		return false;
	return pid_wanted(sockets, socket, &filters->pids);
}
