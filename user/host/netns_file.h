/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The files of /proc that tell of one network namespace and nothing else: what is counted there,
 * and its settings; in the first one also the host's. No other name can be opened through here. Any
 * thread.
 */
#ifndef TCPDWELL_NETNS_FILE_H
#define TCPDWELL_NETNS_FILE_H

/* The number of the file @name, such as "net/netstat" or "ipv4/tcp_retries2", or -ENOENT. */
int netns_file_find(const char *name);

/*
 * Opens file number @which for reading, of the namespace that the calling thread is in; @root
 * stands for `/`, "" for the real one. The descriptor stays that namespace's, whoever reads it.
 * Returns it, or -errno: -EINVAL if there is no such number.
 */
int netns_file_open(const char *root, unsigned int which);

#endif /* TCPDWELL_NETNS_FILE_H */
