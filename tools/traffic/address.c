// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

int address_parse(struct sockaddr_storage *addr, const char *text, bool mapped)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)addr;
	struct sockaddr_in *in = (struct sockaddr_in *)addr;
	char mapped_text[ADDRESS_TEXT];

	memset(addr, 0, sizeof(*addr));
	if (mapped) {
		snprintf(mapped_text, sizeof(mapped_text), "::ffff:%s", text);
		text = mapped_text;
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		addr->ss_family = AF_INET6;
	else if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
		addr->ss_family = AF_INET;
	else
		return -EINVAL;
	return 0;
}

socklen_t address_len(const struct sockaddr_storage *addr)
{
	return addr->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
					     sizeof(struct sockaddr_in);
}

/* sin_port and sin6_port are at the same offset. */
uint16_t address_port(const struct sockaddr_storage *addr)
{
	return ntohs(((const struct sockaddr_in *)addr)->sin_port);
}

void address_set_port(struct sockaddr_storage *addr, uint16_t port)
{
	((struct sockaddr_in *)addr)->sin_port = htons(port);
}

bool address_is_ipv6(const struct sockaddr_storage *addr)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;

	return addr->ss_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
}

const unsigned char *address_bytes(const struct sockaddr_storage *addr, unsigned int *count)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;

	*count = address_is_ipv6(addr) ? 16 : 4;
	if (addr->ss_family == AF_INET6)
		return in6->sin6_addr.s6_addr + 16 - *count;
	return (const unsigned char *)&((const struct sockaddr_in *)addr)->sin_addr;
}

struct sockaddr_storage address_any(const struct sockaddr_storage *like)
{
	struct sockaddr_storage any;
	bool mapped = like->ss_family == AF_INET6 && !address_is_ipv6(like);

	address_parse(&any, address_is_ipv6(like) ? "::" : "0.0.0.0", mapped);
	return any;
}

struct sockaddr_storage address_on_wire(const struct sockaddr_storage *addr)
{
	struct sockaddr_storage wire = *addr;
	struct sockaddr_in *in = (struct sockaddr_in *)&wire;
	unsigned int count;

	if (addr->ss_family == AF_INET6 && !address_is_ipv6(addr)) {
		memset(&wire, 0, sizeof(wire));
		in->sin_family = AF_INET;
		in->sin_port = htons(address_port(addr));
		memcpy(&in->sin_addr, address_bytes(addr, &count), sizeof(in->sin_addr));
	}
	return wire;
}

const char *address_text(const struct sockaddr_storage *addr, char text[ADDRESS_TEXT])
{
	unsigned int count;
	const unsigned char *bytes = address_bytes(addr, &count);

	return inet_ntop(count == 16 ? AF_INET6 : AF_INET, bytes, text, ADDRESS_TEXT);
}
