// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/notice.h"
#include "base/terminal.h"

/* How long a line waits for a standard error that takes nothing. The lines after it do not wait. */
#define PATIENCE_MS 200

#define LINE_BYTES 1024

static int terminal = -1;
static bool stuck;

void notice_open(void)
{
	if (terminal < 0)
		terminal = terminal_reopen(STDERR_FILENO);
}

/* Writes a line. A pipe that is writable takes a line of less than PIPE_BUF at once (pipe(7)). */
static void write_line(const char *line, size_t len)
{
	struct pollfd output = { .fd = terminal < 0 ? STDERR_FILENO : terminal, .events = POLLOUT };

	while (len) {
		int ready = poll(&output, 1, stuck ? 0 : PATIENCE_MS);
		ssize_t n;

		if (ready < 0 && errno == EINTR)
			continue;
		stuck = ready <= 0;
		if (stuck)
			return;
		n = write(output.fd, line, len);
		if (n > 0) {
			line += n;
			len -= n;
		} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
			return;
		}
	}
}

static void say(const char *format, va_list args)
{
	char line[LINE_BYTES] = "tcpdwell: ";
	const int prefix = sizeof("tcpdwell: ") - 1;
	int len = vsnprintf(line + prefix, sizeof(line) - prefix - 1, format, args);

	if (len < 0)
		return;
	len += prefix;
	if (len > (int)sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	/* Writes with one call, so that lines of several processes on one terminal do not mix. */
	write_line(line, len);
}

void notice_print(const struct notice *notice, enum notice_level level, const char *format, ...)
{
	va_list args;

	if ((level == NOTICE_STATUS && notice->quiet) ||
	    (level == NOTICE_DETAIL && !notice->verbose))
		return;
	va_start(args, format);
	say(format, args);
	va_end(args);
}

void notice_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}
