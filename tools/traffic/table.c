// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "table.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A line is "  12: 0100007F:9C41 0100007F:D2F0 06 ..."; tcp6 has longer addresses. */
static bool line_matches(const char *line, uint16_t local_port, uint16_t remote_port, int *state)
{
	unsigned int local, remote, st;

	if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%x %x", &local, &remote, &st) != 3)
		return false;
	*state = st;
	return local == local_port && remote == remote_port;
}

int table_state(int fd, uint16_t local_port, uint16_t remote_port)
{
	char buffer[16 * 1024 + 1];
	size_t kept = 0;
	int state;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, buffer + kept, sizeof(buffer) - 1 - kept);
		char *line = buffer, *end;

		if (n < 0)
			return -errno;
		if (n == 0)
			return TCP_CLOSE;
		buffer[kept + n] = '\0';
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			if (line_matches(line, local_port, remote_port, &state))
				return state;
		}
		kept = strlen(line);
		memmove(buffer, line, kept + 1);
	}
}

const char *state_name(int state)
{
	static const char *const names[] = {
		[TCP_ESTABLISHED] = "ESTABLISHED",
		[TCP_SYN_SENT] = "SYN_SENT",
		[TCP_SYN_RECV] = "SYN_RECV",
		[TCP_FIN_WAIT1] = "FIN_WAIT1",
		[TCP_FIN_WAIT2] = "FIN_WAIT2",
		[TCP_TIME_WAIT] = "TIME_WAIT",
		[TCP_CLOSE] = "CLOSE",
		[TCP_CLOSE_WAIT] = "CLOSE_WAIT",
		[TCP_LAST_ACK] = "LAST_ACK",
		[TCP_LISTEN] = "LISTEN",
		[TCP_CLOSING] = "CLOSING",
	};
	bool known = state > 0 && state < (int)(sizeof(names) / sizeof(names[0]));

	return known && names[state] ? names[state] : "?";
}
