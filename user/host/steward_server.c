// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/cgroup.h"
#include "host/confine.h"
#include "host/descriptors.h"
#include "host/netns_file.h"
#include "host/netns_walk.h"
#include "host/packet.h"
#include "host/privilege.h"
#include "host/procfs_maps.h"
#include "host/sockdiag.h"
#include "host/steward.h"
#include "host/steward_reader.h"
#include "host/steward_server.h"
#include "host/steward_wire.h"
#include "host/untrusted.h"

/* The name in lists of processes. */
#define NAME "tcpdwell-host"

/* Where a namespace was found: under a name of ip-netns(8), or at a process. */
struct found {
	uint32_t inode;
	uint32_t pid; /* 0: by its name */
	char name[NAME_MAX + 1];
};

struct server {
	const char *root;
	int socket;
	int own; /* the namespace of this process */
	uint32_t own_inode;
	int links[STEWARD_ITERATORS];
	struct cgroup_names *cgroups; /* NULL: nobody has asked for one yet */
	struct readers *readers;
	struct found *found;
	size_t found_count;
	size_t found_room;
	struct steward_request request;
	struct steward_packet packet;
};

/* ---- Answers --------------------------------------------------------------------------------- */

/*
 * Sends the packet, and @fd beside it if it is not negative. If nobody listens, the process ends.
 */
static void send_packet(struct server *server, int fd)
{
	struct steward_packet *packet = &server->packet;
	size_t bytes = packet->head.count * steward_record_bytes(server->request.kind);

	packet->head.kind = server->request.kind;
	if (packet_send(server->socket, packet, sizeof(packet->head) + bytes, fd, 0))
		_exit(0);
}

/* Sends the last packet, with the records that are in it. */
static void answer(struct server *server, int err, uint64_t number)
{
	server->packet.head.err = err;
	server->packet.head.more = 0;
	server->packet.head.number = number;
	send_packet(server, -1);
}

/* Answers with a descriptor, which is closed here, or with -errno. */
static void answer_fd(struct server *server, int fd, uint64_t number)
{
	server->packet.head = (struct steward_head){ .err = fd < 0 ? fd : 0, .number = number };
	send_packet(server, fd);
	if (fd >= 0)
		close(fd);
}

/* Puts one record into the answer. A packet that is full is sent. */
static void put_record(struct server *server, const void *record)
{
	size_t bytes = steward_record_bytes(server->request.kind);
	struct steward_packet *packet = &server->packet;

	if ((packet->head.count + 1) * bytes > sizeof(packet->records)) {
		packet->head.err = 0;
		packet->head.more = 1;
		send_packet(server, -1);
		packet->head.count = 0;
	}
	memcpy(packet->records + packet->head.count++ * bytes, record, bytes);
}

/* ---- Network namespaces ---------------------------------------------------------------------- */

static int note_found(struct server *server, const struct netns_place *place)
{
	struct found *found;

	if (server->found_count == server->found_room) {
		size_t room = server->found_room ? 2 * server->found_room : 64;

		found = reallocarray(server->found, room, sizeof(*found));
		if (!found)
			return -ENOMEM;
		server->found = found;
		server->found_room = room;
	}
	found = &server->found[server->found_count++];
	*found = (struct found){ .inode = place->inode, .pid = place->pid };
	if (place->name)
		snprintf(found->name, sizeof(found->name), "%s", place->name);
	return 0;
}

static int list_place(void *context, const struct netns_place *place)
{
	struct server *server = context;
	struct steward_namespace netns = { .inode = place->inode, .own = place->own };

	if (netns_place_count(place, &netns.sockets, &netns.timewait))
		netns.sockets = netns.timewait = UINT32_MAX;
	if (place->name)
		snprintf(netns.name, sizeof(netns.name), "%s", place->name);
	put_record(server, &netns);
	return place->own ? 0 : note_found(server, place);
}

static void answer_namespaces(struct server *server)
{
	unsigned int closed = 0;
	int err;

	server->found_count = 0;
	err = netns_walk(NULL, server->request.netns, list_place, server, &closed);
	answer(server, err, closed);
}

/* Opens the namespace where it was found, unless another one is there by now. */
static int open_found(const struct server *server, uint32_t inode)
{
	char path[PATH_MAX];
	struct stat st;

	for (size_t i = 0; i < server->found_count; i++) {
		const struct found *found = &server->found[i];
		int fd;

		if (found->inode != inode)
			continue;
		if (found->pid)
			snprintf(path, sizeof(path), "/proc/%" PRIu32 "/ns/net", found->pid);
		else
			snprintf(path, sizeof(path), "/run/netns/%s", found->name);
		fd = untrusted_open_netns(path);
		if (fd < 0)
			return fd;
		if (!fstat(fd, &st) && st.st_ino == inode)
			return fd;
		close(fd);
	}
	return -ENOENT;
}

static int note_only(void *context, const struct netns_place *place)
{
	return note_found(context, place);
}

/*
 * Opens a namespace. The first process that was found in it may have ended while another one lives,
 * so the namespaces are listed again if that fails.
 */
static int open_netns(struct server *server, uint32_t inode)
{
	unsigned int closed;
	int fd = open_found(server, inode), err;

	if (fd >= 0)
		return fd;
	server->found_count = 0;
	err = netns_walk(NULL, inode, note_only, server, &closed);
	return err ?: open_found(server, inode);
}

/* Opens in the thread's namespace what the request says. Returns a descriptor or -errno. */
typedef int open_here(struct server *server);

/* Does the same in the namespace of the request. */
static int open_inside(struct server *server, open_here *open)
{
	uint32_t inode = server->request.netns;
	int fd, there;

	if (!inode || inode == server->own_inode)
		return open(server);
	there = open_netns(server, inode);
	if (there < 0)
		return there;
	fd = setns(there, CLONE_NEWNET) ? -errno : 0;
	close(there);
	if (fd)
		return fd;
	fd = open(server);
	/* If the process stayed there, it would report one namespace as another. */
	if (setns(server->own, CLONE_NEWNET))
		_exit(1);
	return fd;
}

static int open_sockdiag(struct server *server)
{
	(void)server;
	return sockdiag_open();
}

static int open_net_file(struct server *server)
{
	return netns_file_open("", server->request.which);
}

/* ---- BPF ------------------------------------------------------------------------------------- */

static int keep_link(struct server *server, int fd)
{
	uint32_t which = server->request.which;

	if (which >= STEWARD_ITERATORS || fd < 0)
		return -EINVAL;
	if (server->links[which] >= 0)
		return -EEXIST;
	server->links[which] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return server->links[which] < 0 ? -errno : 0;
}

/*
 * Makes an iterator from a link. For another kind of link the kernel says EINVAL
 * (bpf_iter_new_fd(), since 5.8).
 */
static int open_iterator(struct server *server)
{
	uint32_t which = server->request.which;
	union bpf_attr attr;
	int fd;

	if (which >= STEWARD_ITERATORS)
		return -EINVAL;
	if (server->links[which] < 0)
		return -EOPNOTSUPP;
	memset(&attr, 0, sizeof(attr));
	attr.iter_create.link_fd = server->links[which];
	fd = syscall(SYS_bpf, BPF_ITER_CREATE, &attr, sizeof(attr));
	return fd < 0 ? -errno : fd;
}

/* ---- Processes ------------------------------------------------------------------------------- */

static int list_descriptor(void *context, const struct descriptor_holder *holder)
{
	put_record(context, holder);
	return 0;
}

static void answer_descriptors(struct server *server)
{
	unsigned int closed;
	int err = descriptors_each(server->root, list_descriptor, server, &closed);

	answer(server, err, closed);
}

static void answer_process(struct server *server)
{
	struct procfs_process process;
	int err, unnamed;

	err = readers_process(server->readers, server->request.pid, server->request.comm, &process);
	unnamed = readers_name(server->readers, &process.container);
	put_record(server, &process);
	answer(server, 0, err || unnamed);
}

static void answer_cgroup(struct server *server)
{
	struct steward_cgroup record = { 0 };
	const char *path;
	int unnamed = 0;

	if (!server->cgroups)
		server->cgroups = cgroup_names_new(server->root);
	path = cgroup_names_path(server->cgroups, server->request.number, clock_now_ns());
	if (path) {
		snprintf(record.path, sizeof(record.path), "%s", path);
		container_of_path(&record.container, path);
		unnamed = readers_name(server->readers, &record.container);
		put_record(server, &record);
	}
	answer(server, path ? 0 : -ENOENT, unnamed != 0);
}

static void answer_perf_map(struct server *server)
{
	uint32_t inner;
	int fd = readers_open_perf_map(server->readers, server->request.pid, &inner);

	answer_fd(server, fd, inner);
}

/* ---- Requests -------------------------------------------------------------------------------- */

/* Serves a request. @fd came with it, or is negative. Returns false if there is no such request. */
static bool serve(struct server *server, int fd)
{
	server->packet.head = (struct steward_head){ 0 };
	switch (server->request.kind) {
	case STEWARD_NAMESPACES:
		answer_namespaces(server);
		return true;
	case STEWARD_SOCKDIAG:
		answer_fd(server, open_inside(server, open_sockdiag), 0);
		return true;
	case STEWARD_NET_FILE:
		answer_fd(server, open_inside(server, open_net_file), 0);
		return true;
	case STEWARD_LINK:
		answer(server, keep_link(server, fd), 0);
		return true;
	case STEWARD_ITERATOR:
		answer_fd(server, open_inside(server, open_iterator), 0);
		return true;
	case STEWARD_DESCRIPTORS:
		answer_descriptors(server);
		return true;
	case STEWARD_PROCESS:
		answer_process(server);
		return true;
	case STEWARD_CGROUP:
		answer_cgroup(server);
		return true;
	case STEWARD_MAPS:
		answer_fd(server, procfs_maps_open(server->root, server->request.pid), 0);
		return true;
	case STEWARD_MAPPED:
		answer_fd(server,
			  readers_open_mapped(server->readers, server->request.pid,
					      server->request.number),
			  0);
		return true;
	case STEWARD_PERF_MAP:
		answer_perf_map(server);
		return true;
	default:
		return false;
	}
}

/*
 * Takes a request. @fd gets the descriptor that came with it, or -1. Returns false if it is no
 * request.
 */
static bool take_request(struct server *server, int *fd)
{
	struct steward_request *request = &server->request;

	return packet_take(server->socket, request, sizeof(*request), fd, 0) == sizeof(*request) &&
	       !request->comm[sizeof(request->comm) - 1];
}

static int start_readers(void *context)
{
	struct server *server = context;

	server->readers = readers_new(server->root);
	return server->readers ? 0 : -errno;
}

static int begin(struct server *server)
{
	struct stat st;

	confine_signals(0);
	prctl(PR_SET_NAME, NAME);
	server->socket = confine_files(server->socket);
	if (server->socket < 0)
		return server->socket;
	server->own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (server->own < 0 || fstat(server->own, &st))
		return -errno;
	server->own_inode = st.st_ino;
	for (unsigned int i = 0; i < STEWARD_ITERATORS; i++)
		server->links[i] = -1;
	return confine_limit(RLIMIT_CORE, 0) ?: privilege_keep_looks(start_readers, server);
}

static _Noreturn void run(const char *root, int socket)
{
	static struct server server;
	int32_t err;
	int fd;

	server.root = root;
	server.socket = socket;
	err = begin(&server);
	if (server.socket >= 0)
		socket = server.socket;
	if (send(socket, &err, sizeof(err), MSG_NOSIGNAL) != sizeof(err) || err)
		_exit(1);
	while (take_request(&server, &fd)) {
		bool served = serve(&server, fd);

		if (fd >= 0)
			close(fd);
		if (!served)
			break;
	}
	readers_end(server.readers);
	_exit(0);
}

int steward_server_start(const char *root, pid_t *pid)
{
	int32_t err = -ECHILD;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	*pid = fork();
	if (!*pid) {
		close(ends[0]);
		run(root, ends[1]);
	}
	if (*pid < 0)
		err = -errno;
	close(ends[1]);
	if (*pid > 0 && recv(ends[0], &err, sizeof(err), 0) == sizeof(err) && !err)
		return ends[0];
	close(ends[0]);
	if (*pid > 0)
		waitpid(*pid, NULL, 0);
	return err ?: -ECHILD;
}
