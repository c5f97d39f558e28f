/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Text that is shown in place on a terminal: each frame over the last one, in one write and without
 * clearing first, so that nothing flickers.
 *
 * The alternate screen is used, as by less(1), so what was on the terminal is there again
 * afterwards. The terminal is also put back before the process is stopped by ^Z or ended by ^\.
 * There is one screen in a process.
 */
#ifndef TCPDWELL_SCREEN_H
#define TCPDWELL_SCREEN_H

#include <stddef.h>

struct screen;
struct text;

/*
 * @fd is the terminal and @text writes to it; neither is owned. Returns NULL with errno set. The
 * caller frees it.
 */
struct screen *screen_new(int fd, struct text *text);

/* Puts the terminal back as it was. NULL-safe. */
void screen_free(struct screen *screen);

/* Shows @len bytes of @frame, cut to the size that the terminal has now. Returns 0 or -errno. */
int screen_show(struct screen *screen, const char *frame, size_t len);

/*
 * Appends @frame, cut to @rows lines of @columns columns, as it goes to the terminal. Returns 0 or
 * -errno.
 */
int screen_compose(struct text *text, const char *frame, size_t len, unsigned int rows,
		   unsigned int columns);

#endif /* TCPDWELL_SCREEN_H */
