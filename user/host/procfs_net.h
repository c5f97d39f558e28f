/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads what /proc and /run tell of network namespaces. As in procfs.h, @root stands for `/`, ""
 * for the real one. Any thread.
 */
#ifndef TCPDWELL_PROCFS_NET_H
#define TCPDWELL_PROCFS_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Returns the first line of @file without the newline, and closes the file. The caller frees the
 * line. Returns NULL with errno set, also if @file is NULL.
 */
char *procfs_take_line(FILE *file);

/*
 * Returns the text of /proc/sys/net/ipv4/@name without the newline, which the caller frees. It is
 * that of the calling thread's network namespace. Returns NULL with errno set.
 */
char *procfs_net_setting(const char *root, const char *name);

/*
 * @name is the namespace's name of ip-netns(8). If it has none, @name is NULL and @pid is a process
 * in it, or 0 for the caller. @fd is an open descriptor of the namespace, which is valid only
 * during the call. Returns true to go on.
 */
typedef bool procfs_netns_visit(void *context, const char *name, uint32_t pid, int fd);

/*
 * Visits the calling process's namespace, those with a name in /run/netns, and those of all other
 * processes, in this order. The same one may come many times. What cannot be read is skipped, but
 * for the first one. Returns 0 or -errno: /proc is not there, or no more files can be opened.
 */
int procfs_each_netns(const char *root, procfs_netns_visit *visit, void *context);

/* @inode is that of the namespace. @name is valid only during the call. */
typedef void procfs_netns_name(void *context, const char *name, uint32_t inode);

/*
 * Calls @found for each name that ip-netns(8) has mounted. No file in /run/netns is touched, since
 * that could take for ever: it may be a FIFO without a writer, or the mount of a server that is
 * gone. /proc/self/mountinfo tells what is mounted there, and for a namespace its inode
 * (nsfs_show_path(), since Linux 4.1).
 */
void procfs_each_netns_name(const char *root, procfs_netns_name *found, void *context);

#endif /* TCPDWELL_PROCFS_NET_H */
