// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/ready.h"

int ready_open(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (len < 2 || len >= sizeof(to.sun_path) || (*path != '/' && *path != '@'))
		return -1;
	memcpy(to.sun_path, path, len);
	if (*path == '@')
		to.sun_path[0] = '\0'; /* an abstract address, which is in no folder */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    !connect(fd, (struct sockaddr *)&to, offsetof(struct sockaddr_un, sun_path) + len))
		return fd;
	close(fd);
	return -1;
}

void ready_tell(int fd)
{
	static const char ready[] = "READY=1";

	if (fd >= 0)
		send(fd, ready, sizeof(ready) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}
