/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Opens files under names that another user may have prepared: the mapped files of processes, the
 * files in /run/netns, the path of an option.
 *
 * To open a FIFO waits for a writer, and to open a device may do something. So the file is first
 * opened with O_PATH, which does neither. It is then looked at, and opened through that descriptor,
 * so that nobody can put something else there meanwhile. Descriptors are close-on-exec and do not
 * block. Any thread.
 */
#ifndef TCPDWELL_UNTRUSTED_H
#define TCPDWELL_UNTRUSTED_H

#include <stdint.h>

/*
 * Opens the regular file at @path for reading. It must have the inode @inode, if that is not 0.
 * Returns a descriptor, or -errno: -EINVAL if something else is there, -EWOULDBLOCK while another
 * process holds a lease on it (fcntl(2), F_SETLEASE), which would hold up its reader for 45 s.
 */
int untrusted_open_file(const char *path, uint64_t inode);

/* Does the same for the file @name in @folder, as for openat(2). It may not be a link. */
int untrusted_open_in(int folder, const char *name);

/*
 * Opens the network namespace at @path: a mount in /run/netns, or /proc/PID/ns/net. Returns a
 * descriptor, or -errno: -EINVAL if something else is there.
 */
int untrusted_open_netns(const char *path);

#endif /* TCPDWELL_UNTRUSTED_H */
