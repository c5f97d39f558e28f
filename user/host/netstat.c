// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Both files have pairs of lines, "TcpExt: NAME NAME ..." and "TcpExt: VALUE VALUE ...". The names
 * differ between kernels, and lines have some kilobytes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/netns_walk.h"
#include "host/netstat.h"

/* Returns true if @name is "GROUP.WORD". */
static int is_named(const char *name, const char *group, size_t group_len, const char *word)
{
	return !strncmp(name, group, group_len) && name[group_len] == '.' &&
	       !strcmp(name + group_len + 1, word);
}

/* Takes the values of a pair of lines, each of which stands below its name. */
static void take_pair(char *names, char *numbers, const char *const wanted[], uint64_t values[],
		      size_t count)
{
	char *save_names, *save_numbers;
	char *name = strtok_r(names, " \n", &save_names);
	char *number = strtok_r(numbers, " \n", &save_numbers);
	const char *group = name;
	size_t group_len;

	/* The first word of both lines is the group and a colon. */
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

void netstat_take(FILE *file, const char *const names[], uint64_t values[], size_t count)
{
	char *heads = NULL, *numbers = NULL;
	size_t heads_room = 0, numbers_room = 0;

	while (getline(&heads, &heads_room, file) > 0 && getline(&numbers, &numbers_room, file) > 0)
		take_pair(heads, numbers, names, values, count);
	free(heads);
	free(numbers);
}

static int read_file(const struct netns_place *place, const char *name, const char *const names[],
		     uint64_t values[], size_t count)
{
	FILE *file = netns_place_open(place, name);

	if (!file)
		return -errno;
	netstat_take(file, names, values, count);
	fclose(file);
	return 0;
}

int netstat_read(const struct netns_place *place, const char *const names[], uint64_t values[],
		 size_t count)
{
	int err;

	for (size_t i = 0; i < count; i++)
		values[i] = NETSTAT_UNKNOWN;
	err = read_file(place, "net/snmp", names, values, count);
	return read_file(place, "net/netstat", names, values, count) ?: err;
}

const struct netstat_host netstat_host_unknown = { NETSTAT_UNKNOWN, NETSTAT_UNKNOWN,
						   NETSTAT_UNKNOWN };

void netstat_take_host(FILE *file, struct netstat_host *host)
{
	char line[256];

	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "TCP: inuse %*u orphan %" SCNu64 " tw %*u alloc %*u mem %" SCNu64,
			   &host->orphans, &host->pages) > 0)
			break;
}

static void add_unknown(uint64_t *known, uint64_t value)
{
	if (*known == NETSTAT_UNKNOWN)
		*known = value;
}

void netstat_add_host(const struct netns_place *place, struct netstat_host *host)
{
	char *limits = netns_place_setting(place, "ipv4/tcp_mem");
	FILE *file = netns_place_open(place, "net/sockstat");
	struct netstat_host found = netstat_host_unknown;

	if (file) {
		netstat_take_host(file, &found);
		fclose(file);
	}
	if (limits)
		sscanf(limits, "%*u %" SCNu64, &found.pressure_pages);
	free(limits);
	add_unknown(&host->orphans, found.orphans);
	add_unknown(&host->pages, found.pages);
	add_unknown(&host->pressure_pages, found.pressure_pages);
}
