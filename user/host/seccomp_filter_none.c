// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>

#include "host/seccomp_filter.h"

int seccomp_filter_install(const struct seccomp_needs *needs)
{
	(void)needs;
	return -ENOSYS;
}

int seccomp_filter_install_looks(void)
{
	return -ENOSYS;
}

bool seccomp_filter_exists(void)
{
	return false;
}
