// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/packet.h"

/* Room for one descriptor. */
union control {
	struct cmsghdr head; /* for its alignment */
	char bytes[CMSG_SPACE(sizeof(int))];
};

int packet_send(int socket, const void *packet, size_t bytes, int fd, int flags)
{
	struct iovec piece = { (void *)packet, bytes };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
	union control control = { 0 };
	ssize_t sent;

	if (fd >= 0) {
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	sent = sendmsg(socket, &message, MSG_NOSIGNAL | flags);
	if (sent < 0)
		return -errno;
	return (size_t)sent == bytes ? 0 : -EIO;
}

ssize_t packet_take(int socket, void *packet, size_t bytes, int *fd, int flags)
{
	union control control;
	struct iovec piece = { packet, bytes };
	struct msghdr message = {
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
	const struct cmsghdr *head;

	*fd = -1;
	if (len < 0)
		return -errno;
	head = CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(head), sizeof(int));
	if (!(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return len;
	/* The kernel drops a descriptor that there is no room for. */
	if (*fd < 0 && !(message.msg_flags & MSG_TRUNC))
		return -EMFILE;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return -EMSGSIZE;
}
