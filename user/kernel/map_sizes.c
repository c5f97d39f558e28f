// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdbool.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "host/procfs_sockstat.h"
#include "kernel/map_sizes.h"
#include "tcpdwell.skel.h"

/*
 * Bytes of the host's memory for each connection that may be tracked, where no option says how
 * many. A socket takes a few KiB, so this suffices even for a host whose memory is full of sockets.
 */
#define HOST_BYTES_PER_SOCKET 8192
#define SOCKETS_MIN	      (1U << 16)
#define SOCKETS_MAX	      (1U << 22)

/*
 * The number of slots for recent connections is a sixteenth of the number of connections. A slot
 * takes 64 bytes, so that is at most 2 MiB, and two or four times as much on hosts with 8 GiB or
 * more. That is enough for a thousand connections a second that end in TIME_WAIT and have both ends
 * on the host.
 */
#define RECENT_MIN   (1U << 15)
#define RECENT_MAX   (TCPDWELL_RECENT_MAPS * TCPDWELL_RECENT_SLOTS)
#define RECENT_SHARE 16

/*
 * Connections whose stacks are kept. A stack takes 2 KiB, so that is at most 32 MiB. A process
 * usually runs out of descriptors long before, and a leak shows in the first of them.
 */
#define STACKS_MAX 16384

/* The most processes at a time that descend from the program after --. */
#define FOLLOWED_MAX 65536

static uint32_t sockets_for_host(void)
{
	struct sysinfo info;
	uint64_t want = SOCKETS_MIN, limit;

	if (sysinfo(&info))
		return want;
	limit = (uint64_t)info.totalram * info.mem_unit / HOST_BYTES_PER_SOCKET;
	while (want * 2 <= limit && want < SOCKETS_MAX)
		want *= 2;
	return want;
}

uint32_t map_sizes_sockets(const struct capture *capture)
{
	return capture->max_sockets ?: sockets_for_host();
}

/*
 * Kernel memory for histograms, where no option says how much: 1/1024 of the host's memory. An
 * element is one object of 256 bytes, of which 48 are the map's and the rest are key and value. It
 * also takes a bucket of 16 bytes.
 */
#define HOST_SHARE_STAT	   1024
#define STAT_ELEMENT_BYTES (256 + 16)
#define STAT_ELEMENTS_MIN  (1U << 12)
#define STAT_ELEMENTS_MAX  (1U << 20)

static uint32_t stat_elements(const struct capture *capture)
{
	uint64_t elements;
	struct sysinfo info;

	if (!capture->sums.wanted && !capture->sums.or_rows)
		return 1;
	if (capture->sums.bytes)
		return capture->sums.bytes / STAT_ELEMENT_BYTES;
	if (sysinfo(&info))
		return STAT_ELEMENTS_MIN;
	elements = (uint64_t)info.totalram * info.mem_unit / HOST_SHARE_STAT / STAT_ELEMENT_BYTES;
	if (elements < STAT_ELEMENTS_MIN)
		return STAT_ELEMENTS_MIN;
	return elements < STAT_ELEMENTS_MAX ? elements : STAT_ELEMENTS_MAX;
}

/*
 * Connections whose bytes are counted while they are open. Buckets are reserved for all of them, 4
 * MiB at least. There is room for all that exist now, which are noted once and for all, and for as
 * many again. Those that find no room are counted when they end.
 */
#define CARRIED_MIN (1U << 18)

static uint32_t carried_elements(const struct capture *capture)
{
	uint32_t most = map_sizes_sockets(capture), elements = CARRIED_MIN;
	unsigned int now;

	if (capture->max_sockets || procfs_tcp_sockets_of_host("", &now))
		return most;
	while (elements < most && elements / 2 < now)
		elements *= 2;
	return elements < most ? elements : most;
}

/* Returns the most slots in front of the tables: a power of two. */
static uint32_t recent_slots(uint32_t sockets)
{
	uint32_t slots = RECENT_MAX;

	while (slots > sockets || (slots > RECENT_MIN && slots > sockets / RECENT_SHARE))
		slots /= 2;
	return slots;
}

int map_sizes_set(struct tcpdwell_bpf *skel, const struct capture *capture, unsigned int cpus)
{
	uint32_t pids = capture->filters.pids.count;
	uint32_t elements = stat_elements(capture);
	/*
	 * A ring that only wakes the reader, or that nobody reads, has the smallest size there is.
	 */
	bool records = capture_uses_ring(capture) && skel->rodata->cfg_rings == 1;
	uint64_t page = sysconf(_SC_PAGESIZE);
	uint64_t ring_bytes = records ? capture->ring_bytes : page;
	int err;

	if (capture->program)
		pids = FOLLOWED_MAX;
	skel->rodata->cfg_recent_mask = recent_slots(map_sizes_sockets(capture)) - 1;
	err = bpf_map__set_max_entries(skel->maps.ring, ring_bytes);
	err = err ?: bpf_map__set_max_entries(skel->maps.doorbell, sysconf(_SC_PAGESIZE));
	err = err ?: bpf_map__set_max_entries(skel->maps.stat_even, elements);
	/* Its buckets are reserved for all elements, so it has one where it is not used. */
	err = err   ?:
		      bpf_map__set_max_entries(skel->maps.stat_odd,
					       capture->sums.again ? elements : 1);
	err = err ?: bpf_map__set_max_entries(skel->maps.counters, cpus);
	err = err ?: bpf_map__set_max_entries(skel->maps.workspaces, cpus * TCPDWELL_WORKSPACES);
	err = err ?: bpf_map__set_max_entries(skel->maps.pids, pids ? pids : 1);
	if (skel->rodata->cfg_carried)
		err = err   ?:
			      bpf_map__set_max_entries(skel->maps.carried,
						       carried_elements(capture));
	if (skel->rodata->cfg_stacks)
		err = err ?: bpf_map__set_max_entries(skel->maps.stacks, STACKS_MAX);
	if (capture->filters.addrs.count)
		err = err   ?:
			      bpf_map__set_max_entries(skel->maps.prefixes,
						       capture->filters.addrs.count);
	return err;
}
