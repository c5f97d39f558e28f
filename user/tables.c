// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "privilege.h"
#include "ring.h"
#include "tables.h"
#include "thread.h"
#include "wire.h"

/* Connections in the first table. Its buckets take 512 KiB, those of the one in reserve a MiB. */
#define FIRST 32768

struct tables {
	struct bpf_map *map;
	uint32_t sockets;
	int all; /* the map of them, negative: none */
	int err; /* of the thread that makes the first */
	int fds[TCPDWELL_TABLES];
	unsigned int count;
	pthread_mutex_t making;
	pthread_t thread;
	bool running;
	const uint32_t *current; /* the kernel side's, NULL: nothing is watched yet */
	struct ring *doorbell;
	int doorbell_fd;
	int stop; /* an eventfd, or -1 */
};

/* Connections that have room in the first @count tables. */
static uint64_t room(const struct tables *tables, unsigned int count)
{
	uint64_t room = 0;

	if (count == TCPDWELL_TABLES)
		return tables->sockets;
	for (unsigned int i = 0; i < count; i++)
		room += (uint64_t)FIRST << i;
	return room < tables->sockets ? room : tables->sockets;
}

/* How many are made: while they are watched, another thread may make one at any time. */
static unsigned int count(const struct tables *tables)
{
	return __atomic_load_n(&tables->count, __ATOMIC_ACQUIRE);
}

static bool is_complete(const struct tables *tables)
{
	return room(tables, count(tables)) == tables->sockets;
}

/* Makes the next table and shows it to programs. Returns 0 or -errno. */
static int add(struct tables *tables)
{
	const struct bpf_map *like = bpf_map__inner_map(tables->map);
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = bpf_map__map_flags(like), );
	uint32_t number = count(tables);
	uint32_t size = room(tables, number + 1) - room(tables, number);
	int fd = bpf_map_create(bpf_map__type(like), "connections", bpf_map__key_size(like),
				bpf_map__value_size(like), size, &opts);
	int err;

	if (fd < 0)
		return fd;
	err = bpf_map_update_elem(tables->all, &number, &fd, BPF_ANY);
	if (err) {
		close(fd);
		return err;
	}
	/* Kept open: the tables are this process's, for whoever counts what it holds. */
	tables->fds[number] = fd;
	__atomic_store_n(&tables->count, number + 1, __ATOMIC_RELEASE);
	return 0;
}

/* ---- The first one ---- */

/* Makes the map of tables. Returns its descriptor or -errno. */
static int make_all(struct bpf_map *map)
{
	const struct bpf_map *like = bpf_map__inner_map(map);
	LIBBPF_OPTS(bpf_map_create_opts, inner_opts, .map_flags = bpf_map__map_flags(like), );
	int inner = bpf_map_create(bpf_map__type(like), NULL, bpf_map__key_size(like),
				   bpf_map__value_size(like), 1, &inner_opts);
	LIBBPF_OPTS(bpf_map_create_opts, opts, .inner_map_fd = inner, );
	int fd;

	if (inner < 0)
		return inner;
	fd = bpf_map_create(bpf_map__type(map), bpf_map__name(map), sizeof(uint32_t),
			    sizeof(uint32_t), TCPDWELL_TABLES, &opts);
	close(inner);
	return fd;
}

static void *make_first(void *argument)
{
	struct tables *tables = argument;

	tables->err = add(tables);
	return NULL;
}

struct tables *tables_new(struct bpf_map *map, uint32_t sockets)
{
	struct tables *tables = calloc(1, sizeof(*tables));
	int err;

	if (!tables)
		return NULL;
	tables->map = map;
	tables->sockets = sockets;
	tables->stop = -1;
	pthread_mutex_init(&tables->making, NULL);
	err = tables->all = make_all(map);
	if (err >= 0)
		err = bpf_map__reuse_fd(map, tables->all);
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
 * Makes tables until there is one more than are in use, and room for @sockets. Without memory for
 * it all stays as it is: what finds no room then is counted by the kernel side. Returns whether
 * there may be more to make.
 */
static bool make_next(struct tables *tables, uint64_t sockets)
{
	bool more;

	pthread_mutex_lock(&tables->making);
	while (!is_complete(tables) &&
	       (*tables->current + 1 >= count(tables) || room(tables, count(tables)) < sockets))
		if (add(tables))
			break;
	more = !is_complete(tables);
	pthread_mutex_unlock(&tables->making);
	return more;
}

static void *watch(void *argument)
{
	struct tables *tables = argument;
	struct pollfd fds[2] = {
		{ .fd = tables->stop, .events = POLLIN },
		{ .fd = tables->doorbell_fd, .events = POLLIN },
	};
	size_t size;

	if (privilege_drop())
		return NULL;
	while (make_next(tables, 0) && poll(fds, 2, -1) && !fds[0].revents) {
		while (ring_next(tables->doorbell, &size))
			; /* nothing is in it but that it rang */
		ring_done(tables->doorbell);
	}
	return NULL;
}

int tables_watch(struct tables *tables, const uint32_t *current, int doorbell)
{
	int err;

	join(tables);
	if (tables->err || is_complete(tables))
		return tables->err;
	tables->current = current;
	tables->doorbell_fd = doorbell;
	tables->stop = eventfd(0, EFD_CLOEXEC);
	tables->doorbell = ring_new(doorbell, sysconf(_SC_PAGESIZE));
	if (tables->stop < 0 || !tables->doorbell)
		return -errno;
	err = thread_start(&tables->thread, watch, tables);
	tables->running = !err;
	return err;
}

void tables_expect(struct tables *tables, uint64_t sockets)
{
	/* What is being made just now is not waited for in vain. */
	if (tables->current && room(tables, count(tables)) < sockets)
		make_next(tables, sockets);
}

int tables_fd(const struct tables *tables, unsigned int number)
{
	return number < count(tables) ? tables->fds[number] : -ENOENT;
}

void tables_free(struct tables *tables)
{
	if (!tables)
		return;
	if (tables->stop >= 0)
		eventfd_write(tables->stop, 1);
	join(tables);
	if (tables->stop >= 0)
		close(tables->stop);
	ring_free(tables->doorbell);
	for (unsigned int i = 0; i < tables->count; i++)
		close(tables->fds[i]);
	if (tables->all >= 0)
		close(tables->all);
	pthread_mutex_destroy(&tables->making);
	free(tables);
}
