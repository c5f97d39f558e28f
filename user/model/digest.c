// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "base/fnv.h"
#include "base/spread.h"
#include "model/digest.h"
#include "model/finders.h"
#include "model/held_ports.h"
#include "model/keys.h"

/* One connection more than findings look through for one peer. */
#define PEER_MOST (FINDER_POOL_MOST + 1)

/* A power of two. At most half of the slots are used, by folded sockets and by services. */
#define SLOTS (4 * DIGEST_FOLDED)

struct slot {
	uint64_t hash; /* 0: free */
	uint32_t number;
};

struct digest {
	uint64_t leak_ns;
	uint64_t lost;
	struct fact_socket
		*sockets; /* DIGEST_PEERS of peers; listeners, and those that are folded */
	size_t peer_count;
	size_t count, room;
	size_t folded;
	size_t slot_count;
	struct slot slots[SLOTS];
	unsigned int shift; /* of 2^shift peers one is left */
	struct keys crowds; /* peers that have more than PEER_MOST */
	struct keys addresses;
	struct held_ports *held;
};

struct digest *digest_new(uint64_t leak_ns)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->leak_ns = leak_ns;
	d->count = DIGEST_PEERS;
	d->room = DIGEST_PEERS + 64;
	d->sockets = calloc(d->room, sizeof(*d->sockets));
	d->held = held_ports_new();
	if (d->sockets && d->held)
		return d;
	digest_free(d);
	errno = ENOMEM;
	return NULL;
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	free(d->sockets);
	keys_release(&d->crowds);
	keys_release(&d->addresses);
	held_ports_free(d->held);
	free(d);
}

static int keep(struct digest *d, const struct fact_socket *socket)
{
	if (d->count == d->room) {
		size_t room = d->room + (d->room - DIGEST_PEERS);
		struct fact_socket *sockets = reallocarray(d->sockets, room, sizeof(*sockets));

		if (!sockets)
			return -ENOMEM;
		d->sockets = sockets;
		d->room = room;
	}
	d->sockets[d->count++] = *socket;
	return 0;
}

/* ---- What is folded ---- */

/* Hashes the service, and its owner's name with @pid. */
static uint64_t hash_program(const struct fact_socket *socket, uint32_t pid)
{
	const uint32_t words[] = {
		pid,
		socket->owner.kernel,
		socket->at.netns,
		socket->client,
		socket->client ? socket->at.rport : socket->at.lport,
	};

	return fnv64(fnv64(FNV64_BEGIN, words, sizeof(words)), socket->owner.comm,
		     sizeof(socket->owner.comm));
}

/* Hashes the owner and the service. No finder has smaller groups. */
static uint64_t hash_service(const struct fact_socket *socket)
{
	return hash_program(socket, socket->owner.pid);
}

/* Hashes what all sockets that are folded into one have in common. */
static uint64_t hash_fold(const struct fact_socket *socket, unsigned int kinds)
{
	const uint32_t words[] = { kinds, socket->state, socket->queued, socket->timers.timer };
	uint64_t hash = fnv64(hash_service(socket), words, sizeof(words));

	if (socket->queued || kinds & FINDER_SELF)
		hash = fnv64(fnv64(hash, socket->at.laddr, sizeof(socket->at.laddr)),
			     &socket->at.lport, sizeof(socket->at.lport));
	if (kinds & FINDER_UNANSWERED)
		hash = fnv64(hash, socket->at.raddr, sizeof(socket->at.raddr));
	return hash ?: 1;
}

/* Returns the slot where @hash is or would be; NULL if there is no room. */
static struct slot *slot_of(struct digest *d, uint64_t hash)
{
	size_t at = spread(hash) >> 32;

	while (d->slots[at % SLOTS].hash && d->slots[at % SLOTS].hash != hash)
		at++;
	if (!d->slots[at % SLOTS].hash && d->slot_count == SLOTS / 2)
		return NULL;
	return &d->slots[at % SLOTS];
}

static void slot_take(struct digest *d, struct slot *slot, uint64_t hash, uint32_t number)
{
	d->slot_count++;
	*slot = (struct slot){ hash, number };
}

/* Returns true if its process and port have too many destinations that do not answer. */
static bool is_beyond(struct digest *d, const struct fact_socket *socket)
{
	uint64_t hash = hash_service(socket) ^ FINDER_UNANSWERED;
	struct slot *slot = slot_of(d, hash);

	if (!slot)
		return true;
	if (!slot->hash)
		slot_take(d, slot, hash, 0);
	return ++slot->number > DIGEST_DESTINATIONS;
}

static void fold(struct fact_socket *into, const struct fact_socket *socket)
{
	into->others++;
	if (socket->age_ns > into->age_ns)
		into->age_ns = socket->age_ns;
	if (socket->silent_ns < into->silent_ns)
		into->silent_ns = socket->silent_ns;
	if (socket->timers.retransmits > into->timers.retransmits)
		into->timers.retransmits = socket->timers.retransmits;
	if (socket->timers.probes_out > into->timers.probes_out)
		into->timers.probes_out = socket->timers.probes_out;
	into->timers.err_soft |= socket->timers.err_soft;
	into->unread_bytes += socket->unread_bytes;
	into->unacked_bytes += socket->unacked_bytes;
	if (memcmp(into->at.raddr, socket->at.raddr, sizeof(into->at.raddr)))
		memset(into->at.raddr, 0, sizeof(into->at.raddr));
}

static int add_folded(struct digest *d, const struct fact_socket *socket, unsigned int kinds)
{
	uint64_t hash = hash_fold(socket, kinds);
	struct slot *slot = slot_of(d, hash);
	struct fact_socket fresh = *socket;

	if (slot && slot->hash) {
		fold(&d->sockets[slot->number], socket);
		return 0;
	}
	if (!slot || d->folded == DIGEST_FOLDED ||
	    (kinds & FINDER_UNANSWERED && is_beyond(d, socket))) {
		d->lost++;
		return 0;
	}
	fresh.part = FACT_FOLDED;
	fresh.kinds = kinds;
	/* is_beyond() may have taken that slot for the service. */
	slot_take(d, slot_of(d, hash), hash, d->count);
	d->folded++;
	return keep(d, &fresh);
}

/* ---- Connections of peers ---- */

/* The workers of a program share its peers. */
static uint64_t hash_peer(const struct fact_socket *socket)
{
	return spread(fnv64(hash_program(socket, 0), socket->at.raddr, sizeof(socket->at.raddr)));
}

static bool is_left(const struct digest *d, uint64_t peer)
{
	return !(peer >> 32 & ((1ULL << d->shift) - 1)) && !keys_has(&d->crowds, peer);
}

static int by_peer(const void *left, const void *right)
{
	const struct fact_socket *a = left, *b = right;

	return compare(a->cookie, b->cookie);
}

/* Notes peers with more connections than findings look through. Returns 0 or -ENOMEM. */
static int note_crowds(struct digest *d)
{
	const struct fact_socket *peers = d->sockets;

	qsort(d->sockets, d->peer_count, sizeof(*d->sockets), by_peer);
	for (size_t i = 0, n; i < d->peer_count; i += n) {
		for (n = 1; i + n < d->peer_count && peers[i + n].cookie == peers[i].cookie; n++)
			;
		if (n >= PEER_MOST && keys_add(&d->crowds, peers[i].cookie) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void leave_out(struct digest *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->peer_count; i++)
		if (is_left(d, d->sockets[i].cookie))
			d->sockets[kept++] = d->sockets[i];
	d->peer_count = kept;
}

static int make_room(struct digest *d)
{
	int err = note_crowds(d);

	leave_out(d);
	for (; !err && d->peer_count > DIGEST_PEERS / 2; leave_out(d))
		d->shift++;
	return err;
}

static int add_peer(struct digest *d, const struct fact_socket *socket)
{
	uint64_t peer = hash_peer(socket);
	int err = d->peer_count == DIGEST_PEERS ? make_room(d) : 0;
	struct fact_socket *kept;

	if (err || !is_left(d, peer))
		return err;
	kept = &d->sockets[d->peer_count++];
	*kept = *socket;
	kept->part = FACT_PEER;
	kept->cookie = peer;
	return 0;
}

static uint64_t hash_address(const uint8_t addr[16])
{
	return fnv64(FNV64_BEGIN, addr, 16);
}

static int note_address(struct digest *d, const uint8_t addr[16])
{
	int err = d->addresses.count < DIGEST_ADDRESSES ?
			  keys_add(&d->addresses, hash_address(addr)) :
			  0;

	return err < 0 ? err : 0;
}

/* ---- All of them ---- */

int digest_add(struct digest *d, const struct fact_socket *socket, uint64_t low, uint64_t high)
{
	unsigned int kinds;
	int err = note_address(d, socket->at.laddr);

	if (err || socket->state == TCPDWELL_LISTEN)
		return err ?: keep(d, socket);
	if (find_ports_taken(socket, low, high))
		err = held_ports_add(d->held, socket);
	kinds = find_stuck_kinds(socket, d->leak_ns) | find_open_kinds(socket, d->leak_ns);
	if (!err && kinds & FINDER_PEERS)
		err = add_peer(d, socket);
	kinds &= ~FINDER_PEERS;
	if (!err && (kinds || socket->queued))
		err = add_folded(d, socket, kinds);
	return err;
}

struct fact_socket *digest_sockets(struct digest *d, size_t *count)
{
	bool all = d->addresses.count < DIGEST_ADDRESSES;

	for (size_t i = 0; i < d->peer_count; i++) {
		struct fact_socket *peer = &d->sockets[i];

		peer->peer_near = !all || keys_has(&d->addresses, hash_address(peer->at.raddr));
	}
	*count = d->peer_count + d->count - DIGEST_PEERS;
	memmove(d->sockets + d->peer_count, d->sockets + DIGEST_PEERS,
		(d->count - DIGEST_PEERS) * sizeof(*d->sockets));
	return d->sockets;
}

const struct held_ports *digest_held(const struct digest *d)
{
	return d->held;
}

uint64_t digest_lost(const struct digest *d)
{
	return d->lost;
}
