// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "model/pressure.h"

#define NS_PER_S 1000000000.0

/* tcp_fin_timeout as the kernel has it from the start. */
#define FIN_TIMEOUT_S 60

/* Ports that anyone may use, from 1024 on. */
#define PORTS_MAX 64512

/* From this share of the ports on something should be done. */
#define HIGH_SHARE 0.5

/*
 * When the last port is taken: what is there leaves as it is due, and what enters from now on stays
 * longer than this looks ahead. Returns the seconds, negative: not within a lifetime.
 */
static double seconds_until_full(const struct pressure_input *input, uint32_t usable)
{
	double held = tally_now(input->tally);

	for (unsigned int i = 0; i < TIMEWAIT_SECONDS; i++) {
		double change = input->rate - tally_due(input->tally, i);

		if (held >= usable)
			return i;
		if (held + change >= usable)
			return i + (usable - held) / change;
		held += change;
	}
	return -1;
}

/* The same where ports are free again once they are tw_reuse_delay_ms old. */
static double seconds_until_full_reusing(const struct pressure_input *input, uint32_t usable)
{
	/* The kernel compares whole seconds: up to one more. */
	double held_s = 1 + input->ephemeral->tw_reuse_delay_ms / 1000.0;

	return input->rate * held_s >= usable ? usable / input->rate : -1;
}

static enum pressure_verdict verdict_of(const struct pressure_input *input,
					const struct pressure *p)
{
	double steady = input->rate * TIMEWAIT_SECONDS;

	if (input->tally->refused)
		return PRESSURE_EXHAUSTED;
	if (!p->usable)
		return PRESSURE_UNKNOWN;
	if (p->reuse)
		return p->fills ? PRESSURE_FILLING : PRESSURE_LOW;
	if (p->used >= 1)
		return PRESSURE_EXHAUSTED;
	if (p->fills)
		return PRESSURE_FILLING;
	return p->used >= HIGH_SHARE || steady >= HIGH_SHARE * p->usable ? PRESSURE_HIGH :
									   PRESSURE_LOW;
}

static unsigned int advice_of(const struct pressure_input *input, const struct pressure *p)
{
	const struct ephemeral *e = input->ephemeral;
	unsigned int advice = PRESSURE_POOL;

	if (p->verdict < PRESSURE_HIGH)
		return 0;
	if (!e->known)
		return advice;
	/* What takes ports back from TIME_WAIT does nothing where it does not hold them. */
	if (p->elsewhere)
		;
	else if (!e->timestamps)
		advice |= e->tw_reuse ? PRESSURE_TIMESTAMPS : 0;
	else if (!p->reuse)
		advice |= PRESSURE_REUSE;
	if (e->high - e->low + 1 < PORTS_MAX)
		advice |= PRESSURE_RANGE;
	if (e->reserved * 10 >= e->high - e->low + 1U)
		advice |= PRESSURE_RESERVED;
	if (e->fin_timeout_s && e->fin_timeout_s != FIN_TIMEOUT_S)
		advice |= PRESSURE_FIN_TIMEOUT;
	return advice;
}

struct pressure pressure_of(const struct pressure_input *input)
{
	const struct ephemeral *e = input->ephemeral;
	struct pressure p = {};
	double seconds = -1;

	if (e->known) {
		p.usable = input->link_local ? 0 : e->usable;
		p.reuse = ephemeral_reuses(e, input->loopback);
	}
	if (p.usable) {
		p.used = (double)tally_now(input->tally) / p.usable;
		seconds = p.reuse ? seconds_until_full_reusing(input, p.usable) :
				    seconds_until_full(input, p.usable);
	}
	p.elsewhere = input->tally->refused && p.usable && !input->partial &&
		      input->tally->peak < HIGH_SHARE * p.usable;
	if (seconds >= 0) {
		p.fills = true;
		p.exhausted_ns = seconds * NS_PER_S;
	}
	p.verdict = verdict_of(input, &p);
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
