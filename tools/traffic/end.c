// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "end.h"

#include "address.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

/* Data and accepts come at once, except over the veth of a slow machine. */
static const uint64_t PATIENCE_NS = 20ULL * 1000 * 1000 * 1000;

void end_init(struct end *end, struct stage *stage, struct puppet *puppet, const char *role)
{
	*end = (struct end){
		.stage = stage,
		.puppet = puppet,
		.role = role,
		.connection = 1,
		.fd = -1,
		.verified_ns = now_ns(),
	};
}

void end_close_quietly(struct end *end)
{
	if (end->fd >= 0)
		puppet_call(end->puppet, SYS_close, end->fd);
	end->fd = -1;
}

/* Records the result of a step: the first error with its words; later steps do nothing. */
static long call(struct end *end, const char *what, long result)
{
	if (result < 0)
		stage_fail(end->stage, result, "%s: %s", end->role, what);
	return result;
}

#define end_call(end, nr, ...)                    \
	(stage_error((end)->stage) ? -ECANCELED : \
				     call(end, #nr, puppet_call((end)->puppet, nr, __VA_ARGS__)))

static struct puppet_memory *memory_of(struct end *end)
{
	return puppet_memory(end->puppet);
}

/* Begins an end in a state that it is known to have. */
static void begin(struct end *end, int state)
{
	end->verified_ns = now_ns();
	end->path[0] = (struct end_step){ state, end->verified_ns, end->verified_ns };
	end->steps = 1;
}

static void learn_local(struct end *end)
{
	struct puppet_memory *memory = memory_of(end);

	memory->len = sizeof(memory->addr);
	if (end_call(end, SYS_getsockname, end->fd, (long)&memory->addr, (long)&memory->len) == 0)
		end->local = memory->addr;
}

struct end *end_socket(struct stage *stage, bool server)
{
	struct puppet *puppet = server ? stage_server(stage) : stage_client(stage);
	struct end *end = stage_new_end(stage, puppet, server ? "server" : "client");

	stage_address(stage, server, &end->local);
	end->remote = address_any(&end->local);
	end->fd = end_call(end, SYS_socket, end->local.ss_family,
			   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	begin(end, TCP_CLOSE);
	return end;
}

void end_bind(struct end *end, uint16_t port)
{
	struct puppet_memory *memory = memory_of(end);

	/* A port that an earlier run left in TIME_WAIT will do. */
	end_option(end, SOL_SOCKET, SO_REUSEADDR, 1);
	memory->addr = end->local;
	address_set_port(&memory->addr, port);
	end_call(end, SYS_bind, end->fd, (long)&memory->addr, address_len(&memory->addr));
	learn_local(end);
}

struct end *end_listen(struct stage *stage, int backlog)
{
	struct end *end = end_socket(stage, true);

	end->role = "listener";
	end_bind(end, 0);
	end->verified_ns = now_ns();
	end_call(end, SYS_listen, end->fd, backlog);
	end_goes(end, TCP_LISTEN);
	return end;
}

/* Starts a connect(); with data, it is sent in the SYN. */
static long start_connect(struct end *end, const struct end *to, unsigned int bytes)
{
	struct puppet_memory *memory = memory_of(end);
	long err;

	if (stage_error(end->stage))
		return -ECANCELED;
	memory->addr = to->local;
	end->remote = to->local;
	end->verified_ns = now_ns();
	end_passes(end, TCP_SYN_SENT);
	if (bytes)
		err = puppet_call(end->puppet, SYS_sendto, end->fd, (long)memory->bytes, bytes,
				  MSG_FASTOPEN, (long)&memory->addr, address_len(&memory->addr));
	else
		err = puppet_call(end->puppet, SYS_connect, end->fd, (long)&memory->addr,
				  address_len(&memory->addr));
	/* The state was entered before the call returned; it may be over already. */
	end->path[end->steps - 1].hi_ns = now_ns();
	return err;
}

void end_connect(struct end *end, const struct end *to)
{
	long err = start_connect(end, to, 0);

	if (err && err != -EINPROGRESS)
		call(end, "connect", err);
	else
		learn_local(end);
}

void end_connect_finds_no_port(struct end *end, const struct end *to)
{
	long err = start_connect(end, to, 0);

	if (stage_error(end->stage))
		return;
	if (err != -EADDRNOTAVAIL)
		stage_fail(end->stage, err < 0 ? err : -EPROTO, "%s: connect found a port",
			   end->role);
	address_set_port(&end->local, 0);
	end_over(end, "no_local_port", EADDRNOTAVAIL, TCP_CLOSE);
}

void end_connect_with_data(struct end *end, const struct end *to, unsigned int bytes)
{
	long sent = start_connect(end, to, bytes);

	if (sent != bytes)
		call(end, "sendto", sent < 0 ? sent : -EPROTO);
	else
		learn_local(end);
}

void end_collect(struct end *end, const struct end *to, int error)
{
	struct puppet_memory *memory = memory_of(end);
	long err;

	if (stage_error(end->stage))
		return;
	memory->addr = to->local;
	err = puppet_call(end->puppet, SYS_connect, end->fd, (long)&memory->addr,
			  address_len(&memory->addr));
	if (err != -error)
		stage_fail(end->stage, err < 0 ? err : -EPROTO, "%s: connect should say '%s'",
			   end->role, strerror(error));
}

struct end *end_child(struct end *listener, struct end *client)
{
	struct end *child = stage_new_end(listener->stage, listener->puppet, "server");

	child->local = client->remote;
	child->remote = client->local;
	begin(child, TCP_LISTEN);
	/* The SYN left no earlier than connect() began. */
	child->verified_ns = client->path[client->steps - 1].lo_ns;
	return child;
}

static void wait_readable(struct end *end)
{
	struct puppet_memory *memory = memory_of(end);
	long n;

	memory->poll = (struct pollfd){ .fd = end->fd, .events = POLLIN };
	memory->timeout.tv_sec = PATIENCE_NS / 1000000000;
	memory->timeout.tv_nsec = 0;
	n = end_call(end, SYS_ppoll, (long)&memory->poll, 1, (long)&memory->timeout, 0, 0);
	if (n == 0)
		stage_fail(end->stage, -ETIMEDOUT, "%s: nothing to read or accept", end->role);
}

static bool same_peer(const struct end *child, const struct sockaddr_storage *peer)
{
	unsigned int count, peer_count;
	const unsigned char *bytes = address_bytes(&child->remote, &count);
	const unsigned char *peer_bytes = address_bytes(peer, &peer_count);

	return address_port(&child->remote) == address_port(peer) && count == peer_count &&
	       !memcmp(bytes, peer_bytes, count);
}

void end_accept(struct end *child, struct end *listener)
{
	struct puppet_memory *memory = memory_of(listener);

	wait_readable(listener);
	memory->len = sizeof(memory->addr);
	child->fd = end_call(listener, SYS_accept4, listener->fd, (long)&memory->addr,
			     (long)&memory->len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (child->fd >= 0 && !same_peer(child, &memory->addr))
		stage_fail(child->stage, -EPROTO, "server: accepted another connection");
}

void end_shutdown(struct end *end)
{
	end_look(end);
	end_call(end, SYS_shutdown, end->fd, SHUT_WR);
}

void end_cookie(struct end *end)
{
	struct puppet_memory *memory = memory_of(end);

	if (!stage_options(end->stage)->cookies || end->fd < 0)
		return;
	memory->len = sizeof(memory->cookie);
	if (!end_call(end, SYS_getsockopt, end->fd, SOL_SOCKET, SO_COOKIE, (long)&memory->cookie,
		      (long)&memory->len))
		end->cookie = memory->cookie;
}

void end_close(struct end *end)
{
	end_cookie(end);
	end_look(end);
	end_call(end, SYS_close, end->fd);
	if (!stage_error(end->stage))
		end->fd = -1;
}

void end_abort(struct end *end)
{
	struct puppet_memory *memory = memory_of(end);

	memory->linger = (struct linger){ .l_onoff = 1, .l_linger = 0 };
	end_call(end, SYS_setsockopt, end->fd, SOL_SOCKET, SO_LINGER, (long)&memory->linger,
		 sizeof(memory->linger));
	end_close(end);
}

void end_disconnect(struct end *end)
{
	struct puppet_memory *memory = memory_of(end);

	memset(&memory->addr, 0, sizeof(memory->addr));
	memory->addr.ss_family = AF_UNSPEC;
	end_look(end);
	end_call(end, SYS_connect, end->fd, (long)&memory->addr, sizeof(memory->addr));
}

struct end *end_again(struct end *end)
{
	struct end *again = stage_new_end(end->stage, end->puppet, end->role);

	end_cookie(end);
	again->connection = end->connection + 1;
	again->fd = end->fd;
	again->local = end->local;
	again->remote = address_any(&end->local);
	end->fd = -1;
	address_set_port(&again->local, 0);
	begin(again, TCP_CLOSE);
	return again;
}

void end_exit(struct end *end)
{
	end_cookie(end);
	if (stage_error(end->stage))
		return;
	end_look(end);
	call(end, "exit", puppet_exit(end->puppet));
	end->fd = -1;
}

void end_option(struct end *end, int level, int name, int value)
{
	struct puppet_memory *memory = memory_of(end);

	memory->value = value;
	end_call(end, SYS_setsockopt, end->fd, level, name, (long)&memory->value,
		 sizeof(memory->value));
}

void end_send(struct end *end, unsigned int bytes)
{
	struct puppet_memory *memory = memory_of(end);
	long sent = end_call(end, SYS_sendto, end->fd, (long)memory->bytes, bytes, 0, 0, 0);

	if (sent >= 0 && sent != bytes)
		stage_fail(end->stage, -EAGAIN, "%s: sent %ld of %u bytes", end->role, sent, bytes);
}

static void receive(struct end *end, unsigned int bytes, int flags)
{
	struct puppet_memory *memory = memory_of(end);
	long got = 0;

	/* MSG_WAITALL does not wait on a non-blocking socket; the low-water mark does. */
	end_option(end, SOL_SOCKET, SO_RCVLOWAT, bytes);
	wait_readable(end);
	got = end_call(end, SYS_recvfrom, end->fd, (long)memory->bytes, bytes, flags, 0, 0);
	if (got >= 0 && got != bytes)
		stage_fail(end->stage, -EPROTO, "%s: received %ld of %u bytes", end->role, got,
			   bytes);
}

void end_receive(struct end *end, unsigned int bytes)
{
	receive(end, bytes, 0);
}

void end_unread(struct end *end, unsigned int bytes)
{
	receive(end, bytes, MSG_PEEK);
}

void end_error(struct end *end, int error)
{
	struct puppet_memory *memory = memory_of(end);

	memory->len = sizeof(memory->value);
	if (end_call(end, SYS_getsockopt, end->fd, SOL_SOCKET, SO_ERROR, (long)&memory->value,
		     (long)&memory->len))
		return;
	if (memory->value != error)
		stage_fail(end->stage, -EPROTO, "%s: its error is '%s', should be '%s'", end->role,
			   strerror(memory->value), strerror(error));
}
