// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The life of a connection, tested by complete tables: every pair of states, every set of facts,
 * every errno. The expected values come from RFC 9293 (section 3.3.2 and figure 5) and from the
 * kernel's functions that are named beside them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/tcpstate.h"
#include "lifecycle.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
	FIRST = TCPDWELL_ESTABLISHED,
	LAST = TCPDWELL_CLOSING,
	FACTS = LIFECYCLE_UNSENT << 1, /* one past all facts at once */
};

/* Every errno of asm-generic is below this, and so are some that no kernel has. */
#define ERRNO_MAX 200

static void fail_at(const char *what, int from, int to, int err, unsigned int facts, int is,
		    int want)
{
	fail_msg("%s: %s -> %s, errno %d, facts %#x: %d, not %d", what, tcpstate_name(from),
		 tcpstate_name(to), err, facts, is, want);
}

/*
 * ---- Dwell --------------------------------------------------------------------------------------
 */

#define SINCE_NS 1000000007ULL

static void test_enter(void **state)
{
	(void)state;
	for (int s = FIRST; s <= LAST; s++) {
		struct lifecycle l, before;

		memset(&l, 0xa5, sizeof(l));
		before = l;
		lifecycle_enter(&l, s, SINCE_NS);
		assert_int_equal(l.state, s);
		assert_int_equal(l.since_ns, SINCE_NS);
		assert_int_equal(l.since, TCPDWELL_DWELL_EXACT);
		/* Nothing else changes: neither owner, nor identity, nor waiting rows. */
		before.state = l.state;
		before.since_ns = l.since_ns;
		before.since = l.since;
		assert_memory_equal(&l, &before, sizeof(l));
	}
}

static void check_dwell(int remembered, int from, int since, uint64_t now_ns)
{
	struct lifecycle l = { .state = remembered, .since_ns = SINCE_NS, .since = since };
	bool known = remembered == from && since != TCPDWELL_DWELL_UNKNOWN && now_ns >= SINCE_NS;
	uint64_t want_ns = known ? now_ns - SINCE_NS : 0;
	int want = known ? since : TCPDWELL_DWELL_UNKNOWN;
	__u64 dwell_ns = 42;
	int is = lifecycle_dwell(&l, from, now_ns, &dwell_ns);

	if (is != want || dwell_ns != want_ns)
		fail_msg("remembered %s since worth %d, leaves %s at %+lld ns: worth %d %llu, "
			 "not %d %llu",
			 tcpstate_name(remembered), since, tcpstate_name(from),
			 (long long)(now_ns - SINCE_NS), is, (unsigned long long)dwell_ns, want,
			 (unsigned long long)want_ns);
}

static void test_dwell(void **state)
{
	/*
	 * TIME_WAIT lasts 60 s, and a leaked CLOSE_WAIT may last years; the clocks of CPUs may
	 * differ a little.
	 */
	static const uint64_t nows_ns[] = {
		SINCE_NS, SINCE_NS + 1, SINCE_NS + 60000000000ULL, UINT64_MAX, SINCE_NS - 1, 0,
	};

	(void)state;
	for (int remembered = 0; remembered <= LAST; remembered++)
		for (int from = FIRST; from <= LAST; from++)
			for (int since = 0; since <= TCPDWELL_DWELL_AT_LEAST; since++)
				for (size_t i = 0; i < COUNT(nows_ns); i++)
					check_dwell(remembered, from, since, nows_ns[i]);
}

/* Paths through figure 5 of RFC 9293, and those of the kernel that are not in it. */
static const struct {
	const char *what;
	uint8_t path[8]; /* ends with 0 */
} paths[] = {
	{ "active open and close",
	  { TCPDWELL_SYN_SENT, TCPDWELL_ESTABLISHED, TCPDWELL_FIN_WAIT1, TCPDWELL_FIN_WAIT2,
	    TCPDWELL_TIME_WAIT, TCPDWELL_CLOSE } },
	{ "passive open and close",
	  { TCPDWELL_SYN_RECV, TCPDWELL_ESTABLISHED, TCPDWELL_CLOSE_WAIT, TCPDWELL_LAST_ACK,
	    TCPDWELL_CLOSE } },
	{ "simultaneous open",
	  { TCPDWELL_SYN_SENT, TCPDWELL_SYN_RECV, TCPDWELL_ESTABLISHED, TCPDWELL_CLOSE } },
	{ "simultaneous close",
	  { TCPDWELL_SYN_SENT, TCPDWELL_ESTABLISHED, TCPDWELL_FIN_WAIT1, TCPDWELL_CLOSING,
	    TCPDWELL_TIME_WAIT, TCPDWELL_CLOSE } },
	{ "FIN and ACK of FIN in one segment",
	  { TCPDWELL_SYN_SENT, TCPDWELL_ESTABLISHED, TCPDWELL_FIN_WAIT1, TCPDWELL_TIME_WAIT,
	    TCPDWELL_CLOSE } },
	{ "shutdown before the handshake is over",
	  { TCPDWELL_SYN_RECV, TCPDWELL_FIN_WAIT1, TCPDWELL_FIN_WAIT2, TCPDWELL_CLOSE } },
	{ "listener", { TCPDWELL_LISTEN, TCPDWELL_CLOSE } },
	{ "refused", { TCPDWELL_SYN_SENT, TCPDWELL_CLOSE } },
};

/* Each state is left at another time; the sum of the dwells is the whole life. */
static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct lifecycle l = { 0 };
		uint64_t now_ns = SINCE_NS, life_ns = 0;

		lifecycle_enter(&l, paths[i].path[0], now_ns);
		for (int step = 0; paths[i].path[step + 1]; step++) {
			uint8_t from = paths[i].path[step], to = paths[i].path[step + 1];
			__u64 dwell_ns;

			now_ns += 1000 << step;
			assert_int_equal(lifecycle_dwell(&l, from, now_ns, &dwell_ns),
					 TCPDWELL_DWELL_EXACT);
			assert_int_equal(dwell_ns, 1000 << step);
			life_ns += dwell_ns;
			lifecycle_enter(&l, to, now_ns);
		}
		assert_int_equal(life_ns, now_ns - SINCE_NS);
	}
}

/*
 * ---- Who acts -----------------------------------------------------------------------------------
 */

/*
 * Who makes a transition to any state but CLOSE, by one letter: c connect, l listen, x close,
 * . a softirq. Only tcp_close_state() leads to FIN_WAIT1 and LAST_ACK, inet_csk_listen_start() to
 * LISTEN, tcp_v4_connect() to SYN_SENT; tcp_finish_connect() from CLOSE is TCP_REPAIR's.
 */
static const char *const actors[TCPDWELL_STATE_MAX] = {
	[TCPDWELL_CLOSE] = "cc.x..-.xl.",	[TCPDWELL_LISTEN] = ".c.x..-.xl.",
	[TCPDWELL_SYN_SENT] = ".c.x..-.xl.",	[TCPDWELL_SYN_RECV] = ".c.x..-.xl.",
	[TCPDWELL_ESTABLISHED] = ".c.x..-.xl.", [TCPDWELL_FIN_WAIT1] = ".c.x..-.xl.",
	[TCPDWELL_FIN_WAIT2] = ".c.x..-.xl.",	[TCPDWELL_TIME_WAIT] = ".c.x..-.xl.",
	[TCPDWELL_CLOSE_WAIT] = ".c.x..-.xl.",	[TCPDWELL_LAST_ACK] = ".c.x..-.xl.",
	[TCPDWELL_CLOSING] = ".c.x..-.xl.",
};

static uint8_t actor_of(char letter)
{
	switch (letter) {
	case 'c':
		return TCPDWELL_OWNER_CONNECT;
	case 'l':
		return TCPDWELL_OWNER_LISTEN;
	case 'x':
		return TCPDWELL_OWNER_CLOSE;
	}
	return TCPDWELL_OWNER_NONE;
}

static void check_actor(int from, int to, int err, unsigned int facts, int want)
{
	int is = lifecycle_actor(from, to, err, facts);

	if (is != want)
		fail_at("actor", from, to, err, facts, is, want);
}

/* Neither what the socket holds nor what is known of it changes who makes such a transition. */
static void test_actor(void **state)
{
	(void)state;
	for (int from = FIRST; from <= LAST; from++) {
		assert_int_equal(strlen(actors[from]), LAST);
		for (int to = FIRST; to <= LAST; to++)
			for (unsigned int facts = 0; facts < FACTS && to != TCPDWELL_CLOSE; facts++)
				for (int err = 0; err <= ERRNO_MAX; err += ERRNO_MAX / 2)
					check_actor(from, to, err, facts,
						    actor_of(actors[from][to - 1]));
	}
}

/*
 * A transition to CLOSE is the process's doing only as long as a descriptor leads to the socket, no
 * error explains it, and the state is not one that the peer's segments end by themselves.
 */
static const struct {
	bool always;	   /* whatever else is known */
	bool attached;	   /* if attached and without an error */
	bool but_for_peer; /* then not if the peer's FIN has come, since that ends it, too */
	bool unacked;	   /* then only if the peer has not acknowledged our FIN */
} closers[TCPDWELL_STATE_MAX] = {
	[TCPDWELL_LISTEN] = { .always = true }, /* inet_csk_listen_stop(): close, shutdown, exit */
	/* tcp_disconnect(), unread data, linger 0; connect() that fails in its own call */
	[TCPDWELL_SYN_SENT] = { .attached = true },
	[TCPDWELL_SYN_RECV] = { .attached = true },
	[TCPDWELL_ESTABLISHED] = { .attached = true },
	[TCPDWELL_CLOSE_WAIT] = { .attached = true },
	[TCPDWELL_FIN_WAIT1] = { .attached = true },
	/* tcp_fin() -> tcp_time_wait() closes the full socket on the peer's FIN */
	[TCPDWELL_FIN_WAIT2] = { .attached = true, .but_for_peer = true },
	/* tcp_rcv_state_process(): the peer's ACK ends them, or linger 0 before it comes */
	[TCPDWELL_CLOSING] = { .attached = true, .unacked = true },
	[TCPDWELL_LAST_ACK] = { .attached = true, .unacked = true },
	/* a full socket has no TIME_WAIT */
	[TCPDWELL_TIME_WAIT] = { 0 },
	[TCPDWELL_CLOSE] = { 0 },
};

/*
 * Returns whether what a socket holds was there before: from an earlier connection of a socket that
 * listens or sent no SYN yet, or left by tcp_v4_err() where tcp_rcv_state_process() ends LAST_ACK.
 */
static bool is_old_error(int from, unsigned int facts)
{
	return from == TCPDWELL_LISTEN || facts & LIFECYCLE_UNSENT ||
	       (from == TCPDWELL_LAST_ACK && !(facts & LIFECYCLE_UNACKED));
}

static bool closer_acts(int from, int err, unsigned int facts)
{
	if (closers[from].always)
		return true;
	if (err && !is_old_error(from, facts))
		return false;
	if (!closers[from].attached || !(facts & LIFECYCLE_ATTACHED))
		return false;
	if (closers[from].unacked && !(facts & LIFECYCLE_UNACKED))
		return false;
	return !(closers[from].but_for_peer && facts & LIFECYCLE_PEER_DONE);
}

static void test_actor_of_close(void **state)
{
	(void)state;
	for (int from = FIRST; from <= LAST; from++)
		for (unsigned int facts = 0; facts < FACTS; facts++)
			for (int err = 0; err <= ERRNO_MAX; err++)
				check_actor(from, TCPDWELL_CLOSE, err, facts,
					    closer_acts(from, err, facts) ? TCPDWELL_OWNER_CLOSE :
									    TCPDWELL_OWNER_NONE);
}

/*
 * ---- Reasons ------------------------------------------------------------------------------------
 */

/* An error explains the end in every state, unless it was there before. */
static const struct {
	int err;
	uint8_t reason;
} errors[] = {
	/* tcp_reset(): in SYN_SENT, in CLOSE_WAIT, elsewhere; ICMP that says so of a port */
	{ ECONNREFUSED, TCPDWELL_REASON_REFUSED },
	{ EPIPE, TCPDWELL_REASON_RESET_RECEIVED },
	{ ECONNRESET, TCPDWELL_REASON_RESET_RECEIVED },
	/* tcp_write_err(), tcp_keepalive_timer() */
	{ ETIMEDOUT, TCPDWELL_REASON_TIMEOUT },
	/* icmp_err_convert[] (net/ipv4/icmp.c) and tab_unreach[] (net/ipv6/icmp.c) but for ports */
	{ ENETUNREACH, TCPDWELL_REASON_UNREACHABLE },
	{ EHOSTUNREACH, TCPDWELL_REASON_UNREACHABLE },
	{ ENOPROTOOPT, TCPDWELL_REASON_UNREACHABLE },
	{ EOPNOTSUPP, TCPDWELL_REASON_UNREACHABLE },
	{ EHOSTDOWN, TCPDWELL_REASON_UNREACHABLE },
	{ EPROTO, TCPDWELL_REASON_UNREACHABLE },
	/* a device that is down */
	{ ENETDOWN, TCPDWELL_REASON_UNREACHABLE },
	/* tcp_abort(): SOCK_DESTROY, as ss -K asks for */
	{ ECONNABORTED, TCPDWELL_REASON_ABORTED },
};

static uint8_t error_reason(int from, int err, unsigned int facts)
{
	if (is_old_error(from, facts))
		return lifecycle_reason(from, 0, facts);
	/* tcp_rcv_state_process(): data after close() */
	if (err == ECONNRESET && (from == TCPDWELL_FIN_WAIT1 || from == TCPDWELL_FIN_WAIT2) &&
	    facts & LIFECYCLE_DATA_CAME)
		return TCPDWELL_REASON_RESET_SENT;
	/* tcp_keepalive_timer(), tcp_write_timeout(), tcp_probe_timer(): what ran out */
	if (err == ETIMEDOUT && facts & LIFECYCLE_USER_TIMEOUT)
		return TCPDWELL_REASON_USER_TIMEOUT;
	if (err == ETIMEDOUT && facts & LIFECYCLE_KEEPALIVE)
		return TCPDWELL_REASON_KEEPALIVE_TIMEOUT;
	for (size_t i = 0; i < COUNT(errors); i++)
		if (errors[i].err == err)
			return errors[i].reason;
	return TCPDWELL_REASON_ABORTED; /* TCP sets no such error, but a BPF program may */
}

static void check_reason(int from, int err, unsigned int facts, int want)
{
	int is = lifecycle_reason(from, err, facts);

	if (is != want)
		fail_at("reason", from, TCPDWELL_CLOSE, err, facts, is, want);
}

static void test_reason_by_error(void **state)
{
	(void)state;
	for (int from = FIRST; from <= LAST; from++)
		for (unsigned int facts = 0; facts < FACTS; facts++)
			for (int err = 1; err <= ERRNO_MAX; err++)
				check_reason(from, err, facts, error_reason(from, err, facts));
}

#define QUEUED	   LIFECYCLE_QUEUED
#define ATTACHED   LIFECYCLE_ATTACHED
#define NO_PORT	   LIFECYCLE_NO_PORT
#define PEER_DONE  LIFECYCLE_PEER_DONE
#define NO_TW	   LIFECYCLE_NO_TW
#define NO_LINGER2 LIFECYCLE_NO_LINGER2
#define UNACKED	   LIFECYCLE_UNACKED
#define DATA_CAME  LIFECYCLE_DATA_CAME
#define LINGERED   LIFECYCLE_LINGERED
#define REPAIR	   LIFECYCLE_REPAIR
#define ORPHAN	   LIFECYCLE_ORPHAN
#define NETNS_GONE LIFECYCLE_NETNS_GONE
#define ALL	   (FACTS - 1)

/*
 * Ends before the peer has got what it is due: tcp_disconnect() in TCP_REPAIR, check_net(),
 * tcp_check_oom().
 */
#define CUT_OFF(from, know, is)                                                               \
	{ from, (know) | REPAIR, (is) | REPAIR, TCPDWELL_REASON_REPAIR },                     \
		{ from, (know) | NETNS_GONE, (is) | NETNS_GONE, TCPDWELL_REASON_NETNS_GONE }, \
	{                                                                                     \
		from, (know) | ORPHAN, (is) | ORPHAN, TCPDWELL_REASON_ORPHAN_OVERFLOW         \
	}

/*
 * Without an error, the first line whose facts fit counts. @from 0 stands for every state. Facts
 * that are not in @know may be so or not.
 */
static const struct end {
	int from;
	unsigned int know;
	unsigned int is;
	uint8_t reason;
} ends[] = {
	/* inet_csk_listen_stop(): inet_child_forget() of what nobody accepted */
	{ 0, QUEUED, QUEUED, TCPDWELL_REASON_LISTENER_CLOSED },
	{ TCPDWELL_LISTEN, 0, 0, TCPDWELL_REASON_LISTENER_CLOSED },
	CUT_OFF(TCPDWELL_SYN_RECV, 0, 0),
	CUT_OFF(TCPDWELL_ESTABLISHED, 0, 0),
	CUT_OFF(TCPDWELL_CLOSE_WAIT, 0, 0),
	CUT_OFF(TCPDWELL_FIN_WAIT1, 0, 0),
	/* An orphan in FIN_WAIT2 is given up by its timer. */
	CUT_OFF(TCPDWELL_FIN_WAIT2, ATTACHED | PEER_DONE, ATTACHED),
	CUT_OFF(TCPDWELL_CLOSING, UNACKED, UNACKED),
	CUT_OFF(TCPDWELL_LAST_ACK, UNACKED, UNACKED),
	/* tcp_v4_connect(): inet_hash_connect() fails, and the port was never bound */
	{ TCPDWELL_SYN_SENT, NO_PORT, NO_PORT, TCPDWELL_REASON_NO_LOCAL_PORT },
	/* tcp_disconnect(): no RST is due to a SYN */
	{ TCPDWELL_SYN_SENT, 0, 0, TCPDWELL_REASON_ABORTED },
	/* tcp_close(): unread data; tcp_disconnect(), tcp_need_reset(): linger 0 */
	{ TCPDWELL_SYN_RECV, 0, 0, TCPDWELL_REASON_RESET_SENT },
	{ TCPDWELL_ESTABLISHED, 0, 0, TCPDWELL_REASON_RESET_SENT },
	{ TCPDWELL_CLOSE_WAIT, 0, 0, TCPDWELL_REASON_RESET_SENT },
	{ TCPDWELL_FIN_WAIT1, 0, 0, TCPDWELL_REASON_RESET_SENT },
	/* the same after shutdown(): the peer has said nothing, so it is the process */
	{ TCPDWELL_FIN_WAIT2, ATTACHED | PEER_DONE, ATTACHED, TCPDWELL_REASON_RESET_SENT },
	/* tcp_close(), tcp_rcv_state_process(): TCP_LINGER2 < 0 leaves an orphan no FIN_WAIT2 */
	{ TCPDWELL_FIN_WAIT2, NO_LINGER2 | PEER_DONE, NO_LINGER2, TCPDWELL_REASON_RESET_SENT },
	/* tcp_rcv_state_process(): data after close(), in the segment that acknowledges our FIN */
	{ TCPDWELL_FIN_WAIT2, DATA_CAME | PEER_DONE, DATA_CAME, TCPDWELL_REASON_RESET_SENT },
	/* tcp_disconnect(), tcp_need_reset(): no RST is due once our FIN is out */
	{ TCPDWELL_CLOSING, UNACKED, UNACKED, TCPDWELL_REASON_ABORTED },
	{ TCPDWELL_LAST_ACK, UNACKED, UNACKED, TCPDWELL_REASON_ABORTED },
	/* tcp_keepalive_timer(): the peer did not close, and the orphan was no timewait socket */
	{ TCPDWELL_FIN_WAIT2, NO_TW | LINGERED | PEER_DONE, NO_TW | LINGERED,
	  TCPDWELL_REASON_TIMEOUT },
	/* tcp_time_wait(): no bucket was free */
	{ TCPDWELL_FIN_WAIT2, NO_TW, NO_TW, TCPDWELL_REASON_TIMEWAIT_OVERFLOW },
	{ TCPDWELL_CLOSING, NO_TW, NO_TW, TCPDWELL_REASON_TIMEWAIT_OVERFLOW },
	/* a timewait socket that nobody can see took over: both FINs are acknowledged */
	{ TCPDWELL_FIN_WAIT2, PEER_DONE, PEER_DONE, TCPDWELL_REASON_FIN },
	/* or only the orphan's is acknowledged, and how it ends is unknown */
	{ TCPDWELL_FIN_WAIT2, 0, 0, TCPDWELL_REASON_NONE },
	{ TCPDWELL_CLOSING, 0, 0, TCPDWELL_REASON_FIN },
	/* tcp_rcv_state_process(): the ACK of our FIN */
	{ TCPDWELL_LAST_ACK, 0, 0, TCPDWELL_REASON_FIN },
};

static void test_reason_without_error(void **state)
{
	(void)state;
	for (int from = FIRST; from <= LAST; from++) {
		/* A full socket is never in TIME_WAIT, and CLOSE does not lead to CLOSE. */
		if (from == TCPDWELL_TIME_WAIT || from == TCPDWELL_CLOSE)
			continue;
		for (unsigned int facts = 0; facts < FACTS; facts++) {
			const struct end *end = ends;

			while ((end->from && end->from != from) || (facts & end->know) != end->is)
				end++;
			assert_in_range(end - ends, 0, COUNT(ends) - 1);
			check_reason(from, 0, facts, end->reason);
		}
	}
}

/*
 * Every end has a reason, even an end that the kernel does not know. The exception is an orphan
 * that goes on as a timewait socket which nobody can see.
 */
static void test_reason_is_given(void **state)
{
	(void)state;
	for (int from = 0; from <= UINT8_MAX; from++)
		for (unsigned int facts = 0; facts < FACTS; facts++) {
			int reason = lifecycle_reason(from, 0, facts);

			if (from == TCPDWELL_FIN_WAIT2 && !(facts & (NO_TW | PEER_DONE)))
				continue;
			assert_in_range(reason, TCPDWELL_REASON_FIN, TCPDWELL_REASON_MAX - 1);
		}
}

/*
 * ---- Errors shown -------------------------------------------------------------------------------
 */

static int shown_error(int reason, int err)
{
	if (reason == TCPDWELL_REASON_NO_LOCAL_PORT)
		return EADDRNOTAVAIL;
	/* The error is an earlier one. */
	if (reason == TCPDWELL_REASON_FIN || reason == TCPDWELL_REASON_LISTENER_CLOSED)
		return 0;
	return err;
}

static void test_error(void **state)
{
	(void)state;
	for (int reason = 0; reason < TCPDWELL_REASON_MAX; reason++)
		for (int err = 0; err <= ERRNO_MAX; err++)
			assert_int_equal(lifecycle_error(reason, err), shown_error(reason, err));
}

/* Where numbers differ by machine, those in the header are those of this machine's kernel. */
static void test_errno_numbers(void **state)
{
	(void)state;
	assert_int_equal(LIFECYCLE_EPIPE, EPIPE);
	assert_int_equal(LIFECYCLE_EPROTO, EPROTO);
	assert_int_equal(LIFECYCLE_EADDRNOTAVAIL, EADDRNOTAVAIL);
	assert_int_equal(LIFECYCLE_ENETDOWN, ENETDOWN);
	assert_int_equal(LIFECYCLE_ENETUNREACH, ENETUNREACH);
	assert_int_equal(LIFECYCLE_ECONNABORTED, ECONNABORTED);
	assert_int_equal(LIFECYCLE_ECONNRESET, ECONNRESET);
	assert_int_equal(LIFECYCLE_ETIMEDOUT, ETIMEDOUT);
	assert_int_equal(LIFECYCLE_ECONNREFUSED, ECONNREFUSED);
	assert_int_equal(LIFECYCLE_EHOSTDOWN, EHOSTDOWN);
	assert_int_equal(LIFECYCLE_EHOSTUNREACH, EHOSTUNREACH);
	assert_int_equal(LIFECYCLE_ENOPROTOOPT, ENOPROTOOPT);
	assert_int_equal(LIFECYCLE_EOPNOTSUPP, EOPNOTSUPP);
}

/*
 * ---- Bits ---------------------------------------------------------------------------------------
 */

/* No two bits of one word are the same, and the held ones are exactly the held ones. */
static void test_bits(void **state)
{
	(void)state;
	assert_int_equal(LIFECYCLE_UNACCEPTED_SYN_RECV | LIFECYCLE_UNACCEPTED_ESTABLISHED |
				 LIFECYCLE_UNACCEPTED_CLOSE_WAIT,
			 LIFECYCLE_UNACCEPTED);
	assert_int_equal(LIFECYCLE_UNACCEPTED & LIFECYCLE_DEFERRED, 0);
	assert_int_equal((LIFECYCLE_TO_A_TICK | LIFECYCLE_BOUND | LIFECYCLE_IN_CGROUP) &
				 (LIFECYCLE_WAITING | LIFECYCLE_COUNTED),
			 0);
	assert_int_equal(LIFECYCLE_TO_A_TICK + LIFECYCLE_BOUND + LIFECYCLE_IN_CGROUP,
			 LIFECYCLE_TO_A_TICK | LIFECYCLE_BOUND | LIFECYCLE_IN_CGROUP);
	assert_int_equal(QUEUED + ATTACHED + NO_PORT + PEER_DONE + NO_TW + NO_LINGER2 + UNACKED +
				 DATA_CAME + LINGERED + REPAIR + ORPHAN + NETNS_GONE +
				 LIFECYCLE_KEEPALIVE + LIFECYCLE_USER_TIMEOUT + LIFECYCLE_UNSENT,
			 ALL);
	assert_int_equal(
		LIFECYCLE_MATCHED + LIFECYCLE_OPENED_EXACT + LIFECYCLE_TW + LIFECYCLE_TW_FIN_WAIT2 +
			LIFECYCLE_PARKED + LIFECYCLE_REUSED + LIFECYCLE_DATA_COUNTED,
		LIFECYCLE_MATCHED | LIFECYCLE_OPENED_EXACT | LIFECYCLE_TW | LIFECYCLE_TW_FIN_WAIT2 |
			LIFECYCLE_PARKED | LIFECYCLE_REUSED | LIFECYCLE_DATA_COUNTED);
	/* marks is a byte */
	assert_in_range(LIFECYCLE_DATA_COUNTED, 1, UINT8_MAX);
}

/*
 * ---- Where the owner has it ---------------------------------------------------------------------
 */

/* Other values in the place of the task are no addresses of the kernel. */
static void test_task(void **state)
{
	struct lifecycle l = { .task = 0xffff888012345678 };

	(void)state;
	assert_true(lifecycle_has_task(&l, 0));
	l.opened_ns = INT64_MAX;
	assert_false(lifecycle_has_task(&l, 0));
	l.task = 0;
	assert_false(lifecycle_has_task(&l, 0));
}

/* Where lives are summed, this place may have the socket's address, which looks like a task's. */
static void test_task_or_socket(void **state)
{
	struct lifecycle l = { .sock = 0xffff888012345678, .object = 0xffff888012345678 };

	(void)state;
	assert_false(lifecycle_has_task(&l, 1));
	l.task = 0xffff888087654321;
	assert_true(lifecycle_has_task(&l, 1));
	l.holder = INT64_MAX; /* in the place of object, so the other value is sock */
	assert_false(lifecycle_has_task(&l, 1));
	l.state = TCPDWELL_LISTEN;
	assert_true(lifecycle_has_task(&l, 1));
}

/* In each state from which a timewait socket comes, the user is kept there. */
static void test_descriptor(void **state)
{
	static const __u8 without[] = { TCPDWELL_FIN_WAIT1, TCPDWELL_FIN_WAIT2, TCPDWELL_CLOSING,
					TCPDWELL_TIME_WAIT };

	(void)state;
	for (__u8 s = TCPDWELL_ESTABLISHED; s <= TCPDWELL_CLOSING; s++) {
		const struct lifecycle l = { .state = s };

		assert_int_equal(lifecycle_has_fd(&l), !memchr(without, s, sizeof(without)));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_task),
		cmocka_unit_test(test_task_or_socket),
		cmocka_unit_test(test_descriptor),
		cmocka_unit_test(test_enter),
		cmocka_unit_test(test_dwell),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_actor),
		cmocka_unit_test(test_actor_of_close),
		cmocka_unit_test(test_reason_by_error),
		cmocka_unit_test(test_reason_without_error),
		cmocka_unit_test(test_reason_is_given),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_errno_numbers),
		cmocka_unit_test(test_bits),
	};

	return cmocka_run_group_tests_name("lifecycle", tests, NULL, NULL);
}
