// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>

#include <bpf/libbpf.h>

#include "base/clock.h"
#include "host/netns_walk.h"
#include "host/steward.h"
#include "kernel/loader_inside.h"
#include "kernel/programs.h"
#include "kernel/tables.h"
#include "tcpdwell.skel.h"

void loader_snapshot_begin(struct loader *loader, uint64_t sockets)
{
	if (loader->tables)
		tables_expect(loader->tables, sockets);
	loader->skel->bss->shared.scanning = 1;
	loader->skel->bss->snapshot_round++;
	loader->skel->bss->snapshot_began_ns = clock_now_ns();
}

/* Empties a map that the snapshot filled. Its keys are addresses of sockets. */
static void empty_noted(const struct bpf_map *noted)
{
	uint64_t socket, next;
	bool any = !bpf_map__get_next_key(noted, NULL, &socket, sizeof(socket));

	for (; any; socket = next) {
		any = !bpf_map__get_next_key(noted, &socket, &next, sizeof(next));
		bpf_map__delete_elem(noted, &socket, sizeof(socket), 0);
	}
}

/*
 * Stores the time first, so that a program that sees that the snapshot is over also sees when it
 * ended.
 */
void loader_snapshot_end(struct loader *loader)
{
	struct tcpdwell_bpf__bss *bss = loader->skel->bss;

	if (features_use(&loader->features, FEATURE_SOCKETS))
		empty_noted(loader->skel->maps.queued);
	if (features_use(&loader->features, FEATURE_SUBFLOWS))
		empty_noted(loader->skel->maps.subflows);
	__atomic_store_n(&bss->shared.early_ns, clock_now_ns(), __ATOMIC_SEQ_CST);
	__atomic_store_n(&bss->shared.scanning, 0, __ATOMIC_SEQ_CST);
}

bool loader_can_walk(const struct loader *loader)
{
	return features_use(&loader->features, FEATURE_WALK) &&
	       features_way(&loader->features, FEATURE_WALK) == 0;
}

int loader_walk(struct loader *loader, enum tcpdwell_walk_for what, loader_walked *found,
		void *context)
{
	const struct tcpdwell_walk *walk = &loader->skel->bss->walk;
	uint32_t bucket = 0, broken = 0;
	int err;

	do {
		err = programs_walk(loader->programs, bucket, what);
		if (!err && !walk->buckets)
			err = -EOPNOTSUPP;
		for (uint32_t i = 0; !err && found && i < walk->count; i++)
			err = found(context, &walk->records[i]);
		broken += walk->broken;
		bucket = walk->next;
	} while (!err && bucket < walk->buckets);
	if (broken)
		notice_print(loader->notice, NOTICE_WARNING,
			     "sockets in %u chains of the table of connections, which are too long "
			     "or do not keep still, may be passed over",
			     broken);
	return err;
}

static bool find_namespace(const struct loader *loader, uint32_t netns,
			   struct tcpdwell_namespace *found)
{
	return !bpf_map__lookup_elem(loader->skel->maps.namespaces, &netns, sizeof(netns), found,
				     sizeof(*found), 0) &&
	       found->round == loader->skel->bss->snapshot_round;
}

unsigned int loader_walked_timewait(const struct loader *loader, uint32_t netns)
{
	struct tcpdwell_namespace found;

	return find_namespace(loader, netns, &found) ? found.timewait : 0;
}

void loader_skip_timewait(struct loader *loader, bool skip)
{
	loader->skel->bss->timewait_walked = skip;
}

bool loader_found_all(const struct loader *loader, uint32_t netns, unsigned int sockets)
{
	struct tcpdwell_namespace found;

	return find_namespace(loader, netns, &found) && found.sockets == sockets && !found.requests;
}

uint32_t loader_netns(const struct loader *loader)
{
	return loader->rodata->cfg_netns;
}

void loader_hand_over(struct loader *loader, struct steward *steward)
{
	loader->steward = steward;
	programs_hand_over(loader->programs, steward);
}

struct steward *loader_steward(const struct loader *loader)
{
	return loader->steward;
}

/* If the steward has died, or there is none, the process does what it still may. */
int loader_open_descriptors(struct loader *loader)
{
	int fd = STEWARD_LOST;

	if (loader->steward)
		fd = steward_open_iterator(loader->steward, STEWARD_ITERATOR_DESCRIPTORS, 0);
	return fd == STEWARD_LOST ? programs_open_descriptors(loader->programs) : fd;
}

int loader_open_sockets(struct loader *loader, const struct netns_place *place)
{
	if (place->steward)
		return steward_open_iterator(place->steward, STEWARD_ITERATOR_SOCKETS,
					     place->inode);
	return programs_open_sockets(loader->programs);
}
