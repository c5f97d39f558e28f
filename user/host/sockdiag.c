// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/v4mapped.h"
#include "host/sockdiag.h"
#include "wire.h"

/* What the kernel fills at a time (NLMSG_GOODSIZE is less). ss uses the same. */
#define ANSWER_BYTES 32768

#define NS_PER_MS 1000000ULL
#define NS_PER_US 1000ULL

/*
 * Sets the ends. An IPv6 socket whose addresses are mapped ones is one of IPv4, and so is a
 * listener at a mapped address, which has no other end.
 */
static void set_ends(struct sockdiag_socket *socket, const struct inet_diag_msg *m)
{
	const void *laddr = m->id.idiag_src, *raddr = m->id.idiag_dst;
	size_t bytes = 4;

	socket->family = 4;
	if (m->idiag_family == AF_INET6) {
		if (v4mapped_is(laddr) &&
		    (v4mapped_is(raddr) || m->idiag_state == TCPDWELL_LISTEN)) {
			laddr = m->id.idiag_src + 3;
			raddr = m->id.idiag_dst + 3;
		} else {
			socket->family = 6;
			bytes = 16;
		}
	}
	memcpy(socket->laddr, laddr, bytes);
	memcpy(socket->raddr, raddr, bytes);
	socket->lport = ntohs(m->id.idiag_sport);
	socket->rport = ntohs(m->id.idiag_dport);
}

/* Takes the times of struct tcp_info, whose end differs between kernels. */
static void set_info(struct sockdiag_socket *socket, const void *data, size_t len)
{
	struct tcp_info info = {};

	if (len < offsetof(struct tcp_info, tcpi_last_ack_recv) + sizeof(info.tcpi_last_ack_recv))
		return;
	memcpy(&info, data, len < sizeof(info) ? len : sizeof(info));
	socket->sent_ns = info.tcpi_last_data_sent * NS_PER_MS;
	socket->received_ns = info.tcpi_last_data_recv * NS_PER_MS;
	socket->acked_ns = info.tcpi_last_ack_recv * NS_PER_MS;
	socket->rto_ns = info.tcpi_rto * NS_PER_US;
	socket->backoff = info.tcpi_backoff;
	socket->probes = info.tcpi_probes;
	socket->total_retransmits = info.tcpi_total_retrans;
}

/*
 * Takes the drops of an array of counters, which grows from kernel to kernel (sock_diag(7),
 * SK_MEMINFO_*).
 */
static void set_memory(struct sockdiag_socket *socket, const void *data, size_t len)
{
	if (len >= (SK_MEMINFO_DROPS + 1) * sizeof(uint32_t))
		socket->drops = ((const uint32_t *)data)[SK_MEMINFO_DROPS];
}

/*
 * Takes the attributes. Requests and timewait sockets have no shutdown (inet_sk_diag_fill() puts
 * it, 4.9). Listeners of IPv6 say unasked whether they are for IPv6 only.
 */
static void set_attributes(struct sockdiag_socket *socket, const struct nlmsghdr *h)
{
	const struct rtattr *a = (const void *)((const struct inet_diag_msg *)NLMSG_DATA(h) + 1);
	int left = h->nlmsg_len - NLMSG_LENGTH(sizeof(struct inet_diag_msg));

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == INET_DIAG_SHUTDOWN)
			socket->full = true;
		else if (a->rta_type == INET_DIAG_INFO)
			set_info(socket, RTA_DATA(a), RTA_PAYLOAD(a));
		else if (a->rta_type == INET_DIAG_SKMEMINFO)
			set_memory(socket, RTA_DATA(a), RTA_PAYLOAD(a));
		else if (a->rta_type == INET_DIAG_SKV6ONLY)
			socket->v6only = RTA_PAYLOAD(a) && *(const uint8_t *)RTA_DATA(a);
	}
}

static int visit_message(const struct nlmsghdr *h, uint64_t read_ns, sockdiag_visit *visit,
			 void *context)
{
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	struct sockdiag_socket socket = {
		.read_ns = read_ns,
		.sent_ns = SOCKDIAG_UNKNOWN,
		.received_ns = SOCKDIAG_UNKNOWN,
		.acked_ns = SOCKDIAG_UNKNOWN,
		.cookie = (uint64_t)m->id.idiag_cookie[1] << 32 | m->id.idiag_cookie[0],
		.inode = m->idiag_inode,
		.uid = m->idiag_uid,
		.interface = m->id.idiag_if,
		.timer = m->idiag_timer,
		.retransmits = m->idiag_retrans,
		.state = m->idiag_state,
	};

	if (m->idiag_timer)
		socket.left_ns = m->idiag_expires * NS_PER_MS;
	if (m->idiag_state == TCPDWELL_LISTEN) {
		socket.queued = m->idiag_rqueue;
		socket.queue_max = m->idiag_wqueue;
	} else {
		socket.unread_bytes = m->idiag_rqueue;
		socket.unacked_bytes = m->idiag_wqueue;
	}
	set_ends(&socket, m);
	set_attributes(&socket, h);
	return visit(context, &socket);
}

int sockdiag_parse(const void *data, size_t len, uint64_t read_ns, sockdiag_visit *visit,
		   void *context)
{
	const struct nlmsghdr *h = data;
	int left = len; /* negative if the last message does not end at a whole word */

	for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		int err;

		if (h->nlmsg_type == NLMSG_DONE) {
			const int *e = NLMSG_DATA(h); /* the errno of a dump that broke off */

			return h->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) && *e < 0 ? *e : 1;
		}
		if (h->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *e = NLMSG_DATA(h);

			/* 0 is an ACK, which nobody asked for. A positive value is no error. */
			if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)) || e->error >= 0)
				return -EPROTO;
			return e->error;
		}
		if (h->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			return -EPROTO;
		err = visit_message(h, read_ns, visit, context);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Only for INET_DIAG_INFO, the first of EXTENSIONS, does the kernel ask the socket itself, and that
 * takes the socket's lock.
 */
#define BRIEF	   (1 << (INET_DIAG_SHUTDOWN - 1))
#define EXTENSIONS (1 << (INET_DIAG_INFO - 1) | BRIEF | 1 << (INET_DIAG_SKMEMINFO - 1))

static int ask(int fd, int family, uint16_t states, uint8_t extensions)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 body;
	} request = {
		.head = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.body = {
			.sdiag_family = family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_ext = extensions,
			.idiag_states = states,
		},
	};

	return send(fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

/*
 * Sends the older kind of request, whose dump is of all families (inet_diag_dump_compat()). So the
 * kernel goes through its hash table once instead of twice.
 */
static int ask_once(int fd, uint16_t states, uint8_t extensions)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req body;
	} request = {
		.head = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = TCPDIAG_GETSOCK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.body = {
			.idiag_ext = extensions,
			.idiag_states = states,
		},
	};

	return send(fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

struct touch {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

static struct touch touch_of(const struct sockdiag_ends *ends)
{
	struct touch touch = {
		.head = {
			.nlmsg_len = sizeof(touch),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.body = {
			.sdiag_family = ends->family == 6 ? AF_INET6 : AF_INET,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = -1,
			.id = {
				.idiag_sport = htons(ends->lport),
				.idiag_dport = htons(ends->rport),
				.idiag_if = ends->interface,
				.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE },
			},
		},
	};

	memcpy(touch.body.id.idiag_src, ends->laddr, sizeof(ends->laddr));
	memcpy(touch.body.id.idiag_dst, ends->raddr, sizeof(ends->raddr));
	return touch;
}

/* An answer that finds no room is dropped, but its socket has its cookie by then. */
int sockdiag_touch(int fd, const struct sockdiag_ends *ends, size_t count)
{
	struct touch touches[SOCKDIAG_TOUCHED];

	for (size_t i = 0; i < count; i++)
		touches[i] = touch_of(&ends[i]);
	return send(fd, touches, count * sizeof(*touches), 0) < 0 ? -errno : 0;
}

static int hear(int fd, void *answer, sockdiag_visit *visit, void *context)
{
	int end = 0;

	while (!end) {
		/* The time is read before and not after: what is left can only get less. */
		uint64_t read_ns = clock_now_ns();
		ssize_t len = recv(fd, answer, ANSWER_BYTES, 0);

		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			return len ? -errno : -EPROTO;
		end = sockdiag_parse(answer, len, read_ns, visit, context);
	}
	return end < 0 ? end : 0;
}

int sockdiag_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	return fd < 0 ? -errno : fd;
}

/* Notes that an answer came. Another request would then tell of the same sockets again. */
struct heard {
	sockdiag_visit *visit;
	void *context;
	bool any;
};

static int note_heard(void *context, const struct sockdiag_socket *socket)
{
	struct heard *heard = context;

	heard->any = true;
	return heard->visit(heard->context, socket);
}

static int dump_by_family(int fd, uint16_t states, uint8_t extensions, void *answer,
			  sockdiag_visit *visit, void *context)
{
	static const int families[] = { AF_INET, AF_INET6 };
	int err = 0;

	for (unsigned int i = 0; i < sizeof(families) / sizeof(*families) && !err; i++) {
		err = ask(fd, families[i], states, extensions);
		if (!err)
			err = hear(fd, answer, visit, context);
		/* A kernel without IPv6 has no such sockets. */
		if (err == -ENOENT && families[i] == AF_INET6)
			err = 0;
	}
	return err;
}

static int dump(int fd, uint16_t states, uint8_t extensions, sockdiag_visit *visit, void *context)
{
	struct heard heard = { .visit = visit, .context = context };
	void *answer = malloc(ANSWER_BYTES);
	int err;

	if (!answer)
		return -ENOMEM;
	err = ask_once(fd, states, extensions);
	if (!err)
		err = hear(fd, answer, note_heard, &heard);
	if (err && !heard.any)
		err = dump_by_family(fd, states, extensions, answer, visit, context);
	free(answer);
	return err;
}

int sockdiag_dump(int fd, uint16_t states, sockdiag_visit *visit, void *context)
{
	return dump(fd, states, EXTENSIONS, visit, context);
}

int sockdiag_dump_brief(int fd, uint16_t states, sockdiag_visit *visit, void *context)
{
	return dump(fd, states, BRIEF, visit, context);
}

int sockdiag_each(uint16_t states, sockdiag_visit *visit, void *context)
{
	int fd = sockdiag_open(), err;

	if (fd < 0)
		return fd;
	err = sockdiag_dump(fd, states, visit, context);
	close(fd);
	return err;
}
