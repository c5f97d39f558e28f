// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "model/pressure.h"

#define NS_PER_S 1000000000.0

/* The kernel's default of tcp_fin_timeout. */
#define FIN_TIMEOUT_S 60

/* The number of ports that any process may use, from 1024 on. */
#define PORTS_MAX 64512

/* From this share of the ports on, something should be done. */
#define HIGH_SHARE 0.5

/*
 * If more ports seem to be held than exist, something that is not known here keeps the sockets
 * apart (for example SO_REUSEADDR with ports chosen by number). A small excess comes from rows that
 * are late.
 */
#define TOO_MANY_SHARE 1.1

static uint64_t held_by(const struct pressure_input *input)
{
	return tally_held(input->tally) + input->blocked;
}

/*
 * Returns in how many seconds the last port will be taken at this rate; a negative number means
 * never. Sockets in TIME_WAIT leave when they are due, and those that enter from now on stay for a
 * lifetime. After that as many leave as enter, so only open connections can still grow.
 */
static double seconds_until_full(const struct pressure_input *input, uint32_t usable)
{
	double held = held_by(input);

	for (unsigned int i = 0; i < TIMEWAIT_SECONDS; i++) {
		double change = input->rate + input->growth - tally_due(input->tally, i);

		if (held >= usable)
			return i;
		if (held + change >= usable)
			return i + (usable - held) / change;
		held += change;
	}
	return input->growth > 0 ? TIMEWAIT_SECONDS + (usable - held) / input->growth : -1;
}

/* Does the same for ports that connect() can reuse once they are tw_reuse_delay_ms old. */
static double seconds_until_full_reusing(const struct pressure_input *input, uint32_t usable)
{
	/* The kernel compares whole seconds, so it can take up to one second more. */
	double held_s = 1 + input->ephemeral->tw_reuse_delay_ms / 1000.0;
	double kept = input->tally->open + input->blocked, left = usable - kept;

	if (left <= 0)
		return 0;
	if (input->rate * held_s >= left)
		return left / input->rate;
	return input->growth > 0 ? (left - input->rate * held_s) / input->growth : -1;
}

static enum pressure_verdict verdict_of(const struct pressure_input *input,
					const struct pressure *p)
{
	double kept = input->tally->open + input->blocked;
	double steady = input->rate * TIMEWAIT_SECONDS + kept;

	if (input->tally->refused)
		return PRESSURE_EXHAUSTED;
	if (!p->usable)
		return PRESSURE_UNKNOWN;
	if (p->reuse && kept < p->usable && !p->fills)
		return kept >= HIGH_SHARE * p->usable ? PRESSURE_HIGH : PRESSURE_LOW;
	if (p->reuse && kept < p->usable)
		return PRESSURE_FILLING;
	if (p->used >= 1)
		return PRESSURE_EXHAUSTED;
	if (p->fills)
		return PRESSURE_FILLING;
	return p->used >= HIGH_SHARE || steady >= HIGH_SHARE * p->usable ? PRESSURE_HIGH :
									   PRESSURE_LOW;
}

static enum pressure_holder holder_of(const struct pressure_input *input, const struct pressure *p)
{
	const struct tally *tally = input->tally;
	uint64_t timewait = tally_now(tally);

	if (p->elsewhere)
		return PRESSURE_BY_OTHERS;
	if (tally->key.bound)
		return PRESSURE_BY_BIND;
	if (input->blocked > timewait && input->blocked > tally->open)
		return PRESSURE_BY_BIND;
	return tally->open > timewait ? PRESSURE_BY_OPEN : PRESSURE_BY_TIMEWAIT;
}

/* Returns the advice that follows from what holds the ports. */
static unsigned int advice_of_holder(const struct pressure_input *input, const struct pressure *p)
{
	const struct ephemeral *e = input->ephemeral;
	bool is_open = input->tally->open > tally_now(input->tally);

	switch (p->holder) {
	case PRESSURE_BY_BIND:
		return PRESSURE_LATE_BIND | PRESSURE_NO_REUSE |
		       (is_open ? PRESSURE_FEWER : PRESSURE_POOL);
	case PRESSURE_BY_OPEN:
		return PRESSURE_FEWER | PRESSURE_NO_REUSE;
	case PRESSURE_BY_OTHERS:
		return PRESSURE_POOL | PRESSURE_NO_REUSE;
	default:
		break;
	}
	if (!e->known || p->reuse)
		return PRESSURE_POOL;
	if (!e->timestamps)
		return PRESSURE_POOL | (e->tw_reuse ? PRESSURE_TIMESTAMPS : 0);
	return PRESSURE_POOL | PRESSURE_REUSE;
}

static unsigned int advice_of(const struct pressure_input *input, const struct pressure *p)
{
	const struct ephemeral *e = input->ephemeral;
	unsigned int advice;

	if (p->verdict < PRESSURE_HIGH)
		return 0;
	advice = advice_of_holder(input, p);
	if (!e->known)
		return advice;
	if (p->narrowed)
		advice |= PRESSURE_WIDEN;
	else if (e->high - e->low + 1 < PORTS_MAX)
		advice |= PRESSURE_RANGE;
	if (!p->narrowed && e->reserved * 10 >= e->high - e->low + 1U)
		advice |= PRESSURE_RESERVED;
	if (e->fin_timeout_s && e->fin_timeout_s != FIN_TIMEOUT_S &&
	    p->holder == PRESSURE_BY_TIMEWAIT)
		advice |= PRESSURE_FIN_TIMEOUT;
	return advice;
}

/*
 * Returns how many ports of the range IP_LOCAL_PORT_RANGE leaves, as inet_sk_get_local_port_range()
 * does (6.3).
 */
static uint32_t usable_of(const struct pressure_input *input, struct pressure *p)
{
	const struct tally *tally = input->tally;
	const struct ephemeral *e = input->ephemeral;
	uint32_t low = e->low, high = e->high;

	if (!e->known || input->link_local || tally->range_varies)
		return 0;
	if (tally->range_low >= low && tally->range_low <= high)
		low = tally->range_low;
	if (tally->range_high >= low && tally->range_high <= high)
		high = tally->range_high;
	p->narrowed = low != e->low || high != e->high;
	if (!p->narrowed)
		return e->usable;
	/* It is not known which of these ports are reserved. */
	return high - low + 1 < e->usable ? high - low + 1 : e->usable;
}

static double share_of(uint64_t held, uint32_t usable)
{
	return held < usable ? (double)held / usable : 1;
}

struct pressure pressure_of(const struct pressure_input *whole)
{
	struct pressure_input own = *whole, *input = &own;
	const struct ephemeral *e = input->ephemeral;
	struct pressure p = {};
	double seconds = -1;
	uint64_t held;

	p.usable = usable_of(input, &p);
	/* It is not known how many of the others' ports lie in the narrower range. */
	if (p.narrowed)
		input->blocked = 0;
	held = held_by(input);
	if (held > p.usable * TOO_MANY_SHARE + 1)
		p.usable = 0;
	if (p.usable) {
		p.reuse = !input->tally->key.bound && ephemeral_reuses(e, input->loopback);
		p.used = share_of(held, p.usable);
		p.taken = p.reuse ? share_of(input->tally->open + input->blocked, p.usable) :
				    p.used;
		seconds = p.reuse ? seconds_until_full_reusing(input, p.usable) :
				    seconds_until_full(input, p.usable);
	}
	p.elsewhere = input->tally->refused && p.usable && !input->partial &&
		      input->tally->held_peak + input->blocked < HIGH_SHARE * p.usable;
	if (seconds >= 0) {
		p.fills = true;
		p.exhausted_ns = seconds * NS_PER_S;
	}
	p.verdict = verdict_of(input, &p);
	p.holder = holder_of(input, &p);
	p.advice = advice_of(input, &p);
	return p;
}

bool pressure_is_link_local(unsigned int family, const uint8_t *addr)
{
	return family == 6 && addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

bool pressure_is_loopback(unsigned int family, const uint8_t *addr)
{
	static const uint8_t loopback[16] = { [15] = 1 };

	return family == 6 ? !memcmp(addr, loopback, 16) : addr[0] == 127;
}
