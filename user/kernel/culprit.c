// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "kernel/culprit.h"

#define NAME_LEN 64

static __thread char blamed[NAME_LEN];
static bool shown;

/*
 * Beginnings of libbpf's warnings (0.8 to 1.6) whose first argument is the name of a program or
 * map.
 */
static const char *const formats[] = {
	"libbpf: prog '%s': ",
	"libbpf: map '%s': ",
	"libbpf: Error freezing map(%s)",
	"libbpf: Error setting initial map(%s)",
};

static __thread struct bpf_object *guarded;
static __thread int types_err;

/*
 * Recognizes libbpf's warning (0.8 to 1.6) that the kernel refused BTF, which has a negative errno.
 * The programs have not been loaded then, and none of them will be.
 */
static void guard(const char *format, va_list args)
{
	static const char refused[] = "libbpf: Error loading .BTF into kernel: %d.";
	struct bpf_program *program;
	va_list copy;

	if (!guarded || strncmp(format, refused, sizeof(refused) - 1))
		return;
	va_copy(copy, args);
	types_err = -va_arg(copy, int);
	va_end(copy);
	bpf_object__for_each_program(program, guarded) bpf_program__set_autoload(program, false);
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
		guard(format, args);
	}
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
}

const char *culprit_name(void)
{
	return blamed;
}

void culprit_guard(struct bpf_object *object)
{
	guarded = object;
	types_err = 0;
}

int culprit_types_refused(void)
{
	return types_err;
}
