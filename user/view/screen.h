/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shows text in place on a terminal. Each frame overwrites the last one, in one write and without
 * clearing first, so that nothing flickers.
 *
 * It uses the alternate screen, as less(1) does, so the former contents of the terminal reappear
 * afterwards. The terminal is also restored before the process is stopped by ^Z or ended by ^\. A
 * process can have only one screen.
 */
#ifndef TCPDWELL_SCREEN_H
#define TCPDWELL_SCREEN_H

#include <stddef.h>

struct screen;
struct text;

/*
 * @fd is the terminal, and @text writes to it; neither is owned. Returns NULL with errno set. The
 * caller frees the screen.
 */
struct screen *screen_new(int fd, struct text *text);

/* Restores the terminal. NULL-safe. */
void screen_free(struct screen *screen);

/* Shows @len bytes of @frame, cut to the present size of the terminal. Returns 0 or -errno. */
int screen_show(struct screen *screen, const char *frame, size_t len);

/*
 * Appends @frame to @text as it goes to the terminal, cut to @rows lines of @columns columns.
 * Returns 0 or -errno.
 */
int screen_compose(struct text *text, const char *frame, size_t len, unsigned int rows,
		   unsigned int columns);

#endif /* TCPDWELL_SCREEN_H */
