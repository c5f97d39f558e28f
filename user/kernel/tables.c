// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/ring.h"
#include "base/thread.h"
#include "host/privilege.h"
#include "kernel/map_of_maps.h"
#include "kernel/tables.h"
#include "wire.h"

/*
 * Connections in the first table. Its buckets take 256 KiB, and those of the one in reserve 512.
 * There it takes only connections that found no slot, so it does not fill up in no time.
 */
#define FIRST 16384

/* The pause between two looks at what is asked for, where there is no doorbell. */
#define LOOK_MS 100

struct tables {
	struct bpf_map *map;
	uint32_t sockets;
	int all; /* the map of tables; negative: there is none */
	int err; /* of the thread that makes the first table */
	int fds[TCPDWELL_TABLES];
	struct bpf_map *lives; /* NULL: no lives are summed */
	int all_lives;
	int lives_fds[TCPDWELL_TABLES];
	unsigned int count;
	struct bpf_map *recent;
	int all_recent; /* the map of maps of slots; negative: there is none */
	int recent_fds[TCPDWELL_RECENT_MAPS];
	pthread_t thread;
	bool running;
	/* Variables of the kernel side; NULL: nothing is watched yet. */
	const volatile uint32_t *current;
	const volatile uint8_t *wanted;
	struct ring *doorbell;
	int doorbell_fd;
	int call; /* an eventfd that wakes the thread, or -1 */
	bool ending;
	uint64_t expected; /* sockets that are about to come; 0: nobody waits */
	sem_t made;
};

/* Returns how many connections have room in the first @count tables. */
static uint64_t room(const struct tables *tables, unsigned int count)
{
	uint64_t room = 0;

	if (count == TCPDWELL_TABLES)
		return tables->sockets;
	for (unsigned int i = 0; i < count; i++)
		room += (uint64_t)FIRST << i;
	return room < tables->sockets ? room : tables->sockets;
}

/*
 * Returns how many tables are made. While they are watched, another thread may make one at any
 * time.
 */
static unsigned int count(const struct tables *tables)
{
	return __atomic_load_n(&tables->count, __ATOMIC_ACQUIRE);
}

static bool is_complete(const struct tables *tables)
{
	return room(tables, count(tables)) == tables->sockets;
}

/*
 * Makes number @number of @all, a map of maps, for @size elements. Returns its descriptor or
 * -errno. The descriptor stays open, so the map counts as this process's for whoever adds up what a
 * process holds.
 */
static int add_one(struct bpf_map *map, int all, uint32_t number, uint32_t size)
{
	int fd = map_of_maps_one(map, bpf_map__name(map), size);
	int err = fd < 0 ? fd : map_of_maps_show(all, number, fd);

	return err ?: fd;
}

/* Makes the next table, and before it the table of its lives. Returns 0 or -errno. */
static int add(struct tables *tables)
{
	uint32_t number = count(tables);
	uint32_t size = room(tables, number + 1) - room(tables, number);
	int fd;

	if (tables->lives && tables->lives_fds[number] < 0) {
		fd = add_one(tables->lives, tables->all_lives, number, size);
		if (fd < 0)
			return fd;
		tables->lives_fds[number] = fd;
	}
	fd = add_one(tables->map, tables->all, number, size);
	if (fd < 0)
		return fd;
	tables->fds[number] = fd;
	__atomic_store_n(&tables->count, number + 1, __ATOMIC_RELEASE);
	return 0;
}

/* ---- The first one ---- */

static void *make_first(void *argument)
{
	struct tables *tables = argument;

	tables->err = add(tables);
	return NULL;
}

/*
 * Makes the maps of maps. Returns 0, or -errno with @refused, the name of the one that is refused.
 */
static int make_maps(struct tables *tables, const char **refused)
{
	struct bpf_map *const maps[] = { tables->map, tables->recent, tables->lives };
	int *const fds[] = { &tables->all, &tables->all_recent, &tables->all_lives };

	for (unsigned int i = 0; i < sizeof(maps) / sizeof(*maps); i++) {
		if (!maps[i])
			continue;
		*fds[i] = map_of_maps_make(maps[i]);
		if (*fds[i] >= 0)
			continue;
		*refused = bpf_map__name(maps[i]);
		return *fds[i];
	}
	return 0;
}

struct tables *tables_new(struct bpf_map *map, struct bpf_map *recent, struct bpf_map *lives,
			  uint32_t sockets, const char **refused)
{
	struct tables *tables = calloc(1, sizeof(*tables));
	int err;

	*refused = NULL;
	if (!tables)
		return NULL;
	tables->map = map;
	tables->recent = recent;
	tables->lives = lives;
	tables->sockets = sockets;
	tables->call = -1;
	tables->all = tables->all_recent = tables->all_lives = -1;
	for (unsigned int i = 0; i < TCPDWELL_RECENT_MAPS; i++)
		tables->recent_fds[i] = -ENOENT;
	for (unsigned int i = 0; i < TCPDWELL_TABLES; i++)
		tables->lives_fds[i] = -ENOENT;
	sem_init(&tables->made, 0, 0);
	err = make_maps(tables, refused);
	if (!err)
		err = thread_start(&tables->thread, make_first, tables);
	tables->running = !err;
	if (!err)
		return tables;
	tables_free(tables);
	errno = -err;
	return NULL;
}

static void join(struct tables *tables)
{
	if (tables->running)
		pthread_join(tables->thread, NULL);
	tables->running = false;
}

/* ---- More of them ---- */

/*
 * Makes tables until there is one more than are in use, and there is room for @sockets. If there is
 * no memory, all stays as it is: the kernel side counts the connections that find no room.
 */
static void make_next(struct tables *tables, uint64_t sockets)
{
	while (!is_complete(tables) &&
	       (*tables->current + 1 >= count(tables) || room(tables, count(tables)) < sockets))
		if (add(tables))
			break;
}

/* Makes the slots that are asked for. If there is no memory, connections go into the tables. */
static void make_recent(struct tables *tables)
{
	for (unsigned int i = 0; i < TCPDWELL_RECENT_MAPS; i++) {
		int fd;

		if (!tables->wanted[i] || tables->recent_fds[i] >= 0)
			continue;
		fd = map_of_maps_one(tables->recent, "recent",
				     bpf_map__max_entries(bpf_map__inner_map(tables->recent)));
		if (fd < 0)
			continue;
		/*
		 * Programs see the map as soon as it is shown, but map_of_maps_show() returns only
		 * a while later. So its descriptor is stored before.
		 */
		__atomic_store_n(&tables->recent_fds[i], fd, __ATOMIC_RELEASE);
		if (map_of_maps_show(tables->all_recent, i, fd))
			__atomic_store_n(&tables->recent_fds[i], -ENOENT, __ATOMIC_RELEASE);
	}
}

/* Waits for the doorbell or for a call of tables_expect(). Returns true if it was called. */
static bool wait_for_call(const struct tables *tables)
{
	struct pollfd fds[2] = {
		{ .fd = tables->call, .events = POLLIN },
		{ .fd = tables->doorbell_fd, .events = POLLIN },
	};
	eventfd_t calls;

	poll(fds, 2, tables->doorbell ? -1 : LOOK_MS);
	return fds[0].revents && !eventfd_read(tables->call, &calls);
}

/*
 * The one thread that makes maps while the tracer runs, and that has the right to
 * (host/privilege.h).
 */
static void *watch(void *argument)
{
	struct tables *tables = argument;
	bool called = false;
	size_t size;

	while (!__atomic_load_n(&tables->ending, __ATOMIC_ACQUIRE)) {
		while (tables->doorbell && ring_next(tables->doorbell, &size))
			; /* what is in it does not matter, only that it rang */
		if (tables->doorbell)
			ring_done(tables->doorbell);
		make_next(tables, __atomic_load_n(&tables->expected, __ATOMIC_ACQUIRE));
		if (tables->recent)
			make_recent(tables);
		if (called)
			sem_post(&tables->made);
		called = wait_for_call(tables);
	}
	return NULL;
}

int tables_watch(struct tables *tables, const volatile uint32_t *current,
		 const volatile uint8_t *wanted, int doorbell, const char **refused)
{
	int err;

	*refused = NULL;
	join(tables);
	if (tables->err) {
		*refused = bpf_map__name(tables->map);
		return tables->err;
	}
	tables->current = current;
	tables->wanted = wanted;
	tables->doorbell_fd = doorbell;
	tables->call = eventfd(0, EFD_CLOEXEC);
	if (tables->call < 0)
		return -errno;
	if (doorbell >= 0)
		tables->doorbell = ring_new(doorbell, sysconf(_SC_PAGESIZE));
	if (doorbell >= 0 && !tables->doorbell) {
		*refused = "doorbell";
		return -errno;
	}
	err = privilege_thread_start(&tables->thread, true, watch, tables);
	tables->running = !err;
	return err;
}

void tables_expect(struct tables *tables, uint64_t sockets)
{
	if (!tables->running || !tables->current || is_complete(tables) ||
	    room(tables, count(tables)) >= sockets)
		return;
	__atomic_store_n(&tables->expected, sockets, __ATOMIC_RELEASE);
	if (eventfd_write(tables->call, 1))
		return;
	while (sem_wait(&tables->made))
		; /* interrupted by a signal */
	__atomic_store_n(&tables->expected, 0, __ATOMIC_RELEASE);
}

int tables_fd(const struct tables *tables, unsigned int number)
{
	return number < count(tables) ? tables->fds[number] : -ENOENT;
}

int tables_recent_fd(const struct tables *tables, unsigned int number)
{
	return __atomic_load_n(&tables->recent_fds[number], __ATOMIC_ACQUIRE);
}

void tables_free(struct tables *tables)
{
	if (!tables)
		return;
	__atomic_store_n(&tables->ending, true, __ATOMIC_RELEASE);
	if (tables->call >= 0)
		eventfd_write(tables->call, 1);
	join(tables);
	if (tables->call >= 0)
		close(tables->call);
	ring_free(tables->doorbell);
	for (unsigned int i = 0; i < tables->count; i++)
		close(tables->fds[i]);
	for (unsigned int i = 0; i < TCPDWELL_TABLES; i++)
		if (tables->lives_fds[i] >= 0)
			close(tables->lives_fds[i]);
	for (unsigned int i = 0; i < TCPDWELL_RECENT_MAPS; i++)
		if (tables->recent_fds[i] >= 0)
			close(tables->recent_fds[i]);
	if (tables->all_lives >= 0)
		close(tables->all_lives);
	if (tables->all >= 0)
		close(tables->all);
	if (tables->all_recent >= 0)
		close(tables->all_recent);
	sem_destroy(&tables->made);
	free(tables);
}
