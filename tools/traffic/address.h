/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TRAFFIC_ADDRESS_H
#define TRAFFIC_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* TCP addresses of either family; ports in host order. Errors: -errno. No state. */

/* @mapped makes an IPv4 address ::ffff:a.b.c.d, for an IPv6 socket. */
int address_parse(struct sockaddr_storage *addr, const char *text, bool mapped);
socklen_t address_len(const struct sockaddr_storage *addr);
uint16_t address_port(const struct sockaddr_storage *addr);
void address_set_port(struct sockaddr_storage *addr, uint16_t port);
/* Returns true if its packets are IPv6; false for IPv4, mapped or not. */
bool address_is_ipv6(const struct sockaddr_storage *addr);
/* Returns the unspecified address with port 0, of the same kind as @like: mapped if @like is. */
struct sockaddr_storage address_any(const struct sockaddr_storage *like);
/* Returns the address in the packets: a mapped one becomes plain IPv4. */
struct sockaddr_storage address_on_wire(const struct sockaddr_storage *addr);
/* Returns its bytes in network order, and sets @count to 4 or 16. */
const unsigned char *address_bytes(const struct sockaddr_storage *addr, unsigned int *count);

enum { ADDRESS_TEXT = 64 };
const char *address_text(const struct sockaddr_storage *addr, char text[ADDRESS_TEXT]);

#endif
