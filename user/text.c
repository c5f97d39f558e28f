// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "text.h"

struct text {
	int fd;
	int error;
	size_t size;
	size_t len;
	char data[];
};

struct text *text_new(int fd, size_t size)
{
	struct text *text = malloc(sizeof(*text) + size + TEXT_SLACK_BYTES);

	if (!text)
		return NULL;
	text->fd = fd;
	text->error = 0;
	text->size = size;
	text->len = 0;
	return text;
}

void text_free(struct text *text)
{
	free(text);
}

static int wait_writable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n > 0) {
			data += n;
			len -= n;
		} else if (n == 0) {
			return -EIO; /* POSIX leaves it open; without this it would spin */
		} else if (errno == EAGAIN) {
			int err = wait_writable(fd);

			if (err)
				return err;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

int text_flush(struct text *text)
{
	if (!text->error)
		text->error = write_all(text->fd, text->data, text->len);
	text->len = 0;
	return text->error;
}

char *text_reserve(struct text *text, size_t bytes)
{
	if (text->error)
		return NULL;
	if (bytes > text->size) {
		text->error = -EMSGSIZE;
		return NULL;
	}
	if (bytes > text->size - text->len && text_flush(text))
		return NULL;
	return text->data + text->len;
}

void text_commit(struct text *text, const char *end)
{
	text->len = end - text->data;
}

int text_error(const struct text *text)
{
	return text->error;
}
