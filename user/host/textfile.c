// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/escape.h"
#include "host/confine.h"
#include "host/textfile.h"

/* The name in lists of processes. */
#define NAME "tcpdwell-file"

/* A disk that takes longer is not waited for. */
#define ANSWER_S 10

struct textfile {
	int socket;
	pid_t pid;
};

/* ---- The process ----------------------------------------------------------------------------- */

struct writer {
	int socket;
	int folder;
	const char *path; /* of the folder */
	const char *name;
	char fresh[NAME_MAX + 1];
};

/* Becomes the owner of the folder, who may write there without a capability. */
static int become(int folder)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = {};
	struct stat st;

	if (fstat(folder, &st))
		return -errno;
	if (!geteuid() && (setgroups(0, NULL) || setresgid(st.st_gid, st.st_gid, st.st_gid) ||
			   setresuid(st.st_uid, st.st_uid, st.st_uid)))
		return -errno;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	return confine_limit(RLIMIT_CORE, 0);
}

#define CALL(name)                  \
	{                           \
		SYS_##name, 0, 0, 0 \
	}

static int filter_calls(void)
{
	static const struct confine_call calls[] = {
		CALL(read),	CALL(recvfrom), CALL(sendto),	  CALL(openat),
		CALL(write),	CALL(close),	CALL(fchmod),	  CALL(renameat2),
		CALL(renameat), CALL(unlinkat), CALL(exit_group),
	};
	int err = confine_calls(calls, sizeof(calls) / sizeof(*calls));

	return err == -ENOSYS ? 0 : err;
}

/*
 * Makes the new file. If an earlier run was killed, it may have left one behind, which is removed.
 */
static int open_fresh(const struct writer *writer)
{
	int fd;

	unlinkat(writer->folder, writer->fresh, 0);
	fd = openat(writer->folder, writer->fresh,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	/* The mode does not depend on the umask. */
	if (fchmod(fd, 0644)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

/* Checks that a file or a link is at the place, or nothing: only these are replaced. */
static int check_place(const struct writer *writer)
{
	struct stat st;
	int fd;

	if (!fstatat(writer->folder, writer->name, &st, AT_SYMLINK_NOFOLLOW) &&
	    !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -ENOTSUP;
	fd = open_fresh(writer);
	if (fd < 0)
		return fd;
	close(fd);
	unlinkat(writer->folder, writer->fresh, 0);
	return 0;
}

/*
 * Copies @len bytes. It takes all of them even if the file does not. Returns 0, -errno or
 * -EOWNERDEAD.
 */
static int copy(const struct writer *writer, int fd, size_t len)
{
	static char buffer[65536];
	int err = fd < 0 ? fd : 0;

	while (len) {
		ssize_t got = read(writer->socket, buffer,
				   len < sizeof(buffer) ? len : sizeof(buffer));

		if (got <= 0)
			return -EOWNERDEAD;
		len -= got;
		for (ssize_t put = 0, n; put < got && !err; put += n) {
			n = write(fd, buffer + put, got - put);
			if (n < 0) {
				err = -errno;
				n = 0;
			}
		}
	}
	return err;
}

/*
 * Turns to the folder that has taken the place of one that was removed. A link there may lead
 * anywhere: nobody has asked for it. Returns 0 or -errno.
 */
static int follow(struct writer *writer)
{
	int folder = open(writer->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (folder < 0)
		return -errno;
	close(writer->folder);
	writer->folder = folder;
	return 0;
}

static int replace(struct writer *writer, size_t len)
{
	int fd = open_fresh(writer), err;

	/* No file can be made in a folder that was removed. */
	if (fd == -ENOENT && !follow(writer))
		fd = open_fresh(writer);
	err = copy(writer, fd, len);

	if (fd >= 0 && close(fd) && !err)
		err = -errno;
	if (!err && renameat(writer->folder, writer->fresh, writer->folder, writer->name))
		err = -errno;
	if (err && fd >= 0)
		unlinkat(writer->folder, writer->fresh, 0);
	return err;
}

static int begin(struct writer *writer, const char *folder)
{
	int err;

	confine_signals(0);
	prctl(PR_SET_NAME, NAME);
	writer->socket = confine_files(writer->socket);
	if (writer->socket < 0)
		return writer->socket;
	snprintf(writer->fresh, sizeof(writer->fresh), ".%s.tcpdwell", writer->name);
	writer->path = folder;
	writer->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (writer->folder < 0)
		return -errno;
	err = become(writer->folder);
	return err ?: check_place(writer) ?: filter_calls();
}

static _Noreturn void run(int socket, const char *folder, const char *name)
{
	struct writer writer = { .socket = socket, .name = name };
	int32_t err = begin(&writer, folder);
	uint64_t len;

	if (send(writer.socket, &err, sizeof(err), MSG_NOSIGNAL) != sizeof(err) || err)
		_exit(1);
	while (recv(writer.socket, &len, sizeof(len), MSG_WAITALL) == sizeof(len)) {
		err = replace(&writer, len);
		if (send(writer.socket, &err, sizeof(err), MSG_NOSIGNAL) != sizeof(err))
			break;
	}
	_exit(0);
}

/* ---- The tracer ------------------------------------------------------------------------------ */

static int refuse(struct failure *failure, const char *path, int err)
{
	bool use = err == -ENOENT || err == -ENOTDIR || err == -EISDIR || err == -ENOTSUP ||
		   err == -ENAMETOOLONG;
	struct shown shown;

	return failure_set(failure, use ? STATUS_USE : STATUS_HOST, "--textfile: '%s': %s",
			   escape_shown(&shown, path),
			   err == -ENOTSUP ? "is no file" : strerror(-err));
}

/* Splits @path. The caller frees @copy. Returns 0 or -errno. */
static int split(const char *path, char **copy, const char **folder, const char **name)
{
	char *slash;

	*copy = strdup(path);
	if (!*copy)
		return -ENOMEM;
	slash = strrchr(*copy, '/');
	*folder = !slash ? "." : slash == *copy ? "/" : *copy;
	*name = slash ? slash + 1 : *copy;
	if (slash)
		*slash = '\0';
	if (!**name || !strcmp(*name, ".") || !strcmp(*name, ".."))
		return -EISDIR;
	return strlen(*name) + sizeof(".") + sizeof("tcpdwell") > NAME_MAX ? -ENAMETOOLONG : 0;
}

static int start(struct textfile *t, const char *folder, const char *name)
{
	const struct timeval patience = { .tv_sec = ANSWER_S };
	int32_t err;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	t->pid = fork();
	if (!t->pid) {
		close(ends[0]);
		run(ends[1], folder, name);
	}
	err = t->pid < 0 ? -errno : -ECHILD;
	close(ends[1]);
	t->socket = ends[0];
	if (t->pid > 0 && recv(t->socket, &err, sizeof(err), MSG_WAITALL) != sizeof(err))
		err = -ECHILD;
	return err;
}

struct textfile *textfile_new(const char *path, struct failure *failure)
{
	struct textfile *t = calloc(1, sizeof(*t));
	const char *folder, *name;
	char *copy = NULL;
	int err = t ? 0 : -ENOMEM;

	if (t)
		t->socket = -1;
	err = err ?: split(path, &copy, &folder, &name) ?: start(t, folder, name);
	free(copy);
	if (!err)
		return t;
	refuse(failure, path, err);
	textfile_free(t);
	return NULL;
}

void textfile_free(struct textfile *t)
{
	if (!t)
		return;
	if (t->socket >= 0)
		close(t->socket);
	/* A process that hangs on a disk ends by itself, once it comes back. */
	for (unsigned int i = 0; t->pid > 0 && i < 100 && !waitpid(t->pid, NULL, WNOHANG); i++)
		usleep(2000);
	free(t);
}

static int send_all(int socket, const void *bytes, size_t len)
{
	for (const char *p = bytes; len;) {
		ssize_t sent = send(socket, p, len, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return -EOWNERDEAD;
		p += sent;
		len -= sent;
	}
	return 0;
}

int textfile_write(struct textfile *t, const char *bytes, size_t len)
{
	const uint64_t size = len;
	int32_t answer;
	ssize_t got;
	int err = send_all(t->socket, &size, sizeof(size)) ?: send_all(t->socket, bytes, len);

	if (err)
		return err;
	do {
		got = recv(t->socket, &answer, sizeof(answer), MSG_WAITALL);
	} while (got < 0 && errno == EINTR);
	return got == sizeof(answer) ? answer : -EOWNERDEAD;
}
