// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/put.h"
#include "base/text.h"
#include "view/screen.h"

/*
 * Enter: alternate screen, hidden cursor, no line wrapping. Leave: the reverse. The sequences are
 * ECMA-48 and xterm's private modes.
 */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

#define HOME	  "\033[H"
#define CLEAR_END "\033[K" /* to the end of the line */
#define CLEAR_ALL "\033[J" /* to the end of the screen */

/* The size of a terminal that does not tell it. */
#define ROWS	24
#define COLUMNS 80

struct screen {
	int fd;
	struct text *text;
	struct sigaction stop;
	struct sigaction quit;
};

/* For the signal handler: the terminal's descriptor while the screen is entered, else -1. */
static volatile sig_atomic_t entered = -1;

/*
 * Leaves the screen. Async-signal-safe. A terminal that takes nothing (after ^S, or because it has
 * gone) is left as it is, since waiting for it would hang.
 */
static void leave(void)
{
	struct pollfd terminal = { .fd = entered, .events = POLLOUT };

	entered = -1;
	if (terminal.fd >= 0 && poll(&terminal, 1, 0) == 1 &&
	    write(terminal.fd, LEAVE, sizeof(LEAVE) - 1) < 0)
		return;
}

static void handle(int signal);

static int catch (int signal, struct sigaction *before)
{
	struct sigaction action = { .sa_handler = handle, .sa_flags = SA_NODEFER | SA_RESTART };

	return sigaction(signal, &action, before);
}

/*
 * Does what the signal does by default, with the terminal restored. After ^Z the next frame enters
 * the screen again.
 */
static void handle(int signal)
{
	struct sigaction usual = { .sa_handler = SIG_DFL };
	int err = errno;

	leave();
	sigaction(signal, &usual, NULL);
	raise(signal);
	catch (signal, NULL);
	errno = err;
}

struct screen *screen_new(int fd, struct text *text)
{
	struct screen *screen = calloc(1, sizeof(*screen));

	if (!screen)
		return NULL;
	screen->fd = fd;
	screen->text = text;
	catch (SIGTSTP, &screen->stop);
	catch (SIGQUIT, &screen->quit);
	return screen;
}

void screen_free(struct screen *screen)
{
	if (!screen)
		return;
	leave();
	sigaction(SIGTSTP, &screen->stop, NULL);
	sigaction(SIGQUIT, &screen->quit, NULL);
	free(screen);
}

/*
 * Returns the number of bytes of a line that fit. A byte that continues a character takes no
 * column.
 */
static size_t fitting(const char *line, size_t len, unsigned int columns)
{
	unsigned int used = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		used += (line[i] & 0xc0) != 0x80;
		if (used > columns)
			break;
	}
	return i;
}

static int put_line(struct text *text, const char *line, size_t len, bool first)
{
	char *p = text_reserve(text, len + sizeof("\r\n" CLEAR_END));

	if (!p)
		return text_error(text);
	/* The newline comes before the line, since one after the last row would scroll. */
	if (!first)
		p = put_literal(p, "\r\n");
	p = put_bytes(p, line, len);
	text_commit(text, put_literal(p, CLEAR_END));
	return 0;
}

static int put_sequence(struct text *text, const char *sequence)
{
	char *p = text_reserve(text, strlen(sequence));

	if (!p)
		return text_error(text);
	text_commit(text, put_string(p, sequence));
	return 0;
}

int screen_compose(struct text *text, const char *frame, size_t len, unsigned int rows,
		   unsigned int columns)
{
	const char *end = frame + len;
	int err = put_sequence(text, HOME);

	for (unsigned int row = 0; row < rows && frame < end && !err; row++) {
		const char *line_end = memchr(frame, '\n', end - frame);

		if (!line_end)
			line_end = end;
		err = put_line(text, frame, fitting(frame, line_end - frame, columns), !row);
		frame = line_end + 1;
	}
	return err ?: put_sequence(text, CLEAR_ALL);
}

int screen_show(struct screen *screen, const char *frame, size_t len)
{
	struct winsize size = {};
	int err = 0;

	ioctl(screen->fd, TIOCGWINSZ, &size);
	if (!size.ws_row || !size.ws_col)
		size = (struct winsize){ .ws_row = ROWS, .ws_col = COLUMNS };
	if (entered < 0) {
		entered = screen->fd;
		err = put_sequence(screen->text, ENTER);
	}
	err = err ?: screen_compose(screen->text, frame, len, size.ws_row, size.ws_col);
	return err ?: text_flush(screen->text);
}
