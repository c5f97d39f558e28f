// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stddef.h>

#include "model/deadline.h"
#include "wire.h"

#define MS 1000000ULL
#define S  1000000000ULL

/*
 * TCP_RTO_MIN (include/net/tcp.h): the kernel computes limits from it, whatever the round trip is.
 */
#define RTO_MIN_NS (200 * MS)

/* TCP_TIMEOUT_INIT: the first timeout of a request. */
#define REQUEST_NS (1 * S)

/* What tcp_orphan_retries=0 means while the timeout still grows. */
#define ORPHAN_RETRIES 8

/* TCP_TIMEWAIT_LEN. */
#define TIMEWAIT_S 60

/* No limit takes more rounds, since retransmits, probes and retries are bytes. */
#define ROUNDS_MAX 512

const struct deadline_settings deadline_defaults = {
	.retries2 = 15,
	.orphan_retries = 0,
	.syn_retries = 6,
	.syn_linear_timeouts = 4,
	.synack_retries = 5,
	.rto_max_ms = 120000,
};

static const char *const setting_names[DEADLINE_BY_MAX] = {
	[DEADLINE_BY_NOTHING] = "",
	[DEADLINE_BY_RETRIES2] = "net.ipv4.tcp_retries2",
	[DEADLINE_BY_ORPHAN_RETRIES] = "net.ipv4.tcp_orphan_retries",
	[DEADLINE_BY_SYN_RETRIES] = "net.ipv4.tcp_syn_retries",
	[DEADLINE_BY_SYNACK_RETRIES] = "net.ipv4.tcp_synack_retries",
	[DEADLINE_BY_USER_TIMEOUT] = "TCP_USER_TIMEOUT",
	[DEADLINE_BY_KEEPALIVE] = "keep-alive",
	[DEADLINE_BY_FIN_TIMEOUT] = "net.ipv4.tcp_fin_timeout",
	[DEADLINE_BY_TIMEWAIT] = "TIME_WAIT",
};

const char *deadline_setting(enum deadline_by by)
{
	return setting_names[by];
}

const char *deadline_kind_name(unsigned int kind)
{
	static const char *const names[] = {
		[DEADLINE_UNKNOWN] = NULL,
		[DEADLINE_AT] = "within",
		[DEADLINE_IF_SILENT] = "unless_answered",
		[DEADLINE_NEVER] = "never",
	};

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : NULL;
}

static struct deadline at(uint64_t ns, enum deadline_by by, enum deadline_kind kind)
{
	return (struct deadline){ .kind = kind, .by = by, .ns = ns };
}

static uint64_t rto_max_ns(const struct deadline_settings *settings)
{
	return settings->rto_max_ms * MS;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Returns how long @retries retransmissions take from the least timeout on, as tcp_model_timeout()
 * does.
 */
static uint64_t model_ns(unsigned int retries, const struct deadline_settings *settings)
{
	uint64_t max_ns = rto_max_ns(settings);
	unsigned int doublings = 0;

	while (doublings < 32 && RTO_MIN_NS << (doublings + 1) <= max_ns)
		doublings++;
	if (retries <= doublings)
		return ((2ULL << retries) - 1) * RTO_MIN_NS;
	return ((2ULL << doublings) - 1) * RTO_MIN_NS + (retries - doublings) * max_ns;
}

/* Returns what tcp_orphan_retries() returns. @alive: the timeout has not reached its maximum. */
static unsigned int orphan_retries(const struct deadline_socket *socket,
				   const struct deadline_settings *settings, bool alive)
{
	if (socket->err_soft && !alive)
		return 0;
	return settings->orphan_retries ?: alive ? ORPHAN_RETRIES : 0;
}

/*
 * Returns the time since the first retransmission. If the kernel does not tell, it is computed from
 * the timeout, which has doubled with each retransmission; the first one was sent when the first
 * timeout expired.
 */
static uint64_t since_retransmit(const struct deadline_socket *socket)
{
	uint64_t passed_ns, first_ns;

	if (!socket->retransmits)
		return 0;
	if (socket->retransmit_ns != DEADLINE_NEVER_SEEN)
		return socket->retransmit_ns;
	first_ns = socket->rto_ns >> lesser(socket->retransmits, 63);
	passed_ns = socket->rto_ns > socket->expires_ns ? socket->rto_ns - socket->expires_ns : 0;
	return socket->rto_ns - lesser(2 * first_ns, socket->rto_ns) + passed_ns;
}

/* Returns how long after the first retransmission a timer that expires ends the connection. */
static uint64_t limit_ns(const struct deadline_socket *socket,
			 const struct deadline_settings *settings, uint64_t rto_ns)
{
	bool alive = rto_ns < rto_max_ns(settings);

	if (socket->user_timeout_ms)
		return socket->user_timeout_ms * MS;
	if (socket->orphan)
		return model_ns(orphan_retries(socket, settings, alive), settings);
	return model_ns(settings->retries2, settings);
}

static enum deadline_by retransmits_by(const struct deadline_socket *socket)
{
	return socket->user_timeout_ms ? DEADLINE_BY_USER_TIMEOUT :
	       socket->orphan	       ? DEADLINE_BY_ORPHAN_RETRIES :
					 DEADLINE_BY_RETRIES2;
}

/*
 * Adds how late a timer expires. Timers are never early, but late by at least a tick, and usually
 * by 3 %. Without that, a sum of timeouts that misses a limit by a hair would seem to go on for
 * twice as long.
 */
static uint64_t late(uint64_t ns)
{
	return ns + ns / 128;
}

/*
 * Returns the next timeout, which ends no later than TCP_USER_TIMEOUT:
 * tcp_clamp_rto_to_user_timeout().
 */
static uint64_t next_ns(const struct deadline_socket *socket, uint64_t rto_ns, uint64_t since_ns)
{
	uint64_t user_ns = socket->user_timeout_ms * MS;

	return user_ns > since_ns ? lesser(rto_ns, user_ns - since_ns) : rto_ns;
}

static struct deadline of_retransmits(const struct deadline_socket *socket,
				      const struct deadline_settings *settings)
{
	uint64_t ns = socket->expires_ns, rto_ns = socket->rto_ns;
	uint64_t since_ns = since_retransmit(socket) + ns;
	bool again = socket->retransmits;

	for (int i = 0; i < ROUNDS_MAX; i++) {
		uint64_t step_ns;

		if (again && late(since_ns) >= limit_ns(socket, settings, rto_ns))
			return at(ns, retransmits_by(socket), DEADLINE_AT);
		if (!again)
			since_ns = 0;
		again = true;
		rto_ns = lesser(rto_ns * 2, rto_max_ns(settings));
		step_ns = next_ns(socket, rto_ns, since_ns);
		ns += step_ns;
		since_ns += step_ns;
	}
	return at(0, DEADLINE_BY_NOTHING, DEADLINE_UNKNOWN);
}

/*
 * Returns when SYN_SENT ends. Since 6.5 the first few timeouts do not double; the limit counts
 * retransmissions.
 */
static struct deadline of_syn(const struct deadline_socket *socket,
			      const struct deadline_settings *settings)
{
	unsigned int retries = socket->syn_retries ?: settings->syn_retries;
	unsigned int last = retries + settings->syn_linear_timeouts;
	uint64_t ns = socket->expires_ns, rto_ns = socket->rto_ns;

	for (unsigned int sent = socket->retransmits; sent < last; sent++) {
		/* The timeout that has just expired was number sent + 1. */
		if (sent + 1 > settings->syn_linear_timeouts)
			rto_ns = lesser(rto_ns * 2, rto_max_ns(settings));
		ns += rto_ns;
	}
	return at(ns, DEADLINE_BY_SYN_RETRIES, DEADLINE_AT);
}

static struct deadline of_request(const struct deadline_socket *socket,
				  const struct deadline_settings *settings)
{
	unsigned int retries = socket->syn_retries ?: settings->synack_retries;
	uint64_t ns = socket->expires_ns;

	for (unsigned int sent = socket->retransmits; sent < retries; sent++)
		ns += lesser(REQUEST_NS << lesser(sent + 1, 32), rto_max_ns(settings));
	return at(ns, DEADLINE_BY_SYNACK_RETRIES, DEADLINE_AT);
}

/* Returns the timeout of the probe after the next one, after @backoff doublings. */
static uint64_t probe_ns(const struct deadline_socket *socket,
			 const struct deadline_settings *settings, unsigned int backoff)
{
	uint64_t rto_ns = socket->rto_ns ?: RTO_MIN_NS, max_ns = rto_max_ns(settings);

	for (unsigned int i = 0; i < backoff && rto_ns < max_ns; i++)
		rto_ns *= 2;
	return lesser(rto_ns, max_ns);
}

/*
 * Returns when probes of a zero window end. If the peer answers that its window is zero, the count
 * starts again from zero, except for an orphan.
 */
static struct deadline of_probes(const struct deadline_socket *socket,
				 const struct deadline_settings *settings)
{
	unsigned int backoff = socket->backoff, sent = socket->probes_out;
	uint64_t ns = socket->expires_ns;

	if (socket->user_timeout_ms)
		return at(socket->user_timeout_ms * MS + ns, DEADLINE_BY_USER_TIMEOUT,
			  DEADLINE_IF_SILENT);
	for (int i = 0; i < ROUNDS_MAX; i++, sent++, backoff++) {
		unsigned int most = settings->retries2;

		if (socket->orphan) {
			bool alive = probe_ns(socket, settings, backoff) < rto_max_ns(settings);

			most = orphan_retries(socket, settings, alive);
			if (!alive && backoff >= most)
				return at(ns, DEADLINE_BY_ORPHAN_RETRIES, DEADLINE_AT);
		}
		if (sent >= most)
			return at(ns, retransmits_by(socket), DEADLINE_IF_SILENT);
		ns += probe_ns(socket, settings, backoff + 1);
	}
	return at(0, DEADLINE_BY_NOTHING, DEADLINE_UNKNOWN);
}

/*
 * Returns the time to the next keep-alive probe. The kernel does not move the timer when something
 * is received; when the timer expires, it checks how long ago that was.
 */
static uint64_t next_probe_ns(const struct deadline_socket *socket)
{
	uint64_t time_ns = socket->keepalive_time_s * S;

	if (socket->probes_out || time_ns < socket->idle_ns + socket->expires_ns)
		return socket->expires_ns;
	return time_ns - socket->idle_ns;
}

/*
 * Returns when keep-alive ends with TCP_USER_TIMEOUT. Then the number of probes is no limit; one
 * probe and @user_ns without an answer are enough.
 */
static struct deadline of_keepalive_for(const struct deadline_socket *socket, uint64_t user_ns)
{
	uint64_t ns = next_probe_ns(socket), step_ns = socket->keepalive_intvl_s * S;

	if (!socket->probes_out)
		ns += step_ns;
	if (socket->idle_ns + ns < user_ns && step_ns)
		ns += (user_ns - socket->idle_ns - ns + step_ns - 1) / step_ns * step_ns;
	return at(ns, DEADLINE_BY_USER_TIMEOUT, DEADLINE_IF_SILENT);
}

/*
 * Returns when an orphan in FIN_WAIT2 ends that is still a full socket. Either its timeout is
 * longer than a timewait socket's, or the socket was in use when its FIN was acknowledged. With a
 * longer timeout, the part beyond 60 s counts twice: once for this timer, and once for the timewait
 * socket that follows.
 */
static struct deadline of_fin_wait2(const struct deadline_socket *socket)
{
	uint64_t beyond_s = socket->fin_timeout_s > TIMEWAIT_S ?
				    socket->fin_timeout_s - TIMEWAIT_S :
				    0;

	return at(socket->expires_ns + beyond_s * S, DEADLINE_BY_FIN_TIMEOUT, DEADLINE_AT);
}

static struct deadline of_keepalive(const struct deadline_socket *socket)
{
	uint64_t left = socket->keepalive_probes > socket->probes_out ?
				socket->keepalive_probes - socket->probes_out :
				0;

	if (socket->state == TCPDWELL_FIN_WAIT2 && socket->orphan)
		return of_fin_wait2(socket);
	if (!socket->keepalive)
		return at(0, DEADLINE_BY_NOTHING, DEADLINE_UNKNOWN);
	if (socket->user_timeout_ms)
		return of_keepalive_for(socket, socket->user_timeout_ms * MS);
	return at(next_probe_ns(socket) + left * socket->keepalive_intvl_s * S,
		  DEADLINE_BY_KEEPALIVE, DEADLINE_IF_SILENT);
}

/* Returns the end of a socket that has no timer. */
static struct deadline of_idle(const struct deadline_socket *socket)
{
	switch (socket->state) {
	case TCPDWELL_ESTABLISHED:
	case TCPDWELL_CLOSE_WAIT:
	case TCPDWELL_FIN_WAIT2:
	case TCPDWELL_LISTEN:
	case TCPDWELL_CLOSE:
		if (!socket->unacknowledged && !socket->orphan)
			return at(0, DEADLINE_BY_NOTHING, DEADLINE_NEVER);
		/* fall through */
	default:
		return at(0, DEADLINE_BY_NOTHING, DEADLINE_UNKNOWN);
	}
}

struct deadline deadline_of(const struct deadline_socket *socket,
			    const struct deadline_settings *netns)
{
	struct deadline_settings settings = *netns;

	if (socket->rto_max_ms)
		settings.rto_max_ms = socket->rto_max_ms;
	switch (socket->timer) {
	case DEADLINE_TIMER_RETRANSMIT:
		return socket->state == TCPDWELL_SYN_SENT ? of_syn(socket, &settings) :
							    of_retransmits(socket, &settings);
	case DEADLINE_TIMER_PROBE:
		return of_probes(socket, &settings);
	case DEADLINE_TIMER_KEEPALIVE:
		return of_keepalive(socket);
	case DEADLINE_TIMER_REQUEST:
		return of_request(socket, &settings);
	case DEADLINE_TIMER_TIMEWAIT:
		return at(socket->expires_ns,
			  socket->state == TCPDWELL_FIN_WAIT2 ? DEADLINE_BY_FIN_TIMEOUT :
								DEADLINE_BY_TIMEWAIT,
			  DEADLINE_AT);
	default:
		return of_idle(socket);
	}
}
