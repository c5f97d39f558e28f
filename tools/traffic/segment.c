// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "segment.h"

#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/syscall.h>

static const uint64_t PATIENCE_NS = 20ULL * 1000 * 1000 * 1000;

enum {
	TCP_SEQ_OFFSET = 4,
	TCP_ACK_OFFSET = 8,
	TCP_LEN_OFFSET = 12,
	TCP_FLAGS_OFFSET = 13,
	TCP_CHECK_OFFSET = 16,
	TCP_HEADER_BYTES = 20,
	ICMP_HEADER_BYTES = 8,
	QUOTED_TCP_BYTES = 8, /* the ports and the sequence number, by which TCP finds it */
};

static uint32_t sum16(uint32_t sum, const unsigned char *bytes, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		sum += i % 2 ? bytes[i] : bytes[i] << 8;
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void put16(unsigned char *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static void put32(unsigned char *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static uint32_t get32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

uint32_t segment_seq(const struct segment *segment)
{
	return get32(segment->bytes + TCP_SEQ_OFFSET);
}

uint32_t segment_ack(const struct segment *segment)
{
	return get32(segment->bytes + TCP_ACK_OFFSET);
}

/* Loopback delivers segments without a checksum, so that of a caught segment is of no use. */
static void set_checksum(const struct end *from, const struct end *to, struct segment *segment)
{
	unsigned char *check = segment->bytes + TCP_CHECK_OFFSET;
	unsigned int count;
	const unsigned char *bytes;
	uint32_t sum = IPPROTO_TCP + segment->size;

	bytes = address_bytes(&from->local, &count);
	sum = sum16(sum, bytes, count);
	bytes = address_bytes(&to->local, &count);
	sum = sum16(sum, bytes, count);
	put16(check, 0);
	put16(check, folded(sum16(sum, segment->bytes, segment->size)));
}

static int raw_open(struct end *end, int protocol)
{
	long fd;

	if (stage_error(end->stage))
		return -1;
	fd = puppet_call(end->puppet, SYS_socket, address_is_ipv6(&end->local) ? AF_INET6 : AF_INET,
			 SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		stage_fail(end->stage, fd, "%s: raw socket", end->role);
	return fd;
}

static void raw_close(struct end *end, int fd)
{
	if (fd >= 0)
		puppet_call(end->puppet, SYS_close, fd);
}

int tap_open(struct end *end)
{
	return raw_open(end, IPPROTO_TCP);
}

void tap_close(struct end *end, int tap)
{
	raw_close(end, tap);
}

/* Returns the next segment at the tap; -errno if none comes in time. */
static long tap_next(struct end *end, int tap, struct segment *segment)
{
	struct puppet_memory *memory = puppet_memory(end->puppet);
	const unsigned char *bytes = memory->bytes;
	long n;

	memory->poll = (struct pollfd){ .fd = tap, .events = POLLIN };
	memory->timeout = (struct timespec){ .tv_sec = PATIENCE_NS / 1000000000 };
	n = puppet_call(end->puppet, SYS_ppoll, (long)&memory->poll, 1, (long)&memory->timeout, 0,
			0);
	if (n <= 0)
		return n ? n : -ETIMEDOUT;
	n = puppet_call(end->puppet, SYS_recvfrom, tap, (long)memory->bytes, PUPPET_BYTES, 0, 0, 0);
	if (n < 0)
		return n;
	/* An IPv4 raw socket also delivers the IP header; an IPv6 one does not. */
	if (!address_is_ipv6(&end->local)) {
		unsigned int header = (bytes[0] & 0xf) * 4;

		bytes += header;
		n -= header;
	}
	segment->size = n < SEGMENT_BYTES ? (n < 0 ? 0 : n) : SEGMENT_BYTES;
	memcpy(segment->bytes, bytes, segment->size);
	return 0;
}

void tap_catch(struct end *end, int tap, const struct end *from, unsigned int mask,
	       unsigned int flags, struct segment *segment)
{
	unsigned char ports[4];
	long err;

	put16(ports, address_port(&from->local));
	put16(ports + 2, address_port(&end->local));
	while (!stage_error(end->stage)) {
		err = tap_next(end, tap, segment);
		if (err)
			stage_fail(end->stage, err, "%s: wait for a segment", end->role);
		else if (segment->size >= TCP_HEADER_BYTES &&
			 !memcmp(segment->bytes, ports, sizeof(ports)) &&
			 (segment->bytes[TCP_FLAGS_OFFSET] & mask) == flags)
			return;
	}
}

/* Sends @size bytes from @from's address to @to's. The ports are in the bytes, if there are any. */
static void raw_send(struct end *from, const struct end *to, int protocol, const void *bytes,
		     unsigned int size)
{
	struct puppet_memory *memory = puppet_memory(from->puppet);
	int fd = raw_open(from, protocol);
	long n;

	if (stage_error(from->stage))
		return;
	memory->addr = address_on_wire(&from->local);
	memory->addr_set = address_on_wire(&to->local);
	address_set_port(&memory->addr, 0);
	address_set_port(&memory->addr_set, 0);
	memcpy(memory->bytes, bytes, size);
	n = puppet_call(from->puppet, SYS_bind, fd, (long)&memory->addr,
			address_len(&memory->addr));
	if (!n)
		n = puppet_call(from->puppet, SYS_sendto, fd, (long)memory->bytes, size, 0,
				(long)&memory->addr_set, address_len(&memory->addr_set));
	if (n < 0)
		stage_fail(from->stage, n, "%s: send a raw packet", from->role);
	raw_close(from, fd);
}

void segment_send(struct end *from, const struct end *to, struct segment *segment)
{
	set_checksum(from, to, segment);
	raw_send(from, to, IPPROTO_TCP, segment->bytes, segment->size);
}

void segment_send_reset(struct end *from, const struct end *to, uint32_t seq)
{
	struct segment reset = { .size = TCP_HEADER_BYTES };

	put16(reset.bytes, address_port(&from->local));
	put16(reset.bytes + 2, address_port(&to->local));
	put32(reset.bytes + TCP_SEQ_OFFSET, seq);
	reset.bytes[TCP_LEN_OFFSET] = TCP_HEADER_BYTES / 4 << 4;
	reset.bytes[TCP_FLAGS_OFFSET] = SEGMENT_RST;
	segment_send(from, to, &reset);
}

/* Writes the header of the packet that @syn was in, which @to sent to @from. Returns its size. */
static unsigned int quote_header(unsigned char *at, const struct end *from, const struct end *to)
{
	unsigned int count, header;
	const unsigned char *source = address_bytes(&to->local, &count);
	const unsigned char *target = address_bytes(&from->local, &count);

	header = count == 16 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr);
	memset(at, 0, header);
	if (count == 16) {
		at[0] = 6 << 4;
		put16(at + 4, TCP_HEADER_BYTES);
		at[6] = IPPROTO_TCP;
		at[7] = IPDEFTTL;
	} else {
		at[0] = 4 << 4 | sizeof(struct iphdr) / 4;
		put16(at + 2, sizeof(struct iphdr) + TCP_HEADER_BYTES);
		at[8] = IPDEFTTL;
		at[9] = IPPROTO_TCP;
	}
	/* In both versions the addresses are at the end of the header. */
	memcpy(at + header - 2 * count, source, count);
	memcpy(at + header - count, target, count);
	return header;
}

void segment_send_unreachable(struct end *from, const struct end *to, const struct segment *syn)
{
	unsigned char message[ICMP_HEADER_BYTES + sizeof(struct ip6_hdr) + QUOTED_TCP_BYTES] = {
		0
	};
	bool ipv6 = address_is_ipv6(&from->local);
	unsigned int size = ICMP_HEADER_BYTES;

	message[0] = ipv6 ? ICMP6_DST_UNREACH : ICMP_DEST_UNREACH;
	message[1] = ipv6 ? ICMP6_DST_UNREACH_ADDR : ICMP_HOST_UNREACH;
	size += quote_header(message + size, from, to);
	memcpy(message + size, syn->bytes, QUOTED_TCP_BYTES);
	size += QUOTED_TCP_BYTES;
	/* The kernel computes the checksum of ICMPv6. */
	if (!ipv6)
		put16(message + 2, folded(sum16(0, message, size)));
	raw_send(from, to, ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, message, size);
}
