// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/notice.h"
#include "host/descriptors.h"
#include "host/packet.h"
#include "host/steward.h"
#include "host/steward_server.h"
#include "host/steward_wire.h"

/*
 * The time between a request and its answer, and between two packets. To go through the descriptors
 * of a process that has a million takes a second.
 */
#define ANSWER_MS 10000

/*
 * The same once the tool was told to end. A last look takes no longer, and it is less than a user
 * waits.
 */
#define LAST_ANSWER_MS 500

struct steward {
	const struct notice *notice;
	int socket; /* negative: lost */
	int stops;  /* readable once the tool was told to end; negative: none */
	pid_t pid;
	bool silence_told;
	struct steward_packet packet; /* the last one that came */
};

struct steward *steward_new(const char *root, const struct notice *notice)
{
	struct steward *steward = calloc(1, sizeof(*steward));
	int err;

	if (!steward)
		return NULL;
	steward->notice = notice;
	steward->stops = -1;
	err = steward_server_start(root, &steward->pid);
	if (err >= 0) {
		steward->socket = err;
		return steward;
	}
	free(steward);
	errno = -err;
	return NULL;
}

static void end(struct steward *steward)
{
	if (steward->socket < 0)
		return;
	close(steward->socket);
	steward->socket = -1;
}

void steward_free(struct steward *steward)
{
	if (!steward)
		return;
	end(steward);
	/* A process that hangs in the kernel ends by itself, once it comes back. */
	for (unsigned int i = 0; i < 100 && !waitpid(steward->pid, NULL, WNOHANG); i++)
		usleep(2000);
	free(steward);
}

void steward_heed(struct steward *steward, int stops)
{
	steward->stops = stops;
}

int steward_pid(const struct steward *steward)
{
	return steward->pid;
}

static int lose(struct steward *steward, const char *why)
{
	end(steward);
	notice_print(
		steward->notice, NOTICE_WARNING,
		"the helper process %s: other network namespaces, and command lines, units and "
		"descriptors of processes, are unknown from here on",
		why);
	return STEWARD_LOST;
}

/* ---- Packets --------------------------------------------------------------------------------- */

static int ask(struct steward *steward, const struct steward_request *request, int fd)
{
	int err;

	if (steward->socket < 0)
		return STEWARD_LOST;
	err = packet_send(steward->socket, request, sizeof(*request), fd, 0);
	return !err || err == -EBADF ? err : lose(steward, "has ended");
}

static int await(struct steward *steward)
{
	struct pollfd files[] = {
		{ .fd = steward->socket, .events = POLLIN },
		{ .fd = steward->stops, .events = POLLIN },
	};
	int count;

	do {
		count = poll(files, 2, ANSWER_MS);
	} while (count < 0 && errno == EINTR);
	if (count > 0 && !files[0].revents)
		do {
			count = poll(files, 1, LAST_ANSWER_MS);
		} while (count < 0 && errno == EINTR);
	return count > 0 ? 0 : lose(steward, "does not answer");
}

static bool is_sound(const struct steward_packet *packet, size_t len, uint32_t kind, int fd)
{
	const struct steward_head *head = &packet->head;
	size_t bytes = steward_record_bytes(kind);

	return len >= sizeof(*head) && head->kind == kind && head->more <= 1 && head->err <= 0 &&
	       (!head->err || fd < 0) && head->count <= STEWARD_RECORDS_BYTES &&
	       head->count * bytes <= STEWARD_RECORDS_BYTES &&
	       len == sizeof(*head) + head->count * bytes;
}

/*
 * Takes the next packet. @fd gets the descriptor that came with it, or -1. Returns 0 or
 * STEWARD_LOST, or -EMFILE if there is no room for the descriptor.
 */
static int take(struct steward *steward, uint32_t kind, int *fd)
{
	ssize_t len;

	*fd = -1;
	if (await(steward))
		return STEWARD_LOST;
	len = packet_take(steward->socket, &steward->packet, sizeof(steward->packet), fd, 0);
	if (len == -EMFILE)
		return len;
	if (len > 0 && is_sound(&steward->packet, len, kind, *fd))
		return 0;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return lose(steward, len > 0 || len == -EMSGSIZE ? "answers what cannot be" : "has ended");
}

/* Asks for an answer of one packet without a descriptor. */
static int ask_one(struct steward *steward, const struct steward_request *request, int handed)
{
	int fd, err = ask(steward, request, handed) ?: take(steward, request->kind, &fd);

	if (err)
		return err;
	if (fd < 0 && !steward->packet.head.more)
		return steward->packet.head.err;
	if (fd >= 0)
		close(fd);
	return lose(steward, "answers what cannot be");
}

/* Asks for a descriptor. */
static int ask_fd(struct steward *steward, const struct steward_request *request)
{
	int fd, err = ask(steward, request, -1) ?: take(steward, request->kind, &fd);

	if (err)
		return err;
	if (steward->packet.head.err)
		return steward->packet.head.err;
	return fd >= 0 ? fd : -EBADF;
}

/* Takes the records of one packet. Returns 0 or -errno. */
typedef int take_records(void *context, const char *records, uint32_t count);

/* Asks for an answer of many packets. All of them are taken even if @take_them fails. */
static int ask_all(struct steward *steward, const struct steward_request *request,
		   take_records *take_them, void *context)
{
	int err = ask(steward, request, -1), failed = 0, fd;

	while (!err) {
		const struct steward_head *head = &steward->packet.head;

		err = take(steward, request->kind, &fd);
		if (!err && fd >= 0) {
			close(fd);
			err = lose(steward, "answers what cannot be");
		}
		if (err)
			break;
		if (!failed)
			failed = take_them(context, steward->packet.records, head->count);
		if (!head->more)
			return head->err ?: failed;
	}
	return err;
}

/* ---- Network namespaces ---------------------------------------------------------------------- */

/* The namespaces. The list is complete before the visits, which make requests themselves. */
struct places {
	struct steward_namespace *list;
	size_t count;
};

static int take_places(void *context, const char *records, uint32_t count)
{
	struct places *places = context;
	struct steward_namespace *list;

	if (places->count + count > NETNS_WALK_MAX)
		return -E2BIG;
	list = reallocarray(places->list, places->count + count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	memcpy(list + places->count, records, count * sizeof(*list));
	places->list = list;
	for (uint32_t i = 0; i < count; i++, places->count++)
		list[places->count].name[sizeof(list->name) - 1] = '\0';
	return 0;
}

int steward_each_netns(struct steward *steward, uint32_t only, netns_walk_visit *visit,
		       void *context, unsigned int *closed)
{
	const struct steward_request request = { .kind = STEWARD_NAMESPACES, .netns = only };
	struct places places = { 0 };
	int err = ask_all(steward, &request, take_places, &places);

	*closed = err ? 0 : steward->packet.head.number;
	for (size_t i = 0; i < places.count && !err; i++) {
		const struct steward_namespace *netns = &places.list[i];
		const struct netns_place place = {
			.inode = netns->inode,
			.name = netns->name[0] ? netns->name : NULL,
			.own = netns->own,
			.steward = steward,
			.sockets = netns->sockets,
			.timewait = netns->timewait,
		};

		err = visit(context, &place);
		/* The caller's own namespace, which comes first, can be visited without it. */
		if (err == STEWARD_LOST && !place.own) {
			*closed += places.count - i;
			err = 0;
			break;
		}
	}
	free(places.list);
	return err;
}

int steward_open_sockdiag(struct steward *steward, uint32_t netns)
{
	return ask_fd(steward, &(struct steward_request){
				       .kind = STEWARD_SOCKDIAG,
				       .netns = netns,
			       });
}

int steward_open_net_file(struct steward *steward, uint32_t netns, unsigned int which)
{
	return ask_fd(steward, &(struct steward_request){
				       .kind = STEWARD_NET_FILE,
				       .which = which,
				       .netns = netns,
			       });
}

/* ---- BPF ------------------------------------------------------------------------------------- */

int steward_take_link(struct steward *steward, enum steward_iterator which, int link)
{
	const struct steward_request request = { .kind = STEWARD_LINK, .which = which };

	return ask_one(steward, &request, link);
}

int steward_open_iterator(struct steward *steward, enum steward_iterator which, uint32_t netns)
{
	return ask_fd(steward, &(struct steward_request){
				       .kind = STEWARD_ITERATOR,
				       .which = which,
				       .netns = netns,
			       });
}

/* ---- Processes ------------------------------------------------------------------------------- */

static int take_descriptors(void *context, const char *records, uint32_t count)
{
	struct descriptor_holder holder;
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++) {
		memcpy(&holder, records + i * sizeof(holder), sizeof(holder));
		holder.comm[sizeof(holder.comm) - 1] = '\0';
		err = descriptors_add(context, &holder);
	}
	return err;
}

struct descriptors *steward_descriptors(struct steward *steward, unsigned int *closed)
{
	const struct steward_request request = { .kind = STEWARD_DESCRIPTORS };
	struct descriptors *descriptors = descriptors_empty();
	int err;

	*closed = 0;
	if (!descriptors)
		return NULL;
	err = ask_all(steward, &request, take_descriptors, descriptors);
	if (err) {
		descriptors_free(descriptors);
		errno = -err;
		return NULL;
	}
	*closed = steward->packet.head.number;
	descriptors_done(descriptors);
	return descriptors;
}

#define END(text) ((text)[sizeof(text) - 1] = '\0')

static void end_texts(struct container *container)
{
	END(container->unit);
	END(container->id);
	END(container->name);
	END(container->short_id);
	END(container->inner_unit);
	END(container->pod_uid);
	END(container->pod);
	END(container->pod_namespace);
}

/* Says once that a file did not answer, if the steward says so of this answer. */
static void tell_of_silence(struct steward *steward)
{
	if (!steward->packet.head.number || steward->silence_told)
		return;
	steward->silence_told = true;
	notice_print(steward->notice, NOTICE_WARNING,
		     "a file with the command line of a process or the name of a container does "
		     "not answer: such names may be missing");
}

void steward_process(struct steward *steward, uint32_t pid, const char *comm,
		     struct procfs_process *process)
{
	struct steward_request request = { .kind = STEWARD_PROCESS, .pid = pid };

	memset(process, 0, sizeof(*process));
	strncpy(request.comm, comm, sizeof(request.comm) - 1);
	if (!pid || ask_one(steward, &request, -1) || steward->packet.head.count != 1)
		return;
	tell_of_silence(steward);
	memcpy(process, steward->packet.records, sizeof(*process));
	END(process->command);
	END(process->cgroup);
	END(process->call);
	end_texts(&process->container);
}

int steward_cgroup(struct steward *steward, uint64_t id, char *path, unsigned int size,
		   struct container *container)
{
	const struct steward_request request = { .kind = STEWARD_CGROUP, .number = id };
	const char *found = steward->packet.records;
	int err = ask_one(steward, &request, -1);

	if (err)
		return err;
	if (steward->packet.head.count != 1 || strnlen(found, size) == size)
		return -ENAMETOOLONG;
	tell_of_silence(steward);
	strcpy(path, found);
	memcpy(container, found + offsetof(struct steward_cgroup, container), sizeof(*container));
	end_texts(container);
	return 0;
}

int steward_open_maps(struct steward *steward, uint32_t pid)
{
	return ask_fd(steward, &(struct steward_request){ .kind = STEWARD_MAPS, .pid = pid });
}

int steward_open_mapped(struct steward *steward, uint32_t pid, uint64_t start)
{
	return ask_fd(steward, &(struct steward_request){
				       .kind = STEWARD_MAPPED,
				       .pid = pid,
				       .number = start,
			       });
}

int steward_open_perf_map(struct steward *steward, uint32_t pid, uint32_t *inner)
{
	int fd = ask_fd(steward, &(struct steward_request){ .kind = STEWARD_PERF_MAP, .pid = pid });

	*inner = fd >= 0 || fd != STEWARD_LOST ? steward->packet.head.number : pid;
	return fd;
}
