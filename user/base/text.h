/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A bounded output buffer in front of a descriptor: many rows, one write(2).
 *
 * A caller reserves room, appends at the cursor with the put_ functions of put.h, and commits where
 * the cursor ended. Nothing reaches the descriptor before the buffer is full or flushed. No call
 * allocates but text_new().
 *
 * write(2) that is interrupted, or that takes only a part, is carried on; on a descriptor that does
 * not block the caller waits until it can take more. The first error sticks: what was buffered is
 * dropped, and every later call returns the same -errno. SIGPIPE must be ignored by the process, so
 * that a reader that has gone is -EPIPE.
 *
 * Sizes are bytes. One thread at a time.
 */
#ifndef TCPDWELL_TEXT_H
#define TCPDWELL_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text;

/*
 * Who waits where a write would: until @fd takes something. Returns 0 then, or -errno if the output
 * is to end here, which sticks like an error of write(2).
 */
struct text_wait {
	int (*writable)(void *context, int fd);
	void *context;
};

/* What the put_ functions may write behind the end they return, which a reservation includes. */
#define TEXT_SLACK_BYTES 64

/*
 * A full buffer is written to a file up to a multiple of this, and the rest waits for the next
 * write or flush: a file system that caches in larger units than pages takes whole ones then. ext4
 * does since Linux 6.16, XFS since 6.6. Measured on ext4: 0.26 ns a byte instead of 0.37 ns.
 */
#define TEXT_BLOCK_BYTES (64 * 1024)

/*
 * For rows: some blocks, and those that begin the next. One at a time takes 4 % more for each row
 * of JSON and CSV; much more than four would not stay in a processor's own cache.
 */
#define TEXT_ROWS_BYTES (4 * TEXT_BLOCK_BYTES + 4096)

/* For reports and frames, each of which is flushed at its end: what a pipe holds at once. */
#define TEXT_REPORT_BYTES (64 * 1024)

/*
 * Makes a buffer of @size bytes for @fd, which is not owned. @size limits a single reservation.
 * @wait (not owned) is asked before each write to what is no file; NULL: a write waits for ever.
 * Returns NULL with errno set if there is no memory.
 *
 * A pipe gets whole lines, if none is longer than PIPE_BUF. A file whose disk is full, or that may
 * not grow (EFBIG; SIGXFSZ must be ignored), is cut back to its last whole line. A terminal that
 * has gone is -EPIPE.
 */
struct text *text_new(int fd, size_t size, const struct text_wait *wait);

/* Drops what is not flushed. NULL-safe. */
void text_free(struct text *text);

/*
 * Returns the cursor, with room for @bytes and the slack; flushes first if there is none. NULL
 * after an error, which text_error() tells; -EMSGSIZE is the one for more than the buffer can hold.
 */
char *text_reserve(struct text *text, size_t bytes);

/* Takes what was appended from the cursor to @end, within the last reservation. */
void text_commit(struct text *text, const char *end);

/* Appends @len bytes, of which there may be more than the buffer holds. Returns 0 or -errno. */
int text_put(struct text *text, const void *data, size_t len);

/* Writes what is buffered. Returns 0 or -errno. */
int text_flush(struct text *text);

/* The descriptor that it writes to. */
int text_fd(const struct text *text);

/* Returns 0 or the -errno that stopped the output. */
int text_error(const struct text *text);

/* Lines that are not written: those that an error has dropped, and those in the buffer. */
uint64_t text_unwritten(const struct text *text);

/*
 * Goes on after @wait has ended the output with -ECANCELED, unless that was within a line. Returns
 * 0, or the error that stays.
 */
int text_resume(struct text *text);

#endif /* TCPDWELL_TEXT_H */
