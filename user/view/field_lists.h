/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lists of fields that the rows of several commands share (fields.h says how lists are read). @r is
 * a record of wire.h; members of the same name mean the same in each record.
 */
#ifndef TCPDWELL_FIELD_LISTS_H
#define TCPDWELL_FIELD_LISTS_H

#include "base/tcpstate.h"
#include "host/name_book.h"
#include "view/fields.h"

/* Returns "ipv4" or "ipv6", by the numbers of wire.h. */
const char *family_name(unsigned int family);
#define FAMILY_MAX 7

/* The local end of a connection. */
#define FIELDS_LOCAL(F, r)                                      \
	F(family, choice, family_name, FAMILY_MAX, (r)->family) \
	F(laddr, addr, (r)->family, (r)->laddr)                 \
	F(lport, number, (r)->lport, (r)->lport)

/* The ends of a connection, as trace and life have them. */
#define FIELDS_CONNECTION(F, r)                     \
	F(cookie, number, (r)->cookie, (r)->cookie) \
	F(netns, number, (r)->netns, (r)->netns)    \
	FIELDS_LOCAL(F, r)                          \
	F(raddr, addr, (r)->family, (r)->raddr)     \
	F(rport, number, (r)->rport, (r)->rport)

/* The owner, for records whose owner is one of enum tcpdwell_owner. */
#define FIELDS_OWNER(F, r, names)                    \
	F(pid, number, (r)->owner, (r)->pid)         \
	F(comm, text, (r)->owner ? (r)->comm : NULL) \
	FIELDS_USER(F, r)                            \
	F(cgroup, text, names_path(names))           \
	F(owner, choice, owner_name, TCPDWELL_OWNER_MAX, (r)->owner)

#define FIELDS_USER(F, r) F(uid, number, (r)->uid != UINT32_MAX, (r)->uid)

#define FIELDS_HOLDERS(F, r) F(holders, number, (r)->holders, (r)->holders)

/* Why the connection closed. */
#define FIELDS_END(F, r)                                                 \
	F(reason, choice, reason_name, TCPDWELL_REASON_MAX, (r)->reason) \
	F(errno, errno, (r)->err)

/* What people call the place where it came from. */
#define FIELDS_NAMES(F, names)                                 \
	F(unit, text, names_text(names, CONTAINER_UNIT))       \
	F(container, text, names_text(names, CONTAINER_LABEL)) \
	F(container_id, text, names_text(names, CONTAINER_ID)) \
	F(pod, text, names_text(names, CONTAINER_POD))         \
	F(pod_namespace, text, names_text(names, CONTAINER_POD_NAMESPACE))

#define FIELDS_NETNS_NAME(F, names) F(netns_name, text, (names) ? (names)->netns : NULL)

#endif /* TCPDWELL_FIELD_LISTS_H */
