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

struct text {
	int fd;
	const struct text_wait *wait;
	size_t chunk; /* how much a writable descriptor takes without waiting */
	int error;
	bool file;
	bool tty;
	uint64_t offset;  /* of a file: its length */
	size_t open;	  /* bytes written of a line whose end is not written yet */
	size_t sent;	  /* bytes of the buffer that a write in progress has written */
	uint64_t dropped; /* lines that will not be written whole */
	size_t size;
	size_t len;
	char data[];
};

/*
 * Returns how much a write may take at once. A pipe that is writable may wait for more (pipe(7)). A
 * file takes all of it, sooner or later.
 */
static size_t chunk_of(int fd, const struct text_wait *wait)
{
	struct stat st;

	if (!wait || fstat(fd, &st) || S_ISREG(st.st_mode))
		return SIZE_MAX;
	return PIPE_BUF;
}

/*
 * Returns true if @fd is a file, and sets @bytes to its length: rows are put behind what is there.
 */
static bool is_file(int fd, uint64_t *bytes)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	*bytes = st.st_size;
	return true;
}

struct text *text_new(int fd, size_t size, const struct text_wait *wait)
{
	struct text *text = calloc(1, sizeof(*text) + size + TEXT_SLACK_BYTES);

	if (!text)
		return NULL;
	text->fd = fd;
	text->wait = wait;
	text->chunk = chunk_of(fd, wait);
	text->file = is_file(fd, &text->offset);
	text->tty = isatty(fd);
	text->size = size;
	return text;
}

void text_free(struct text *text)
{
	free(text);
}

/*
 * Waits until the descriptor takes something. Returns 0 then, or -errno if it is not to be waited
 * for.
 */
static int wait_writable(const struct text *text)
{
	struct pollfd output = { .fd = text->fd, .events = POLLOUT };

	if (text->wait)
		return text->wait->writable(text->wait->context, text->fd);
	while (poll(&output, 1, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/*
 * Returns how much goes into one write. If not all fits, it is whole lines, so a pipe never has
 * half of one.
 */
static size_t piece(const struct text *text, const char *data, size_t len)
{
	const char *end;

	if (len <= text->chunk)
		return len;
	end = memrchr(data, '\n', text->chunk);
	return end ? (size_t)(end + 1 - data) : text->chunk;
}

/* Notes that @n bytes were written. */
static void written(struct text *text, const char *data, size_t n)
{
	const char *end = memrchr(data, '\n', n);

	text->open = end ? (size_t)(data + n - (end + 1)) : text->open + n;
	text->sent += n;
}

/* Decides what a write that took nothing means. Returns 0 if it is to be tried again, or -errno. */
static int refused(const struct text *text, ssize_t n)
{
	if (n == 0)
		return -EIO; /* POSIX allows this; without an error the loop would spin */
	if (errno == EINTR)
		return 0;
	if (errno == EAGAIN)
		return wait_writable(text);
	return text->tty && errno == EIO ? -EPIPE : -errno; /* EIO: the terminal has gone */
}

static int write_all(struct text *text, const char *data, size_t len)
{
	while (len) {
		int err = text->chunk == SIZE_MAX ? 0 : wait_writable(text);
		ssize_t n;

		if (err)
			return err;
		n = write(text->fd, data, piece(text, data, len));
		if (n > 0) {
			written(text, data, n);
			data += n;
			len -= n;
			continue;
		}
		err = refused(text, n);
		if (err)
			return err;
	}
	return 0;
}

static uint64_t count_lines(const char *data, const char *end)
{
	uint64_t lines = 0;

	for (; (data = memchr(data, '\n', end - data)); data++)
		lines++;
	return lines;
}

/* Cuts a file back by the part of a line that could not be written whole, if that is at its end. */
static void end_with_whole_line(struct text *text)
{
	off_t end = text->file && text->open ? lseek(text->fd, 0, SEEK_CUR) : -1;
	struct stat st;

	if (end < (off_t)text->open || fstat(text->fd, &st) || st.st_size != end)
		return;
	if (!ftruncate(text->fd, end - text->open) &&
	    lseek(text->fd, end - text->open, SEEK_SET) >= 0)
		text->open = 0;
}

/* Writes the first @len bytes of the buffer. */
static int write_out(struct text *text, size_t len)
{
	if (!text->error) {
		text->sent = 0;
		text->error = write_all(text, text->data, len);
		if (text->error) {
			text->dropped += count_lines(text->data + text->sent,
						     text->data + text->len);
			end_with_whole_line(text);
		}
		text->sent = 0;
	}
	text->offset += len;
	text->len = text->error ? 0 : text->len - len;
	memmove(text->data, text->data + len, text->len);
	return text->error;
}

int text_flush(struct text *text)
{
	return write_out(text, text->len);
}

uint64_t text_unwritten(const struct text *text)
{
	return text->dropped + count_lines(text->data + text->sent, text->data + text->len);
}

int text_resume(struct text *text)
{
	if (text->error == -ECANCELED && !text->open)
		text->error = 0;
	return text->error;
}

/*
 * Writes what is buffered. For a file it stops at the end of a block, if that leaves room for
 * @bytes.
 */
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

int text_fd(const struct text *text)
{
	return text->fd;
}

int text_error(const struct text *text)
{
	return text->error;
}
