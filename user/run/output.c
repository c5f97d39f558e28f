// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/terminal.h"
#include "run/output.h"
#include "view/screen.h"

struct output {
	int terminal; /* a descriptor that does not block; -1: no terminal */
	struct text *text;
	struct screen *screen; /* NULL: not in place */
};

bool output_is_terminal(void)
{
	return isatty(STDOUT_FILENO);
}

unsigned int output_columns(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) ? 0 : size.ws_col;
}

unsigned int output_lines(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) ? 0 : size.ws_row;
}

struct output *output_new(bool in_place, const struct text_wait *wait)
{
	struct output *output = calloc(1, sizeof(*output));
	int fd = STDOUT_FILENO, err;

	if (!output)
		return NULL;
	output->terminal = terminal_reopen(fd);
	if (output->terminal >= 0)
		fd = output->terminal;
	output->text = text_new(fd, TEXT_ROWS_BYTES, wait);
	if (output->text && in_place)
		output->screen = screen_new(fd, output->text);
	if (output->text && (output->screen || !in_place))
		return output;
	err = errno;
	output_free(output);
	errno = err;
	return NULL;
}

void output_free(struct output *output)
{
	if (!output)
		return;
	screen_free(output->screen);
	text_free(output->text);
	if (output->terminal >= 0)
		close(output->terminal);
	free(output);
}

struct text *output_text(struct output *output)
{
	return output->text;
}

int output_error(const struct output *output)
{
	return text_error(output->text);
}

void output_leave_place(struct output *output)
{
	screen_free(output->screen);
	output->screen = NULL;
}

/*
 * The report is made in memory first, because stdio drops bytes that a non-blocking descriptor does
 * not take.
 */
int output_report(struct output *output, output_render *render, const void *context)
{
	char *report = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&report, &len);
	int err;

	if (!out)
		return -errno;
	err = render(out, context);
	if (fclose(out) && !err)
		err = -ENOMEM;
	if (!err && output->screen)
		err = screen_show(output->screen, report, len);
	else if (!err)
		err = text_put(output->text, report, len) ?: text_flush(output->text);
	free(report);
	return err;
}
