// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/tcpstate.h"
#include "wire.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

const char tcpstate_list[] = "LISTEN SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE_WAIT "
			     "CLOSING LAST_ACK TIME_WAIT CLOSE";

struct state_names {
	const char *name;
	const char *short_name;
};

static const struct state_names states[TCPDWELL_STATE_MAX] = {
	[TCPDWELL_ESTABLISHED] = { "ESTABLISHED", "ESTAB" },
	[TCPDWELL_SYN_SENT] = { "SYN_SENT", "SYN_SENT" },
	[TCPDWELL_SYN_RECV] = { "SYN_RECV", "SYN_RECV" },
	[TCPDWELL_FIN_WAIT1] = { "FIN_WAIT1", "FIN_W1" },
	[TCPDWELL_FIN_WAIT2] = { "FIN_WAIT2", "FIN_W2" },
	[TCPDWELL_TIME_WAIT] = { "TIME_WAIT", "TIME_W" },
	[TCPDWELL_CLOSE] = { "CLOSE", "CLOSE" },
	[TCPDWELL_CLOSE_WAIT] = { "CLOSE_WAIT", "CLOSE_W" },
	[TCPDWELL_LAST_ACK] = { "LAST_ACK", "LAST_ACK" },
	[TCPDWELL_LISTEN] = { "LISTEN", "LISTEN" },
	[TCPDWELL_CLOSING] = { "CLOSING", "CLOSING" },
};

const char *tcpstate_name(unsigned int state)
{
	return state < ARRAY_SIZE(states) && states[state].name ? states[state].name : "-";
}

const char *tcpstate_short_name(unsigned int state)
{
	return state < ARRAY_SIZE(states) && states[state].name ? states[state].short_name : "-";
}

unsigned int tcpstate_rank(unsigned int state)
{
	static const unsigned char ranks[TCPDWELL_STATE_MAX] = {
		[TCPDWELL_LISTEN] = 1,	    [TCPDWELL_SYN_SENT] = 2,  [TCPDWELL_SYN_RECV] = 3,
		[TCPDWELL_ESTABLISHED] = 4, [TCPDWELL_FIN_WAIT1] = 5, [TCPDWELL_FIN_WAIT2] = 6,
		[TCPDWELL_CLOSE_WAIT] = 7,  [TCPDWELL_CLOSING] = 8,   [TCPDWELL_LAST_ACK] = 9,
		[TCPDWELL_TIME_WAIT] = 10,  [TCPDWELL_CLOSE] = 11,
	};

	return state < ARRAY_SIZE(ranks) ? ranks[state] : 0;
}

/* Returns true if two spellings of a state agree, apart from case, `-` and `_`. */
static bool same_spelling(const char *a, const char *b)
{
	for (;;) {
		a += strspn(a, "-_");
		b += strspn(b, "-_");
		if (toupper((unsigned char)*a) != toupper((unsigned char)*b))
			return false;
		if (!*a)
			return true;
		a++;
		b++;
	}
}

int tcpstate_parse(const char *text)
{
	static const struct {
		const char *name;
		int state;
	} others[] = {
		{ "SYN_RECEIVED", TCPDWELL_SYN_RECV }, /* RFC 9293 */
		{ "CLOSED", TCPDWELL_CLOSE },
		{ "UNCONN", TCPDWELL_CLOSE },
		{ "ESTAB", TCPDWELL_ESTABLISHED },
	};

	for (int state = 1; state < TCPDWELL_STATE_MAX; state++) {
		if (same_spelling(text, states[state].name))
			return state;
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (same_spelling(text, others[i].name))
			return others[i].state;
	}
	return -EINVAL;
}

const char *owner_name(unsigned int owner)
{
	static const char *const names[TCPDWELL_OWNER_MAX] = {
		[TCPDWELL_OWNER_CONNECT] = "connect", [TCPDWELL_OWNER_LISTEN] = "listen",
		[TCPDWELL_OWNER_ACCEPT] = "accept",   [TCPDWELL_OWNER_CLOSE] = "close",
		[TCPDWELL_OWNER_SCAN] = "scan",
	};

	return owner < ARRAY_SIZE(names) ? names[owner] : NULL;
}

const char *dwell_name(unsigned int dwell)
{
	if (dwell == TCPDWELL_DWELL_EXACT)
		return "exact";
	return dwell == TCPDWELL_DWELL_AT_LEAST ? "at_least" : "unknown";
}

const char *source_name(unsigned int source)
{
	if (source == TCPDWELL_SOURCE_REQUEST_SOCK)
		return "request_sock";
	return source == TCPDWELL_SOURCE_TIMEWAIT_SOCK ? "timewait_sock" : "tracepoint";
}

_Static_assert(TCPDWELL_REASON_MAX <= 32, "a mask of reasons has a bit for each");

const char reason_list[] = "fin reset_received reset_sent refused timeout unreachable aborted "
			   "listener_closed no_local_port timewait_expired timewait_reused "
			   "timewait_reset timewait_overflow netns_gone queue_overflow repair "
			   "orphan_overflow keepalive_timeout user_timeout";

struct reason_names {
	const char *name;
	const char *short_name;
	int err;
};

static const struct reason_names reasons[TCPDWELL_REASON_MAX] = {
	[TCPDWELL_REASON_NONE] = { NULL, "", 0 },
	[TCPDWELL_REASON_FIN] = { "fin", "fin", 0 },
	[TCPDWELL_REASON_RESET_RECEIVED] = { "reset_received", "rst_rcvd", ECONNRESET },
	[TCPDWELL_REASON_RESET_SENT] = { "reset_sent", "rst_sent", 0 },
	[TCPDWELL_REASON_REFUSED] = { "refused", "refused", ECONNREFUSED },
	[TCPDWELL_REASON_TIMEOUT] = { "timeout", "timeout", ETIMEDOUT },
	[TCPDWELL_REASON_KEEPALIVE_TIMEOUT] = { "keepalive_timeout", "keepaliv", ETIMEDOUT },
	[TCPDWELL_REASON_USER_TIMEOUT] = { "user_timeout", "usr_time", ETIMEDOUT },
	[TCPDWELL_REASON_UNREACHABLE] = { "unreachable", "unreach", 0 },
	[TCPDWELL_REASON_ABORTED] = { "aborted", "aborted", 0 },
	[TCPDWELL_REASON_LISTENER_CLOSED] = { "listener_closed", "listener", 0 },
	[TCPDWELL_REASON_NO_LOCAL_PORT] = { "no_local_port", "no_port", EADDRNOTAVAIL },
	[TCPDWELL_REASON_TIMEWAIT_EXPIRED] = { "timewait_expired", "expired", 0 },
	[TCPDWELL_REASON_TIMEWAIT_REUSED] = { "timewait_reused", "reused", 0 },
	[TCPDWELL_REASON_TIMEWAIT_RESET] = { "timewait_reset", "tw_reset", 0 },
	[TCPDWELL_REASON_TIMEWAIT_OVERFLOW] = { "timewait_overflow", "tw_full", 0 },
	[TCPDWELL_REASON_NETNS_GONE] = { "netns_gone", "netns", 0 },
	[TCPDWELL_REASON_QUEUE_OVERFLOW] = { "queue_overflow", "overflow", 0 },
	[TCPDWELL_REASON_REPAIR] = { "repair", "repair", 0 },
	[TCPDWELL_REASON_ORPHAN_OVERFLOW] = { "orphan_overflow", "orphans", 0 },
};

const char *reason_name(unsigned int reason)
{
	return reason < ARRAY_SIZE(reasons) ? reasons[reason].name : NULL;
}

int reason_parse(const char *text)
{
	for (int reason = 1; reason < TCPDWELL_REASON_MAX; reason++)
		if (!strcmp(text, reasons[reason].name))
			return reason;
	return -EINVAL;
}

const char *reason_short_name(unsigned int reason)
{
	return reason < ARRAY_SIZE(reasons) ? reasons[reason].short_name : "";
}

int reason_errno(unsigned int reason)
{
	return reason < ARRAY_SIZE(reasons) ? reasons[reason].err : 0;
}

const char *errno_name(int err)
{
#define NAME(e) [e] = #e
	/* Errors that the network stack, its filters and security modules put into sk_err. */
	static const char *const names[] = {
		NAME(EPERM),	    NAME(ENOENT),	   NAME(EINTR),
		NAME(EIO),	    NAME(EBADF),	   NAME(EAGAIN),
		NAME(ENOMEM),	    NAME(EACCES),	   NAME(EFAULT),
		NAME(EBUSY),	    NAME(ENODEV),	   NAME(EINVAL),
		NAME(ENOSPC),	    NAME(EPIPE),	   NAME(ENAMETOOLONG),
		NAME(ENOSYS),	    NAME(ENODATA),	   NAME(ENONET),
		NAME(ECOMM),	    NAME(EPROTO),	   NAME(EBADMSG),
		NAME(EOVERFLOW),    NAME(EILSEQ),	   NAME(ENOTSOCK),
		NAME(EDESTADDRREQ), NAME(EMSGSIZE),	   NAME(EPROTOTYPE),
		NAME(ENOPROTOOPT),  NAME(EPROTONOSUPPORT), NAME(ESOCKTNOSUPPORT),
		NAME(EOPNOTSUPP),   NAME(EPFNOSUPPORT),	   NAME(EAFNOSUPPORT),
		NAME(EADDRINUSE),   NAME(EADDRNOTAVAIL),   NAME(ENETDOWN),
		NAME(ENETUNREACH),  NAME(ENETRESET),	   NAME(ECONNABORTED),
		NAME(ECONNRESET),   NAME(ENOBUFS),	   NAME(EISCONN),
		NAME(ENOTCONN),	    NAME(ESHUTDOWN),	   NAME(ETIMEDOUT),
		NAME(ECONNREFUSED), NAME(EHOSTDOWN),	   NAME(EHOSTUNREACH),
		NAME(EALREADY),	    NAME(EINPROGRESS),	   NAME(EREMOTEIO),
		NAME(ECANCELED),    NAME(ENOKEY),	   NAME(EKEYEXPIRED),
		NAME(EKEYREVOKED),  NAME(EKEYREJECTED)
	};
#undef NAME

	return err > 0 && (size_t)err < ARRAY_SIZE(names) ? names[err] : NULL;
}
