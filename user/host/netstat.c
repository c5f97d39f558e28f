// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Both files have pairs of lines, "TcpExt: NAME NAME ..." and "TcpExt: VALUE VALUE ...". Kernels
 * differ in which names there are, and lines have some kilobytes.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/netstat.h"

/* Whether @name is "GROUP.WORD". */
static int is_named(const char *name, const char *group, size_t group_len, const char *word)
{
	return !strncmp(name, group, group_len) && name[group_len] == '.' &&
	       !strcmp(name + group_len + 1, word);
}

/* Takes the values that stand below names. */
static void take_pair(char *names, char *numbers, const char *const wanted[], uint64_t values[],
		      size_t count)
{
	char *save_names, *save_numbers;
	char *name = strtok_r(names, " \n", &save_names);
	char *number = strtok_r(numbers, " \n", &save_numbers);
	const char *group = name;
	size_t group_len;

	/* The first word of both is the group and a colon. */
	if (!name || !number || strcmp(name, number))
		return;
	group_len = strcspn(group, ":");
	while ((name = strtok_r(NULL, " \n", &save_names)) &&
	       (number = strtok_r(NULL, " \n", &save_numbers))) {
		for (size_t i = 0; i < count; i++)
			if (is_named(wanted[i], group, group_len, name))
				values[i] = strtoull(number, NULL, 10);
	}
}

static int read_file(const char *root, const char *file, const char *const wanted[],
		     uint64_t values[], size_t count)
{
	char path[PATH_MAX], *names = NULL, *numbers = NULL;
	size_t names_room = 0, numbers_room = 0;
	FILE *in;

	snprintf(path, sizeof(path), "%s/proc/thread-self/net/%s", root, file);
	in = fopen(path, "re");
	if (!in)
		return -errno;
	while (getline(&names, &names_room, in) > 0 && getline(&numbers, &numbers_room, in) > 0)
		take_pair(names, numbers, wanted, values, count);
	free(names);
	free(numbers);
	fclose(in);
	return 0;
}

int netstat_read(const char *root, const char *const names[], uint64_t values[], size_t count)
{
	int err;

	for (size_t i = 0; i < count; i++)
		values[i] = NETSTAT_UNKNOWN;
	err = read_file(root, "snmp", names, values, count);
	return read_file(root, "netstat", names, values, count) ?: err;
}

uint64_t netstat_grew(uint64_t before, uint64_t after)
{
	if (before == NETSTAT_UNKNOWN || after == NETSTAT_UNKNOWN || after < before)
		return 0;
	return after - before;
}
