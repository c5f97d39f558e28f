// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A tracer that finds out nothing. It attaches all programs of a BPF object, and until SIGINT it
 * writes the same row to standard output for each record that comes out of the object's map "ring".
 * A tracer of the same events into the same file cannot cost less.
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

#include "base/ring.h"
#include "base/text.h"

/* On average, the rows of tcpdwell about a short connection over loopback are this long. */
#define ROW                                            \
	"12345 load            127.0.0.34:65001      " \
	"127.0.0.1:39856          29us SYN_RECV    -> ESTABLISHED\n"
#define PERIOD_NS 20000000 /* as often as tcpdwell reads a busy ring */

static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = true;
}

/* Opens and loads the object; its only constant is "silent". */
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

/* Writes a row for each record in the ring. */
static void drain(struct ring *ring, struct text *text)
{
	size_t size;
	int err;

	while (ring_next(ring, &size))
		text_put(text, ROW, sizeof(ROW) - 1);
	ring_done(ring);
	err = text_flush(text);
	if (err)
		errx(1, "write: %s", strerror(-err));
}

int main(int argc, char *argv[])
{
	const struct timespec period = { .tv_nsec = PERIOD_NS };
	struct text *text;
	struct ring *ring;

	if (argc < 2)
		errx(2, "an argument is wanted: a BPF object");
	signal(SIGINT, stop);
	text = text_new(STDOUT_FILENO, TEXT_ROWS_BYTES, NULL);
	if (!text)
		err(1, "a buffer");
	ring = attach(load(argv[1], argc > 2));
	while (!stopped) {
		drain(ring, text);
		nanosleep(&period, NULL);
	}
	drain(ring, text);
	return 0;
}
