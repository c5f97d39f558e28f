// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Files below /proc, some of which any process may write; the first byte says which file it is. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/ephemeral.h"
#include "host/perf_map.h"
#include "host/procfs.h"
#include "host/procfs_maps.h"
#include "host/procfs_process.h"
#include "host/procfs_sockstat.h"
#include "input.h"

/* The folder that stands for `/`. */
static char root[] = "/tmp/tcpdwell-fuzz-XXXXXX";

static const char *const folders[] = {
	"",
	"/proc",
	"/proc/7",
	"/proc/7/fd",
	"/proc/7/root",
	"/proc/7/root/tmp",
	"/proc/self",
	"/proc/self/ns",
	"/proc/sys",
	"/proc/sys/net",
	"/proc/sys/net/ipv4",
	"/proc/thread-self",
	"/proc/thread-self/net",
};

#define FOLDERS (sizeof(folders) / sizeof(*folders))

/* The files that the input may be, in the order of the first byte. */
enum file {
	MAPS,
	STATUS,
	CGROUP,
	CMDLINE,
	LIMITS,
	COMM,
	SOCKSTAT,
	MOUNTINFO,
	KALLSYMS,
	TIMENS,
	PORT_RANGE,
	RESERVED,
	FILES,
};

static const char *const files[FILES] = {
	[MAPS] = "/proc/7/maps",
	[STATUS] = "/proc/7/status",
	[CGROUP] = "/proc/7/cgroup",
	[CMDLINE] = "/proc/7/cmdline",
	[LIMITS] = "/proc/7/limits",
	[COMM] = "/proc/7/comm",
	[SOCKSTAT] = "/proc/thread-self/net/sockstat",
	[MOUNTINFO] = "/proc/self/mountinfo",
	[KALLSYMS] = "/proc/kallsyms",
	[TIMENS] = "/proc/self/timens_offsets",
	[PORT_RANGE] = "/proc/sys/net/ipv4/ip_local_port_range",
	[RESERVED] = "/proc/sys/net/ipv4/ip_local_reserved_ports",
};

static void path_of(char path[PATH_MAX], const char *name)
{
	snprintf(path, PATH_MAX, "%s%s", root, name);
}

static void write_file(enum file file, const void *data, size_t size)
{
	char path[PATH_MAX];
	int fd;

	path_of(path, files[file]);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

static void unmake(void)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < FILES; i++) {
		path_of(path, files[i]);
		unlink(path);
	}
	path_of(path, "/proc/self/ns/time");
	unlink(path);
	for (size_t i = FOLDERS; i--;) {
		path_of(path, folders[i]);
		rmdir(path);
	}
}

static void make(void)
{
	static bool made;
	char path[PATH_MAX];

	if (made)
		return;
	made = true;
	CHECK(mkdtemp(root) && !atexit(unmake));
	for (size_t i = 1; i < FOLDERS; i++) {
		path_of(path, folders[i]);
		CHECK(!mkdir(path, 0700));
	}
	/* A time namespace other than the kernel's own. */
	path_of(path, "/proc/self/ns/time");
	CHECK(!symlink("time:[4026532000]", path));
}

static void read_maps(void)
{
	struct procfs_maps maps;

	procfs_maps_read(&maps, root, 7);
	for (size_t i = 0; i < maps.count; i++) {
		CHECK(maps.list[i].path);
		procfs_maps_find(&maps, maps.list[i].start);
	}
	procfs_maps_free(&maps);
}

static void read_process(enum file file)
{
	struct procfs_process process;

	if (file != COMM)
		write_file(COMM, "server\n", 7);
	procfs_process_read(root, 7, "server", &process);
	CHECK(memchr(process.command, 0, sizeof(process.command)));
	CHECK(memchr(process.cgroup, 0, sizeof(process.cgroup)));
}

static void read_status(void)
{
	uint32_t inner;
	char state;
	int fd;

	procfs_process_of_thread(root, 7, &state);
	fd = perf_map_open(root, 7, &inner);
	CHECK(fd < 0);
}

static void read_symbols(void)
{
	static const char *const names[] = { "tcp_v4_connect", "tcp_close", "a" };
	uint64_t addresses[3];

	CHECK(!procfs_symbols(root, names, addresses, 3));
}

static void read_mounts(void)
{
	char *path = malloc(64);
	int err;

	CHECK(path);
	err = procfs_cgroup2_mount(root, path, 64);
	CHECK(!err || err == -ENOENT || err == -ENAMETOOLONG);
	CHECK(err || memchr(path, 0, 64));
	free(path);
}

static void read_ports(enum file file)
{
	struct ephemeral ephemeral;

	if (file == RESERVED)
		write_file(PORT_RANGE, "32768\t60999\n", 12);
	if (!ephemeral_read(&ephemeral, root))
		CHECK(ephemeral.known && ephemeral.low && ephemeral.low <= ephemeral.high &&
		      ephemeral.usable <= UINT16_MAX && ephemeral.reserved <= UINT16_MAX);
}

static void read_back(enum file file)
{
	unsigned int inuse, timewait;

	switch (file) {
	case MAPS:
		read_maps();
		break;
	case STATUS:
		read_status();
		break;
	case SOCKSTAT:
		procfs_tcp_sockets(root, &inuse, &timewait);
		procfs_tcp_sockets_of_host(root, &inuse);
		break;
	case MOUNTINFO:
		read_mounts();
		break;
	case KALLSYMS:
		read_symbols();
		break;
	case TIMENS:
		procfs_monotonic_offset_ns(root);
		break;
	case PORT_RANGE:
	case RESERVED:
		read_ports(file);
		break;
	default:
		read_process(file);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	enum file file = input_below(&input, FILES);

	make();
	write_file(file, input.at, input.left);
	read_back(file);
	return 0;
}
