/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The filters on the ends of a connection, applied to what sock_diag(7) says of a socket. Pure. */
#ifndef TCPDWELL_SOCKDIAG_FILTER_H
#define TCPDWELL_SOCKDIAG_FILTER_H

#include <stdbool.h>

#include "cli/filters.h"
#include "host/sockdiag.h"

/*
 * Returns true if a socket passes the filters on family, ports and addresses. No other filter is
 * looked at.
 */
bool sockdiag_wanted(const struct filters *filters, const struct sockdiag_socket *socket);

#endif /* TCPDWELL_SOCKDIAG_FILTER_H */
