// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "model/timers.h"

/* Defaults of include/net/tcp.h, in seconds. */
#define KEEPALIVE_TIME	 7200
#define KEEPALIVE_INTVL	 75
#define KEEPALIVE_PROBES 9
#define FIN_TIMEOUT	 60

_Static_assert((int)DEADLINE_TIMER_RETRANSMIT == TCPDWELL_TIMER_RETRANSMIT, "numbered alike");
_Static_assert((int)DEADLINE_TIMER_KEEPALIVE == TCPDWELL_TIMER_KEEPALIVE, "numbered alike");
_Static_assert((int)DEADLINE_TIMER_TIMEWAIT == TCPDWELL_TIMER_TIMEWAIT, "numbered alike");
_Static_assert((int)DEADLINE_TIMER_PROBE == TCPDWELL_TIMER_PROBE, "numbered alike");
_Static_assert((int)DEADLINE_TIMER_REQUEST == TCPDWELL_TIMER_REQUEST, "numbered alike");

static void take(const uint64_t *settings, enum fact_setting setting, uint32_t *value)
{
	if (settings[setting] != FACT_UNKNOWN)
		*value = settings[setting];
}

struct deadline_settings timers_settings(const uint64_t settings[FACT_SETTINGS])
{
	struct deadline_settings of = deadline_defaults;

	take(settings, FACT_RETRIES2, &of.retries2);
	take(settings, FACT_ORPHAN_RETRIES, &of.orphan_retries);
	take(settings, FACT_SYN_RETRIES, &of.syn_retries);
	take(settings, FACT_SYN_LINEAR_TIMEOUTS, &of.syn_linear_timeouts);
	take(settings, FACT_SYNACK_RETRIES, &of.synack_retries);
	take(settings, FACT_RTO_MAX_MS, &of.rto_max_ms);
	return of;
}

/* Returns the socket's own value, else the namespace's, else the default. */
static uint32_t option(uint32_t own, const uint64_t *settings, enum fact_setting setting,
		       uint32_t value)
{
	if (own)
		return own;
	take(settings, setting, &value);
	return value;
}

bool timers_are_known(const struct tcpdwell_socket *socket)
{
	const struct tcpdwell_detail *d = &socket->detail;

	if (socket->state == TCPDWELL_LISTEN)
		return true; /* no timer ends a listener */
	if (!(d->known & TCPDWELL_KNOWN_TIMER))
		return false;
	return d->known & TCPDWELL_KNOWN_OPTIONS || d->timer == TCPDWELL_TIMER_TIMEWAIT ||
	       d->timer == TCPDWELL_TIMER_NONE;
}

struct deadline_socket timers_of(const struct tcpdwell_socket *socket,
				 const uint64_t settings[FACT_SETTINGS])
{
	const struct tcpdwell_detail *d = &socket->detail;

	return (struct deadline_socket){
		.state = socket->state,
		.orphan = d->flags & TCPDWELL_DETAIL_ORPHAN,
		.err_soft = d->err_soft,
		.timer = (enum deadline_timer)d->timer,
		.expires_ns = d->expires_ns,
		.retransmits = d->retransmits,
		.probes_out = d->probes_out,
		.backoff = d->backoff,
		.syn_retries = d->syn_retries,
		.rto_ns = d->rto_ns,
		.retransmit_ns = d->retransmit_ns ?: DEADLINE_NEVER_SEEN,
		.idle_ns = d->silent_ns,
		.user_timeout_ms = d->user_timeout_ms,
		.unacknowledged = d->send_bytes > 0,
		.keepalive = d->flags & TCPDWELL_DETAIL_KEEPALIVE,
		.keepalive_time_s = option(d->keepalive_time_s, settings, FACT_KEEPALIVE_TIME,
					   KEEPALIVE_TIME),
		.keepalive_intvl_s = option(d->keepalive_intvl_s, settings, FACT_KEEPALIVE_INTVL,
					    KEEPALIVE_INTVL),
		.keepalive_probes = option(d->keepalive_probes, settings, FACT_KEEPALIVE_PROBES,
					   KEEPALIVE_PROBES),
		.fin_timeout_s = option(d->linger2_s > 0 ? d->linger2_s : 0, settings,
					FACT_FIN_TIMEOUT, FIN_TIMEOUT),
		.rto_max_ms = d->rto_max_ms,
	};
}

struct deadline timers_deadline(const struct tcpdwell_socket *socket,
				const uint64_t settings[FACT_SETTINGS])
{
	const struct deadline_settings of = timers_settings(settings);
	const struct deadline_socket timers = timers_of(socket, settings);

	if (!timers_are_known(socket))
		return (struct deadline){ .kind = DEADLINE_UNKNOWN };
	return deadline_of(&timers, &of);
}
