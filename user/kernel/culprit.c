// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "kernel/culprit.h"

#define NAME_LEN 64

static __thread char blamed[NAME_LEN];
static bool shown;

/* Formats of libbpf's warnings (0.8 to 1.6) whose first argument is a name. */
static const char *const formats[] = {
	"libbpf: prog '%s': ",
	"libbpf: map '%s': ",
	"libbpf: Error freezing map(%s)",
	"libbpf: Error setting initial map(%s)",
};

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
	if (level == LIBBPF_WARN)
		blame(format, args);
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
