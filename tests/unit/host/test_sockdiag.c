// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Answers of the kernel's socket diagnosis, made by hand; and one of the running kernel. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sockdiag.h"
#include "wire.h"

struct found {
	unsigned int count;
	int answer; /* what the visit returns */
	struct sockdiag_socket sockets[4];
};

static int take(void *context, const struct sockdiag_socket *socket)
{
	struct found *found = context;

	assert_true(found->count < 4);
	found->sockets[found->count++] = *socket;
	return found->answer;
}

/* An answer that the test builds. */
struct answer {
	size_t len;
	_Alignas(8) char data[1024];
};

static void *add(struct answer *answer, uint16_t type, size_t bytes)
{
	struct nlmsghdr *h = (struct nlmsghdr *)(answer->data + answer->len);

	memset(h, 0, NLMSG_SPACE(bytes));
	h->nlmsg_len = NLMSG_LENGTH(bytes);
	h->nlmsg_type = type;
	answer->len += NLMSG_SPACE(bytes);
	return NLMSG_DATA(h);
}

static struct inet_diag_msg *add_socket(struct answer *answer, int family, const char *local,
					const char *remote)
{
	struct inet_diag_msg *m = add(answer, SOCK_DIAG_BY_FAMILY, sizeof(*m));

	m->idiag_family = family;
	m->idiag_state = TCPDWELL_TIME_WAIT;
	m->idiag_timer = 3;
	m->idiag_expires = 59996;
	m->id.idiag_sport = htons(40000);
	m->id.idiag_dport = htons(443);
	assert_int_equal(inet_pton(family, local, m->id.idiag_src), 1);
	assert_int_equal(inet_pton(family, remote, m->id.idiag_dst), 1);
	return m;
}

static void test_socket(void **state)
{
	const uint8_t local[16] = { 192, 0, 2, 1 }, remote[16] = { 198, 51, 100, 7 };
	struct answer answer = {};
	struct found found = {};
	const struct sockdiag_socket *s = found.sockets;

	(void)state;
	add_socket(&answer, AF_INET, "192.0.2.1", "198.51.100.7");
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 55, take, &found), 0);
	add(&answer, NLMSG_DONE, 4);
	found.count = 0;
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 55, take, &found), 1);
	assert_int_equal(found.count, 1);
	assert_int_equal(s->family, 4);
	assert_int_equal(s->state, TCPDWELL_TIME_WAIT);
	assert_int_equal(s->lport, 40000);
	assert_int_equal(s->rport, 443);
	assert_int_equal(s->read_ns, 55);
	assert_int_equal(s->left_ns, 59996000000);
	assert_memory_equal(s->laddr, local, 16);
	assert_memory_equal(s->raddr, remote, 16);
}

/* The test reads identity, file, queue and stamps, and that it is a full socket. */
static void test_attributes(void **state)
{
	struct answer answer = {};
	struct found found = {};
	const struct sockdiag_socket *s = found.sockets;
	struct inet_diag_msg *m;
	struct rtattr *a;
	struct tcp_info info = {
		.tcpi_last_data_sent = 11,
		.tcpi_last_data_recv = 22,
		.tcpi_last_ack_recv = 33,
	};

	(void)state;
	m = add(&answer, SOCK_DIAG_BY_FAMILY, sizeof(*m) + RTA_SPACE(1) + RTA_SPACE(sizeof(info)));
	m->idiag_family = AF_INET;
	m->idiag_state = TCPDWELL_LISTEN;
	m->idiag_inode = 4711;
	m->idiag_uid = 33;
	m->idiag_rqueue = 3;
	m->idiag_wqueue = 128;
	m->id.idiag_cookie[0] = 5;
	m->id.idiag_cookie[1] = 1;
	a = (void *)(m + 1);
	a->rta_type = INET_DIAG_SHUTDOWN;
	a->rta_len = RTA_LENGTH(1);
	a = (void *)((char *)a + RTA_SPACE(1));
	a->rta_type = INET_DIAG_INFO;
	a->rta_len = RTA_LENGTH(sizeof(info));
	memcpy(RTA_DATA(a), &info, sizeof(info));
	add_socket(&answer, AF_INET, "192.0.2.1", "198.51.100.7");
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 55, take, &found), 0);
	assert_int_equal(found.count, 2);
	assert_true(s[0].full);
	assert_int_equal(s[0].cookie, 1ULL << 32 | 5);
	assert_int_equal(s[0].inode, 4711);
	assert_int_equal(s[0].uid, 33);
	assert_int_equal(s[0].queued, 3);
	assert_int_equal(s[0].queue_max, 128);
	assert_int_equal(s[0].sent_ns, 11000000);
	assert_int_equal(s[0].received_ns, 22000000);
	assert_int_equal(s[0].acked_ns, 33000000);
	assert_false(s[1].full);
	assert_int_equal(s[1].queued, 0);
	assert_true(s[1].acked_ns == SOCKDIAG_UNKNOWN);
	/* One attribute claims to be longer than the answer, and one to be shorter than itself. */
	a->rta_len = 0xffff;
	found.count = 0;
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 55, take, &found), 0);
	assert_true(s[0].sent_ns == SOCKDIAG_UNKNOWN);
	a->rta_len = 1;
	found.count = 0;
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 55, take, &found), 0);
	assert_true(s[0].sent_ns == SOCKDIAG_UNKNOWN);
}

/* A listener of IPv6 says whether it is for IPv6 only; an empty attribute says nothing. */
static void test_ipv6_only(void **state)
{
	struct answer answer = {};
	struct found found = {};
	struct inet_diag_msg *m;
	struct rtattr *a;

	(void)state;
	m = add(&answer, SOCK_DIAG_BY_FAMILY, sizeof(*m) + RTA_SPACE(1));
	m->idiag_family = AF_INET6;
	m->idiag_state = TCPDWELL_LISTEN;
	a = (void *)(m + 1);
	a->rta_type = INET_DIAG_SKV6ONLY;
	a->rta_len = RTA_LENGTH(1);
	*(uint8_t *)RTA_DATA(a) = 1;
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 0, take, &found), 0);
	*(uint8_t *)RTA_DATA(a) = 0;
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 0, take, &found), 0);
	*(uint8_t *)RTA_DATA(a) = 1;
	a->rta_len = RTA_LENGTH(0);
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 0, take, &found), 0);
	assert_int_equal(found.count, 3);
	assert_true(found.sockets[0].v6only);
	assert_false(found.sockets[1].v6only);
	assert_false(found.sockets[2].v6only);
}

static void test_ipv6(void **state)
{
	const uint8_t local[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 },
		      mapped[16] = { 192, 0, 2, 1 };
	struct answer answer = {};
	struct found found = {};

	(void)state;
	add_socket(&answer, AF_INET6, "2001:db8::1", "2001:db8::2")->idiag_timer = 0;
	add_socket(&answer, AF_INET6, "::ffff:192.0.2.1", "::ffff:192.0.2.2");
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 0, take, &found), 0);
	add_socket(&answer, AF_INET6, "::ffff:192.0.2.1", "::")->idiag_state = TCPDWELL_LISTEN;
	found.count = 0;
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 0, take, &found), 0);
	assert_int_equal(found.count, 3);
	assert_int_equal(found.sockets[0].family, 6);
	assert_memory_equal(found.sockets[0].laddr, local, 16);
	assert_int_equal(found.sockets[0].left_ns, 0);
	assert_int_equal(found.sockets[1].family, 4);
	assert_memory_equal(found.sockets[1].laddr, mapped, 16);
	assert_int_equal(found.sockets[2].family, 4);
	assert_memory_equal(found.sockets[2].laddr, mapped, 16);
}

static void test_errors(void **state)
{
	struct answer answer = {};
	struct found found = { .answer = -ENOMEM };
	struct nlmsgerr *e;

	(void)state;
	add_socket(&answer, AF_INET, "192.0.2.1", "198.51.100.7");
	add_socket(&answer, AF_INET, "192.0.2.1", "198.51.100.7");
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 0, take, &found), -ENOMEM);
	assert_int_equal(found.count, 1);

	answer.len = 0;
	e = add(&answer, NLMSG_ERROR, sizeof(*e));
	e->error = -ENOENT;
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 0, take, &found), -ENOENT);
	e->error = 0;
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 0, take, &found), -EPROTO);
	e->error = 5; /* not an error of the kernel: all of them are negative */
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 0, take, &found), -EPROTO);

	/* The dump breaks off. */
	answer.len = 0;
	*(int *)add(&answer, NLMSG_DONE, sizeof(int)) = -ENOENT;
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 0, take, &found), -ENOENT);

	/* The message is shorter than a socket. */
	answer.len = 0;
	add(&answer, SOCK_DIAG_BY_FAMILY, 8);
	assert_int_equal(sockdiag_parse(answer.data, answer.len, 0, take, &found), -EPROTO);
	/* The answer is cut off. */
	assert_int_equal(sockdiag_parse(answer.data, 10, 0, take, &found), 0);
}

/* The header's length ends within a word: the next message would begin behind the answer. */
static void test_end_amid_a_word(void **state)
{
	size_t len = NLMSG_LENGTH(sizeof(struct inet_diag_msg)) + 1;
	struct nlmsghdr *h = calloc(1, len);
	struct found found = {};

	(void)state;
	assert_non_null(h);
	h->nlmsg_len = len;
	h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	assert_int_equal(sockdiag_parse(h, len, 0, take, &found), 0);
	assert_int_equal(found.count, 1);
	free(h);
}

static int look_for_port(void *context, const struct sockdiag_socket *socket)
{
	uint16_t *port = context;

	if (socket->lport == *port && socket->state == TCPDWELL_LISTEN)
		*port = 0;
	return 0;
}

static void test_running_kernel(void **state)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0), err;
	uint16_t port;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (void *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (void *)&addr, &len), 0);
	port = ntohs(addr.sin_port);
	err = sockdiag_each(1 << TCPDWELL_LISTEN, look_for_port, &port);
	close(fd);
	if (err == -ENOENT || err == -EPROTONOSUPPORT)
		skip();
	assert_int_equal(err, 0);
	assert_int_equal(port, 0);
}

/* The order in which listeners and other sockets come. */
struct order {
	uint16_t port;	/* of the IPv6 listener */
	uint16_t port4; /* of the IPv4 listener, which has a connection */
	unsigned int listeners;
	unsigned int early; /* connections before all listeners */
	unsigned int connections;
};

static int note_order(void *context, const struct sockdiag_socket *socket)
{
	struct order *order = context;

	if (socket->lport != order->port && socket->lport != order->port4)
		return 0;
	if (socket->state == TCPDWELL_LISTEN) {
		order->listeners++;
	} else {
		order->connections++;
		order->early += order->listeners < 2;
	}
	return 0;
}

static int listen_at(int family, void *addr, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, addr, len) || listen(fd, 1) || getsockname(fd, addr, &len)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* One dump has both families: each socket comes once, and all listeners before the others. */
static void test_families_at_once(void **state)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in addr4 = { .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = listen_at(AF_INET6, &addr, sizeof(addr)), client, err;
	int fd4 = listen_at(AF_INET, &addr4, sizeof(addr4));
	struct order order = {};

	(void)state;
	assert_true(fd4 >= 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(client, (void *)&addr4, sizeof(addr4)), 0);
	order.port = ntohs(addr.sin6_port);
	order.port4 = ntohs(addr4.sin_port);
	err = sockdiag_each(1 << TCPDWELL_LISTEN | 1 << TCPDWELL_ESTABLISHED, note_order, &order);
	close(client);
	close(fd4);
	if (fd < 0)
		skip(); /* no IPv6 */
	close(fd);
	if (err == -ENOENT || err == -EPROTONOSUPPORT)
		skip();
	assert_int_equal(err, 0);
	assert_int_equal(order.listeners, 2);
	assert_int_equal(order.connections, 1);
	assert_int_equal(order.early, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_socket),	       cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_ipv6_only),      cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_errors),	       cmocka_unit_test(test_end_amid_a_word),
		cmocka_unit_test(test_running_kernel), cmocka_unit_test(test_families_at_once),
	};

	return cmocka_run_group_tests_name("sockdiag", tests, NULL, NULL);
}
