// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/escape.h"
#include "host/listener.h"

/* More than are served at a time: in a burst scrapers wait for a moment. */
#define BACKLOG 512

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

#define WANT "want ADDRESS:PORT, in numbers, as 127.0.0.1:9435 or [::1]:9435, or unix:PATH"

static int refuse(struct failure *failure, int status, const char *address, const char *why)
{
	struct shown shown;

	return failure_set(failure, status, "--listen: '%s' %s", escape_shown(&shown, address),
			   why);
}

static bool parse_port(const char *text, uint16_t *port)
{
	unsigned long value = 0;

	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9' || c - text > 5)
			return false;
		value = value * 10 + (*c - '0');
	}
	*port = value;
	return *text && value <= UINT16_MAX;
}

/* Returns the length of the address, or 0 if @text is none. */
static socklen_t parse(const char *text, union address *to)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	uint16_t port;
	size_t len;

	memset(to, 0, sizeof(*to));
	if (!colon || !parse_port(colon + 1, &port))
		return 0;
	len = colon - text;
	if (len >= sizeof(host))
		return 0;
	memcpy(host, text, len);
	host[len] = '\0';
	if (inet_pton(AF_INET, host, &to->v4.sin_addr) == 1) {
		to->v4.sin_family = AF_INET;
		to->v4.sin_port = htons(port);
		return sizeof(to->v4);
	}
	if (len < 2 || host[0] != '[' || host[len - 1] != ']')
		return 0;
	host[len - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &to->v6.sin6_addr) != 1)
		return 0;
	to->v6.sin6_family = AF_INET6;
	to->v6.sin6_port = htons(port);
	return sizeof(to->v6);
}

/* Removes what an earlier run left at the path. Returns 0, or -1 with @failure filled. */
static int clear_path(const char *address, const union address *at, socklen_t len,
		      struct failure *failure)
{
	struct stat st;
	int fd, err;

	if (lstat(at->local.sun_path, &st))
		return 0; /* bind() reports what else may be wrong */
	if (!S_ISSOCK(st.st_mode))
		return refuse(failure, STATUS_USE, address, "is there, and is no socket");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = fd < 0 || !connect(fd, &at->any, len) ? 0 : errno;
	if (fd >= 0)
		close(fd);
	if (err != ECONNREFUSED)
		return refuse(failure, STATUS_HOST, address, "is in use");
	unlink(at->local.sun_path);
	return 0;
}

/* Shows a path, or an abstract name, whose first byte is NUL (unix(7)). */
static void show_local(const struct sockaddr_un *at, char shown[LISTENER_TEXT_BYTES])
{
	char name[sizeof(at->sun_path) + 1] = "";
	bool abstract = !at->sun_path[0];
	struct shown escaped;

	memcpy(name, at->sun_path + abstract, sizeof(at->sun_path) - abstract);
	snprintf(shown, LISTENER_TEXT_BYTES, "unix:%s%s", abstract ? "@" : "",
		 escape_shown(&escaped, name));
}

static void show(int fd, char shown[LISTENER_TEXT_BYTES])
{
	char host[INET6_ADDRSTRLEN] = "?";
	union address at = {};
	socklen_t len = sizeof(at);

	if (getsockname(fd, &at.any, &len))
		at.any.sa_family = AF_UNSPEC;
	if (at.any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &at.v4.sin_addr, host, sizeof(host));
		snprintf(shown, LISTENER_TEXT_BYTES, "http://%s:%u/metrics", host,
			 ntohs(at.v4.sin_port));
	} else if (at.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &at.v6.sin6_addr, host, sizeof(host));
		snprintf(shown, LISTENER_TEXT_BYTES, "http://[%s]:%u/metrics", host,
			 ntohs(at.v6.sin6_port));
	} else if (at.any.sa_family == AF_UNIX && len > offsetof(struct sockaddr_un, sun_path)) {
		show_local(&at.local, shown);
	} else {
		snprintf(shown, LISTENER_TEXT_BYTES, "a socket without a name");
	}
}

static int bind_to(const char *address, const union address *at, socklen_t len,
		   struct failure *failure)
{
	int fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int yes = 1;
	char why[128];

	if (fd >= 0 && at->any.sa_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (fd >= 0 && !bind(fd, &at->any, len) && !listen(fd, BACKLOG))
		return fd;
	snprintf(why, sizeof(why), "%s", errno == EADDRINUSE ? "is in use" : strerror(errno));
	if (fd >= 0)
		close(fd);
	return refuse(failure, STATUS_HOST, address, why);
}

int listener_open(const char *address, char shown[LISTENER_TEXT_BYTES], struct failure *failure)
{
	static const char local[] = "unix:";
	const char *path = strncmp(address, local, sizeof(local) - 1) ? NULL :
									address + sizeof(local) - 1;
	union address at;
	socklen_t len;
	int fd;

	if (path) {
		at.local = (struct sockaddr_un){ .sun_family = AF_UNIX };
		if (!*path || strlen(path) >= sizeof(at.local.sun_path))
			return refuse(failure, STATUS_USE, address,
				      *path ? "is too long for a socket" : "has no path");
		strcpy(at.local.sun_path, path);
		len = sizeof(at.local);
		if (clear_path(address, &at, len, failure))
			return -1;
	} else {
		len = parse(address, &at);
		if (!len)
			return refuse(failure, STATUS_USE, address, "is no address: " WANT);
	}
	fd = bind_to(address, &at, len, failure);
	if (fd >= 0)
		show(fd, shown);
	return fd;
}

/* The first descriptor of sd_listen_fds(3). */
#define INHERITED_FD 3

static bool has_option(int fd, int option, int wanted)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return !getsockopt(fd, SOL_SOCKET, option, &value, &len) && value == wanted;
}

/*
 * Returns how many descriptors were handed over. Variables that name another process are not for
 * this one. They are removed, so that no child takes them for its own.
 */
static unsigned long count_inherited(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	unsigned long fds = 0;

	if (pid && count && strtoul(pid, NULL, 10) == (unsigned long)getpid())
		fds = strtoul(count, NULL, 10);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return fds;
}

int listener_inherit(char shown[LISTENER_TEXT_BYTES], struct failure *failure)
{
	const int fd = INHERITED_FD;
	unsigned long count = count_inherited();

	if (!count)
		return -ENOENT;
	if (count > 1)
		return failure_set(failure, STATUS_USE, "LISTEN_FDS: one socket is served");
	if (!has_option(fd, SO_TYPE, SOCK_STREAM) || !has_option(fd, SO_ACCEPTCONN, 1))
		return failure_set(failure, STATUS_USE,
				   "LISTEN_FDS: descriptor %d is no stream that listens", fd);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK))
		return failure_errno(failure, "LISTEN_FDS", errno);
	show(fd, shown);
	return fd;
}
