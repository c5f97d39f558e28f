// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "host/netns_file.h"

static const char *const files[] = {
	"net/sockstat",
	"net/sockstat6",
	"net/snmp",
	"net/netstat",
	"core/somaxconn",
	"ipv4/ip_local_port_range",
	"ipv4/ip_local_reserved_ports",
	"ipv4/ip_unprivileged_port_start",
	"ipv4/tcp_abort_on_overflow",
	"ipv4/tcp_fin_timeout",
	"ipv4/tcp_keepalive_intvl",
	"ipv4/tcp_keepalive_probes",
	"ipv4/tcp_keepalive_time",
	"ipv4/tcp_max_orphans",
	"ipv4/tcp_max_syn_backlog",
	"ipv4/tcp_max_tw_buckets",
	"ipv4/tcp_mem",
	"ipv4/tcp_orphan_retries",
	"ipv4/tcp_retries2",
	"ipv4/tcp_rto_max_ms",
	"ipv4/tcp_syn_linear_timeouts",
	"ipv4/tcp_syn_retries",
	"ipv4/tcp_synack_retries",
	"ipv4/tcp_syncookies",
	"ipv4/tcp_timestamps",
	"ipv4/tcp_tw_reuse",
	"ipv4/tcp_tw_reuse_delay",
	"ipv6/conf/all/disable_ipv6",
};

#define COUNT (sizeof(files) / sizeof(*files))

int netns_file_find(const char *name)
{
	for (unsigned int i = 0; i < COUNT; i++)
		if (!strcmp(files[i], name))
			return i;
	return -ENOENT;
}

int netns_file_open(const char *root, unsigned int which)
{
	char path[PATH_MAX];
	int fd;

	if (which >= COUNT)
		return -EINVAL;
	/*
	 * thread-self is the calling thread's namespace. /proc/net is not: it is that of the first
	 * thread.
	 */
	snprintf(path, sizeof(path), "%s/proc/%s%s", root,
		 strncmp(files[which], "net/", 4) ? "sys/net/" : "thread-self/", files[which]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
