// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A tracer that finds out nothing: attaches all programs of a BPF object and writes the same row to
 * standard output for each record that comes out of its map "ring", until SIGINT. Whoever traces
 * the same events into the same file costs no less.
 *
 *	bare OBJECT [silent]
 *
 * With a second argument its programs hand over nothing. libbpf wants tracefs mounted for classic
 * tracepoints.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"

/* What tcpdwell prints of a short connection over loopback is as long on average. */
#define ROW                                            \
	"12345 load            127.0.0.34:65001      " \
	"127.0.0.1:39856          29us SYN_RECV    -> ESTABLISHED\n"
#define ROW_BYTES    (sizeof(ROW) - 1)
#define BUFFER_BYTES (64 * 1024)
#define PERIOD_NS    20000000 /* as tcpdwell looks after a busy ring */

static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = true;
}

/* All of the object's constants are "silent". */
static struct bpf_object *load(const char *path, bool silent)
{
	struct bpf_object *object = bpf_object__open(path);
	struct bpf_map *constants;

	if (!object)
		err(1, "%s", path);
	constants = bpf_object__find_map_by_name(object, ".rodata");
	if (!constants || bpf_map__set_initial_value(constants, &silent, sizeof(silent)))
		errx(1, "%s: the constants are not what they should be", path);
	if (bpf_object__load(object))
		err(1, "%s", path);
	return object;
}

static struct ring *attach(struct bpf_object *object)
{
	struct bpf_map_info info = {};
	__u32 bytes = sizeof(info);
	struct bpf_program *program;
	struct ring *ring;
	int fd;

	bpf_object__for_each_program(program, object)
	{
		if (!bpf_program__attach(program))
			err(1, "%s", bpf_program__name(program));
	}
	fd = bpf_object__find_map_fd_by_name(object, "ring");
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &bytes))
		errx(1, "there is no map \"ring\"");
	ring = ring_new(fd, info.max_entries);
	if (!ring)
		err(1, "the ring");
	return ring;
}

static void write_all(const char *data, size_t bytes)
{
	while (bytes) {
		ssize_t written = write(STDOUT_FILENO, data, bytes);

		if (written < 0)
			err(1, "write");
		data += written;
		bytes -= written;
	}
}

/* Writes a row for each record that there is. */
static void drain(struct ring *ring)
{
	static char buffer[BUFFER_BYTES];
	size_t used = 0, size;

	while (ring_next(ring, &size)) {
		if (used + ROW_BYTES > sizeof(buffer)) {
			ring_done(ring);
			write_all(buffer, used);
			used = 0;
		}
		memcpy(buffer + used, ROW, ROW_BYTES);
		used += ROW_BYTES;
	}
	ring_done(ring);
	write_all(buffer, used);
}

int main(int argc, char *argv[])
{
	const struct timespec period = { .tv_nsec = PERIOD_NS };
	struct ring *ring;

	if (argc < 2)
		errx(2, "an argument is wanted: a BPF object");
	signal(SIGINT, stop);
	ring = attach(load(argv[1], argc > 2));
	while (!stopped) {
		drain(ring);
		nanosleep(&period, NULL);
	}
	drain(ring);
	return 0;
}
