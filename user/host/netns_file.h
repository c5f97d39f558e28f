/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The files of /proc that tell of one network namespace and nothing else: its counters and its
 * settings. Those of the first namespace also tell of the host. No other name can be opened by
 * these functions. Any thread.
 */
#ifndef TCPDWELL_NETNS_FILE_H
#define TCPDWELL_NETNS_FILE_H

/*
 * Returns the number of the file @name, such as "net/netstat" or "ipv4/tcp_retries2", or -ENOENT.
 */
int netns_file_find(const char *name);

/*
 * Opens file number @which, for reading, of the namespace that the calling thread is in. @root
 * stands for `/`, "" for the real one. The descriptor tells of that namespace whoever reads it.
 * Returns it, or -errno: -EINVAL if there is no such number.
 */
int netns_file_open(const char *root, unsigned int which);

#endif /* TCPDWELL_NETNS_FILE_H */
