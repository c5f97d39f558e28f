// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/procfs.h"

int procfs_check(struct failure *failure)
{
	return access("/proc/self/fd", X_OK) ?
		       failure_set(failure, STATUS_HOST,
				   "/proc is not mounted (mount -t proc proc /proc)") :
		       0;
}

static FILE *open_under(const char *root, const char *path)
{
	char full[PATH_MAX];

	if (snprintf(full, sizeof(full), "%s%s", root, path) >= (int)sizeof(full)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	return fopen(full, "re");
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Undoes the kernel's escapes: it writes blank, tab, newline and backslash as \ooo. */
static void unescape_octal(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && is_octal(s[1]) && is_octal(s[2]) && is_octal(s[3])) {
			*to++ = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* Splits a line of mountinfo, see proc(5). A lone hyphen ends the optional fields. */
static bool parse_mount(char *line, struct procfs_mount *mount)
{
	char *save, *field = strtok_r(line, " \n", &save);

	for (int i = 0; field && i < 3; i++)
		field = strtok_r(NULL, " \n", &save);
	mount->root = field;
	mount->point = strtok_r(NULL, " \n", &save);
	do {
		field = strtok_r(NULL, " \n", &save);
	} while (field && strcmp(field, "-"));
	mount->type = strtok_r(NULL, " \n", &save);
	return mount->root && mount->point && mount->type;
}

int procfs_each_mount(const char *root, procfs_mount_visit *visit, void *context)
{
	FILE *file = open_under(root, "/proc/self/mountinfo");
	struct procfs_mount mount;
	char *line = NULL;
	bool go_on = true;
	size_t cap = 0;

	if (!file)
		return -errno;
	while (go_on && getline(&line, &cap, file) > 0) {
		if (!parse_mount(line, &mount))
			continue;
		unescape_octal(mount.point);
		go_on = visit(context, &mount);
	}
	free(line);
	fclose(file);
	return 0;
}

struct cgroup2_mount {
	char *path;
	size_t size;
	int err;
};

static bool take_cgroup2(void *context, const struct procfs_mount *mount)
{
	struct cgroup2_mount *found = context;
	bool whole = !strcmp(mount->root, "/");

	if (strcmp(mount->type, "cgroup2") || (!whole && found->err != -ENOENT))
		return true;
	found->err = strlen(mount->point) < found->size ? 0 : -ENAMETOOLONG;
	if (!found->err)
		strcpy(found->path, mount->point);
	return !whole;
}

int procfs_cgroup2_mount(const char *root, char *path, size_t size)
{
	struct cgroup2_mount found = { .path = path, .size = size, .err = -ENOENT };

	return procfs_each_mount(root, take_cgroup2, &found) ?: found.err;
}

int procfs_symbols(const char *root, const char *const names[], uint64_t addresses[], size_t count)
{
	FILE *file = open_under(root, "/proc/kallsyms");
	size_t missing = count, size = 0;
	char *line = NULL;

	if (!file)
		return -errno;
	memset(addresses, 0, count * sizeof(*addresses));
	/*
	 * A line is "ffffffff81000000 T name [module]". If several have one name, the first is the
	 * kernel's.
	 */
	while (missing && getline(&line, &size, file) > 0) {
		char *name = strchr(line, ' ');

		if (!name || strlen(name) < 4)
			continue;
		name += 3;
		name[strcspn(name, "\t\n")] = '\0';
		for (size_t i = 0; i < count; i++) {
			if (!addresses[i] && !strcmp(name, names[i])) {
				addresses[i] = strtoull(line, NULL, 16);
				missing--;
			}
		}
	}
	free(line);
	fclose(file);
	return 0;
}

/* PROC_PID_INIT_INO, include/linux/proc_ns.h (since 3.8). */
#define PID_INIT_INODE 0xEFFFFFFC

bool procfs_pids_are_the_kernels(const char *root)
{
	char path[PATH_MAX], link[64];
	unsigned int inode;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/proc/self/ns/pid", root);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return true;
	link[len] = 0;
	return sscanf(link, "pid:[%u]", &inode) != 1 || inode == PID_INIT_INODE;
}

/* PROC_TIME_INIT_INO, include/linux/proc_ns.h (since 5.6). */
#define TIME_INIT_LINK "time:[4026531834]"

/*
 * Returns true if the process's time namespace is the initial one. The file tells of the namespace
 * that children will be in: after unshare(1) without --fork the process itself may still be in the
 * initial one.
 */
static bool time_is_the_kernels(const char *root)
{
	char path[PATH_MAX], link[64];
	ssize_t len;

	snprintf(path, sizeof(path), "%s/proc/self/ns/time", root);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return true; /* no time namespaces (5.6) */
	link[len] = '\0';
	return !strcmp(link, TIME_INIT_LINK);
}

int64_t procfs_monotonic_offset_ns(const char *root)
{
	FILE *file = open_under(root, "/proc/self/timens_offsets");
	int64_t seconds, nanoseconds, offset_ns = 0;
	char line[128];

	if (!file)
		return 0;
	while (!time_is_the_kernels(root) && fgets(line, sizeof(line), file))
		if (sscanf(line, "monotonic %" SCNd64 " %" SCNd64, &seconds, &nanoseconds) == 2 &&
		    (__builtin_mul_overflow(seconds, (int64_t)1000000000, &offset_ns) ||
		     __builtin_add_overflow(offset_ns, nanoseconds, &offset_ns)))
			offset_ns = 0; /* no kernel accepts such an offset */
	fclose(file);
	return offset_ns;
}
