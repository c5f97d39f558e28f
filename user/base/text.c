// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

/* A reader that takes nothing for so long once the tool is to stop is not waited for. */
#define STOP_GRACE_MS 1000

struct text {
	int fd;
	int stop_fd;
	size_t chunk; /* what a descriptor takes without waiting once it is writable */
	int error;
	bool file;
	uint64_t offset; /* of a file: how long it is */
	size_t size;
	size_t len;
	char data[];
};

/* A write to a pipe waits unless so much fits (pipe(7)); a file takes it all, sooner or later. */
static size_t chunk_of(int fd, int stop_fd)
{
	struct stat st;

	if (stop_fd < 0 || fstat(fd, &st) || S_ISREG(st.st_mode))
		return SIZE_MAX;
	return PIPE_BUF;
}

/* Whether @fd is a file, and how long: rows are put behind what is there. */
static bool is_file(int fd, uint64_t *bytes)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	*bytes = st.st_size;
	return true;
}

struct text *text_new(int fd, size_t size, int stop_fd)
{
	struct text *text = malloc(sizeof(*text) + size + TEXT_SLACK_BYTES);

	if (!text)
		return NULL;
	text->fd = fd;
	text->stop_fd = stop_fd;
	text->chunk = chunk_of(fd, stop_fd);
	text->error = 0;
	text->offset = 0;
	text->file = is_file(fd, &text->offset);
	text->size = size;
	text->len = 0;
	return text;
}

void text_free(struct text *text)
{
	free(text);
}

/* Returns 0 when the descriptor takes something, -ECANCELED if the tool is to stop first. */
static int wait_writable(const struct text *text)
{
	struct pollfd fds[2] = {
		{ .fd = text->fd, .events = POLLOUT },
		{ .fd = text->stop_fd, .events = POLLIN },
	};

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	if (!fds[0].revents) /* to stop; but a reader that is only slow gets what there is */
		poll(fds, 1, STOP_GRACE_MS);
	return fds[0].revents ? 0 : -ECANCELED;
}

static int write_all(const struct text *text, const char *data, size_t len)
{
	while (len) {
		size_t chunk = len < text->chunk ? len : text->chunk;
		int err = text->chunk == SIZE_MAX ? 0 : wait_writable(text);
		ssize_t n;

		if (err)
			return err;
		n = write(text->fd, data, chunk);
		if (n > 0) {
			data += n;
			len -= n;
		} else if (n == 0) {
			return -EIO; /* POSIX leaves it open; without this it would spin */
		} else if (errno == EAGAIN) {
			err = wait_writable(text);
			if (err)
				return err;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

/* Writes the first @len bytes of what is buffered. */
static int write_out(struct text *text, size_t len)
{
	if (!text->error)
		text->error = write_all(text, text->data, len);
	text->offset += len;
	text->len = text->error ? 0 : text->len - len;
	memmove(text->data, text->data + len, text->len);
	return text->error;
}

int text_flush(struct text *text)
{
	return write_out(text, text->len);
}

/* Writes what is buffered, of a file up to the end of a block if that leaves room for @bytes. */
static int make_room(struct text *text, size_t bytes)
{
	size_t rest = text->file ? (text->offset + text->len) % TEXT_BLOCK_BYTES : 0;

	if (rest > text->len || rest + bytes > text->size)
		rest = 0;
	return write_out(text, text->len - rest);
}

char *text_reserve(struct text *text, size_t bytes)
{
	if (text->error)
		return NULL;
	if (bytes > text->size) {
		text->error = -EMSGSIZE;
		return NULL;
	}
	if (bytes > text->size - text->len && make_room(text, bytes))
		return NULL;
	return text->data + text->len;
}

void text_commit(struct text *text, const char *end)
{
	text->len = end - text->data;
}

int text_put(struct text *text, const void *data, size_t len)
{
	const char *from = data;

	while (len) {
		size_t part = len < text->size ? len : text->size;
		char *p = text_reserve(text, part);

		if (!p)
			return text->error;
		memcpy(p, from, part);
		text_commit(text, p + part);
		from += part;
		len -= part;
	}
	return 0;
}

int text_error(const struct text *text)
{
	return text->error;
}
