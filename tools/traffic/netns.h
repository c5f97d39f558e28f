/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TRAFFIC_NETNS_H
#define TRAFFIC_NETNS_H

/*
 * The caller's network namespace. netns_own() moves it to a new one with loopback up, so that
 * netns_set() changes nobody else's settings. Errors: -errno.
 */
int netns_own(void);
/* Writes @value to /proc/sys/net/@name. */
int netns_set(const char *name, const char *value);

#endif
