/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What this host calls itself. Any thread. */
#ifndef TCPDWELL_HOST_NAME_H
#define TCPDWELL_HOST_NAME_H

#include <unistd.h>

#define HOST_NAME_BYTES 65

static inline void host_name_read(char name[HOST_NAME_BYTES])
{
	name[0] = name[HOST_NAME_BYTES - 1] = '\0';
	gethostname(name, HOST_NAME_BYTES - 1);
}

#endif /* TCPDWELL_HOST_NAME_H */
