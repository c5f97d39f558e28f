// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "kernel/culprit.h"

#define NAME_LEN 64

/* Above all errors that have a name. */
#define ERRNO_END 134

static __thread char blamed[NAME_LEN];
static bool shown;

/*
 * Beginnings of libbpf's warnings (0.8 to 1.8) whose first argument is the name of a program or
 * map.
 */
static const char *const formats[] = {
	"libbpf: prog '%s': ",
	"libbpf: map '%s': ",
	"libbpf: Error freezing map(%s)",
	"libbpf: Error setting initial map(%s)",
	"libbpf: failed to re-mmap() map '%s'",
};

/* The number of an error that has this name, 0: none has. */
static int errno_named(const char *name)
{
	for (int err = 1; err < ERRNO_END; err++) {
		const char *other = strerrorname_np(err);

		if (other && !strcmp(other, name))
			return err;
	}
	return 0;
}

static __thread int types_err;

/* With a negative errno (libbpf 0.8 to 1.5), or the name of it (since 1.6). */
static void note_types(const char *format, va_list args)
{
	static const char number[] = "libbpf: Error loading .BTF into kernel: %d";
	static const char name[] = "libbpf: Error loading .BTF into kernel: %s";
	const char *text;
	va_list copy;

	va_copy(copy, args);
	if (!strncmp(format, number, sizeof(number) - 1)) {
		types_err = -va_arg(copy, int);
	} else if (!strncmp(format, name, sizeof(name) - 1)) {
		text = va_arg(copy, const char *);
		types_err = *text == '-' ? errno_named(text + 1) : 0;
	}
	va_end(copy);
}

/* libbpf tries once in a process whether programs can have variables. */
static int variables_err;

/* With a negative errno (libbpf 0.8 to 1.5), or the name of it (since 1.6). */
static void note_trial(const char *format, va_list args)
{
	static const char number[] = "libbpf: Detection of kernel %s support failed: %d";
	static const char name[] = "libbpf: Detection of kernel %s support failed: %s";
	bool numbered = !strncmp(format, number, sizeof(number) - 1);
	const char *text;
	va_list copy;

	if (!numbered && strncmp(format, name, sizeof(name) - 1) != 0)
		return;
	va_copy(copy, args);
	if (strcmp(va_arg(copy, const char *), "global variables") != 0) {
		va_end(copy);
		return;
	}
	if (numbered) {
		variables_err = -va_arg(copy, int);
	} else {
		text = va_arg(copy, const char *);
		variables_err = *text == '-' ? errno_named(text + 1) : 0;
	}
	va_end(copy);
}

static void blame(const char *format, va_list args)
{
	va_list copy;

	for (unsigned int i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		if (strncmp(format, formats[i], strlen(formats[i])))
			continue;
		va_copy(copy, args);
		snprintf(blamed, sizeof(blamed), "%s", va_arg(copy, const char *));
		va_end(copy);
		return;
	}
}

static int listen(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_WARN) {
		blame(format, args);
		note_trial(format, args);
	}
	if (level != LIBBPF_DEBUG)
		note_types(format, args);
	return level == LIBBPF_DEBUG || !shown ? 0 : vfprintf(stderr, format, args);
}

void culprit_listen(bool verbose)
{
	shown = verbose;
	libbpf_set_print(listen);
}

void culprit_forget(void)
{
	blamed[0] = 0;
	types_err = 0;
}

const char *culprit_name(void)
{
	return blamed;
}

int culprit_types_refused(void)
{
	return types_err;
}

int culprit_variables_refused(void)
{
	return variables_err;
}
