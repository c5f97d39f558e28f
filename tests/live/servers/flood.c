// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A SYN flood out of one end of a veth pair: flood DEVICE TARGET_MAC TARGET PORT COUNT SECONDS
 *
 * Sends SYNs to TARGET:PORT as fast as the machine can, until COUNT are sent or SECONDS have
 * passed. Each comes from another address of 198.18.0.0/15 (RFC 2544: for tests of equipment) or
 * from another port, so that none is a retransmission. Prints "sent COUNT NS": how many, and how
 * long that took.
 */
#include <arpa/inet.h>
#include <err.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Frames for each system call. */
#define BATCH 64

/* The first of 131072 addresses, and the first port of each. */
#define FIRST_ADDR 0xc6120000
#define ADDRS	   131072
#define FIRST_PORT 1024

struct frame {
	struct ether_header ether;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

/* What TCP adds to the checksum beside the segment (RFC 9293, section 3.1). */
struct pseudo {
	uint32_t saddr;
	uint32_t daddr;
	uint16_t protocol;
	uint16_t size;
	struct tcphdr tcp;
} __attribute__((packed));

static uint16_t checksum(const void *data, size_t bytes)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < bytes; i += sizeof(uint16_t)) {
		uint16_t word;

		memcpy(&word, (const char *)data + i, sizeof(word));
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Fills in what is the same in all frames. */
static void frame_init(struct frame *frame, const char *mac, const char *target, const char *port)
{
	static const uint8_t from[ETH_ALEN] = { 2, 0, 0, 0, 0, 9 };
	const struct ether_addr *to = ether_aton(mac);

	memset(frame, 0, sizeof(*frame));
	if (!to || !inet_pton(AF_INET, target, &frame->ip.daddr))
		errx(2, "bad address");
	memcpy(frame->ether.ether_dhost, to, ETH_ALEN);
	memcpy(frame->ether.ether_shost, from, ETH_ALEN);
	frame->ether.ether_type = htons(ETHERTYPE_IP);
	frame->ip.version = 4;
	frame->ip.ihl = sizeof(frame->ip) / 4;
	frame->ip.tot_len = htons(sizeof(frame->ip) + sizeof(frame->tcp));
	frame->ip.ttl = 64;
	frame->ip.protocol = IPPROTO_TCP;
	frame->tcp.dest = htons(atoi(port));
	frame->tcp.doff = sizeof(frame->tcp) / 4;
	frame->tcp.syn = 1;
	frame->tcp.window = htons(65535);
}

/* Fills in the number-th SYN. */
static void frame_fill(struct frame *frame, uint32_t number)
{
	struct pseudo pseudo = {
		.protocol = htons(IPPROTO_TCP),
		.size = htons(sizeof(frame->tcp)),
	};

	frame->ip.saddr = htonl(FIRST_ADDR + number % ADDRS);
	frame->ip.check = 0;
	frame->ip.check = checksum(&frame->ip, sizeof(frame->ip));
	frame->tcp.source = htons(FIRST_PORT + number / ADDRS);
	frame->tcp.seq = htonl(number * 2654435761U);
	frame->tcp.check = 0;
	pseudo.saddr = frame->ip.saddr;
	pseudo.daddr = frame->ip.daddr;
	pseudo.tcp = frame->tcp;
	frame->tcp.check = checksum(&pseudo, sizeof(pseudo));
}

static int open_device(const char *name)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_ifindex = if_nametoindex(name),
	};
	/* Protocol 0: the socket only sends. */
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (!addr.sll_ifindex)
		err(1, "%s", name);
	if (fd < 0 || bind(fd, (void *)&addr, sizeof(addr)))
		err(1, "packet socket");
	return fd;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

int main(int argc, char *argv[])
{
	static struct frame frames[BATCH];
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec vectors[BATCH];
	uint32_t count, sent = 0;
	uint64_t start_ns, end_ns;
	int fd;

	if (argc != 7)
		errx(2, "usage: DEVICE TARGET_MAC TARGET PORT COUNT SECONDS");
	count = strtoul(argv[5], NULL, 10);
	fd = open_device(argv[1]);
	for (int i = 0; i < BATCH; i++) {
		frame_init(&frames[i], argv[2], argv[3], argv[4]);
		vectors[i] = (struct iovec){ &frames[i], sizeof(frames[i]) };
		messages[i].msg_hdr.msg_iov = &vectors[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	start_ns = now_ns();
	end_ns = start_ns + strtoul(argv[6], NULL, 10) * 1000000000ULL;
	while (sent < count && now_ns() < end_ns) {
		int size = count - sent < BATCH ? count - sent : BATCH, done;

		for (int i = 0; i < size; i++)
			frame_fill(&frames[i], sent + i);
		done = sendmmsg(fd, messages, size, 0);
		if (done < 0)
			err(1, "sendmmsg");
		sent += done;
	}
	printf("sent %u %llu\n", sent, (unsigned long long)(now_ns() - start_ns));
	return 0;
}
