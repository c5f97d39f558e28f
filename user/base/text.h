/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A bounded output buffer in front of a descriptor: many rows take one write(2).
 *
 * A caller reserves room, appends at the cursor with the put_ functions of put.h, and commits where
 * the cursor ended. Nothing reaches the descriptor before the buffer is full or flushed. Only
 * text_new() allocates.
 *
 * A write(2) that is interrupted, or that takes only a part, is continued. If the descriptor does
 * not block, the caller waits until it can take more. The first error stays: what was buffered is
 * dropped, and every later call returns the same -errno. The process must ignore SIGPIPE, so that a
 * reader that has gone is -EPIPE.
 *
 * Sizes are bytes. One thread at a time.
 */
#ifndef TCPDWELL_TEXT_H
#define TCPDWELL_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text;

/*
 * How to wait where a write would wait. @writable waits until @fd takes something, and returns 0.
 * It returns -errno if the output is to end here; that stays like an error of write(2).
 */
struct text_wait {
	int (*writable)(void *context, int fd);
	void *context;
};

/*
 * The most that the put_ functions write behind the end they return. Each reservation includes it.
 */
#define TEXT_SLACK_BYTES 64

/*
 * A full buffer is written to a file up to a multiple of this, and the rest waits for the next
 * write or flush. A file system that caches in units larger than pages then gets whole units. ext4
 * does so since Linux 6.16, XFS since 6.6. Measured on ext4: 0.26 ns a byte instead of 0.37 ns.
 */
#define TEXT_BLOCK_BYTES (64 * 1024)

/*
 * The buffer for rows: some blocks, and room for the start of the next one. With one block at a
 * time each row of JSON and CSV takes 4 % longer. Much more than four would not stay in a
 * processor's own cache.
 */
#define TEXT_ROWS_BYTES (4 * TEXT_BLOCK_BYTES + 4096)

/*
 * The buffer for reports and frames, which are flushed at their end: as much as a pipe holds at
 * once.
 */
#define TEXT_REPORT_BYTES (64 * 1024)

/*
 * Makes a buffer of @size bytes for @fd, which is not owned. @size limits a single reservation.
 * @wait, which is not owned either, is asked before each write to what is no file. If it is NULL, a
 * write may wait for ever. Returns NULL with errno set if there is no memory.
 *
 * A pipe gets whole lines, if none is longer than PIPE_BUF. A file is cut back to its last whole
 * line if its disk is full, or if it may not grow (EFBIG; SIGXFSZ must be ignored). A terminal that
 * has gone is -EPIPE.
 */
struct text *text_new(int fd, size_t size, const struct text_wait *wait);

/* Drops what is not flushed. NULL-safe. */
void text_free(struct text *text);

/*
 * Returns the cursor, with room for @bytes and the slack. It flushes first if there is too little
 * room. Returns NULL after an error, which text_error() tells. The error is -EMSGSIZE if @bytes is
 * more than the buffer can hold.
 */
char *text_reserve(struct text *text, size_t bytes);

/* Takes what was appended from the cursor to @end, which is within the last reservation. */
void text_commit(struct text *text, const char *end);

/* Appends @len bytes, which may be more than the buffer holds. Returns 0 or -errno. */
int text_put(struct text *text, const void *data, size_t len);

/* Writes what is buffered. Returns 0 or -errno. */
int text_flush(struct text *text);

/* Returns the descriptor that it writes to. */
int text_fd(const struct text *text);

/* Returns 0 or the -errno that stopped the output. */
int text_error(const struct text *text);

/*
 * Returns how many lines are not written: those that an error has dropped, and those in the buffer.
 */
uint64_t text_unwritten(const struct text *text);

/*
 * Goes on after @wait has ended the output with -ECANCELED, unless that happened within a line.
 * Returns 0, or the error that stays.
 */
int text_resume(struct text *text);

#endif /* TCPDWELL_TEXT_H */
