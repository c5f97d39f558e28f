// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/confine.h"
#include "host/container_files.h"
#include "host/packet.h"
#include "host/perf_map.h"
#include "host/procfs_maps.h"
#include "host/seccomp_filter.h"
#include "host/steward_reader.h"
#include "wire.h"

/* How long an answer is waited for. To read from a disk that is busy takes less. */
#define ANSWER_MS 1000

/* What is asked about. Numbers of processes and users follow. */
#define KEY_NAMES   0
#define KEY_PROCESS (1ULL << 32)
#define KEY_USER    (2ULL << 32)

enum kind {
	READ_PROCESS,  /* pid, comm; answer: process */
	READ_NAME,     /* container; answer: container */
	READ_MAPPED,   /* pid, number: start of a mapping of code; answer: a descriptor */
	READ_PERF_MAP, /* pid; answer: a descriptor; number: its innermost PID */
};

struct question {
	enum kind kind;
	uint32_t pid;
	uint64_t number;
	char comm[TCPDWELL_COMM_LEN];
	struct container container;
};

struct answer {
	int err; /* 0 or -errno */
	uint32_t number;
	union {
		struct procfs_process process;
		struct container container;
	};
};

struct reader {
	int socket;   /* negative: it has ended */
	bool silent;  /* it has not answered yet */
	uint64_t key; /* what it was asked about last */
};

struct readers {
	const char *root;
	struct reader list[READERS];
};

/* ---- The child ------------------------------------------------------------------------------- */

/* Opens a file that a process maps as code. Data that it maps is nobody's business. */
static int open_mapped(const char *root, uint32_t pid, uint64_t start)
{
	const struct procfs_map *map;
	struct procfs_maps maps;
	int fd = procfs_maps_read(&maps, root, pid);

	if (!fd) {
		map = procfs_maps_find(&maps, start);
		fd = map && map->start == start ? procfs_map_open(root, pid, map) : -ENOENT;
	}
	procfs_maps_free(&maps);
	return fd;
}

/* Returns the descriptor that goes with the answer, or a negative number. */
static int read_it(const char *root, struct container_files *files, const struct question *question,
		   struct answer *answer)
{
	int fd = -1;

	switch (question->kind) {
	case READ_PROCESS:
		procfs_process_read(root, question->pid, question->comm, &answer->process);
		return -1;
	case READ_NAME:
		answer->container = question->container;
		container_files_name(files, &answer->container, clock_now_ns());
		return -1;
	case READ_MAPPED:
		fd = open_mapped(root, question->pid, question->number);
		break;
	case READ_PERF_MAP:
		fd = perf_map_open(root, question->pid, &answer->number);
		break;
	}
	answer->err = fd < 0 ? fd : 0;
	return fd;
}

static _Noreturn void run(const char *root, int socket)
{
	struct container_files *files = NULL;
	struct question question;
	struct answer answer;
	int fd;

	/* It may never come back to see that the steward has ended. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (packet_take(socket, &question, sizeof(question), &fd, 0) == sizeof(question)) {
		if (!files) {
			fd = seccomp_filter_install_looks();
			files = container_files_new(root);
			if ((fd && fd != -ENOSYS) || !files)
				break;
		}
		memset(&answer, 0, sizeof(answer));
		fd = read_it(root, files, &question, &answer);
		if (packet_send(socket, &answer, sizeof(answer), fd, 0))
			break;
		if (fd >= 0)
			close(fd);
	}
	_exit(0);
}

/* ---- The steward's side ---------------------------------------------------------------------- */

static int start(struct readers *readers, struct reader *reader)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	pid = fork();
	if (!pid) /* nobody else may keep the tracer's socket open, nor those of other readers */
		run(readers->root, confine_files(ends[1]));
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -EAGAIN;
	}
	reader->socket = ends[0];
	return 0;
}

struct readers *readers_new(const char *root)
{
	struct readers *readers = calloc(1, sizeof(*readers));
	int err = 0;

	if (!readers)
		return NULL;
	readers->root = root;
	for (unsigned int i = 0; i < READERS; i++) {
		readers->list[i].socket = -1;
		err = err ?: start(readers, &readers->list[i]);
	}
	/* Fewer will do, too. */
	if (readers->list[0].socket >= 0)
		return readers;
	free(readers);
	errno = -err;
	return NULL;
}

void readers_end(struct readers *readers)
{
	for (unsigned int i = 0; i < READERS; i++)
		if (readers->list[i].socket >= 0)
			close(readers->list[i].socket);
	for (unsigned int i = 0; i < 100; i++) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0)
			break;
		if (!pid)
			usleep(500);
	}
	free(readers);
}

/* Returns who is asked about: the process, or its user, unless that is root. */
static uint64_t key_of(const struct readers *readers, uint32_t pid)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/proc/%u", readers->root, pid);
	if (stat(path, &st) || !st.st_uid)
		return KEY_PROCESS | pid;
	return KEY_USER | st.st_uid;
}

static bool has_answer(int socket, int timeout_ms)
{
	struct pollfd file = { .fd = socket, .events = POLLIN };
	int count;

	do {
		count = poll(&file, 1, timeout_ms);
	} while (count < 0 && errno == EINTR);
	return count > 0;
}

/* Takes the answer. Returns 0, or -EPIPE if the reader has ended. */
static int take(struct reader *reader, struct answer *answer, int *fd)
{
	reader->silent = false;
	if (packet_take(reader->socket, answer, sizeof(*answer), fd, 0) == sizeof(*answer))
		return 0;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	close(reader->socket);
	reader->socket = -1;
	return -EPIPE;
}

/* Drops the answer of a reader that has come back. */
static void welcome(struct reader *reader)
{
	struct answer answer;
	int fd;

	if (!reader->silent || !has_answer(reader->socket, 0))
		return;
	take(reader, &answer, &fd);
	if (fd >= 0)
		close(fd);
}

/* Returns a reader that can be asked, or NULL if one is silent about @key, or if all are. */
static struct reader *choose(struct readers *readers, uint64_t key)
{
	struct reader *chosen = NULL;

	for (unsigned int i = 0; i < READERS; i++) {
		struct reader *reader = &readers->list[i];

		if (reader->socket >= 0)
			welcome(reader);
		if (reader->socket < 0)
			continue;
		if (!reader->silent)
			chosen = chosen ?: reader;
		else if (reader->key == key)
			return NULL;
	}
	return chosen;
}

/* Asks a reader. @fd gets the descriptor that came with the answer, or -1. Returns 0 or -errno. */
static int ask(struct readers *readers, uint64_t key, const struct question *question,
	       struct answer *answer, int *fd)
{
	struct reader *reader = choose(readers, key);

	*fd = -1;
	if (!reader)
		return -ETIMEDOUT;
	reader->key = key;
	reader->silent = true;
	packet_send(reader->socket, question, sizeof(*question), -1, 0);
	return has_answer(reader->socket, ANSWER_MS) ? take(reader, answer, fd) : -ETIMEDOUT;
}

int readers_process(struct readers *readers, uint32_t pid, const char *comm,
		    struct procfs_process *process)
{
	struct question question = { .kind = READ_PROCESS, .pid = pid };
	struct answer answer;
	int fd, err;

	strncpy(question.comm, comm, sizeof(question.comm) - 1);
	err = ask(readers, key_of(readers, pid), &question, &answer, &fd);
	if (err)
		procfs_process_read_rest(readers->root, pid, comm, process);
	else
		*process = answer.process;
	return err;
}

int readers_name(struct readers *readers, struct container *container)
{
	struct question question = { .kind = READ_NAME, .container = *container };
	struct answer answer;
	int fd, err;

	/* Nothing else has a name in files. */
	if (!container->id[0] && !container->pod_uid[0])
		return 0;
	err = ask(readers, KEY_NAMES, &question, &answer, &fd);
	if (!err)
		*container = answer.container;
	return err;
}

static int ask_fd(struct readers *readers, const struct question *question, struct answer *answer)
{
	int fd, err = ask(readers, key_of(readers, question->pid), question, answer, &fd);

	if (!err && fd < 0)
		err = answer->err ?: -EBADF;
	return err ?: fd;
}

int readers_open_mapped(struct readers *readers, uint32_t pid, uint64_t start)
{
	const struct question question = { .kind = READ_MAPPED, .pid = pid, .number = start };
	struct answer answer;

	return ask_fd(readers, &question, &answer);
}

int readers_open_perf_map(struct readers *readers, uint32_t pid, uint32_t *inner)
{
	const struct question question = { .kind = READ_PERF_MAP, .pid = pid };
	struct answer answer = { .number = pid };
	int fd = ask_fd(readers, &question, &answer);

	*inner = answer.number;
	return fd;
}
