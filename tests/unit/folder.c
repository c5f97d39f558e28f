// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "folder.h"

char folder_root[64];

int folder_make(void **state)
{
	(void)state;
	strcpy(folder_root, "/tmp/tcpdwell-XXXXXX");
	return mkdtemp(folder_root) ? 0 : -1;
}

int folder_remove(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder_root);
	return system(command);
}

void folder_shell(const char *command)
{
	char line[2048];

	snprintf(line, sizeof(line), "umask 022; cd %s && %s", folder_root, command);
	assert_int_equal(system(line), 0);
}

void folder_put(const char *name, const char *data, size_t len)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder_root, name);
	for (char *p = path + strlen(folder_root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

void folder_put_text(const char *name, const char *text)
{
	folder_put(name, text, strlen(text));
}
