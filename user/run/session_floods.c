// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/put.h"
#include "kernel/loader.h"
#include "run/session_inside.h"

static void take_cookies(void *context, const struct tcpdwell_cookies *cookies)
{
	cookie_floods_take(context, cookies);
}

/*
 * Writes a listener as "10.0.0.1:80, 4242 nginx, netns 4026531840"; the process only if it is
 * known.
 */
static char *put_listener(char *p, const struct tcpdwell_cookies *who)
{
	unsigned int columns;

	p = put_char(put_host(p, who->family, who->laddr), ':');
	p = put_literal(put_u16(p, who->lport), ", ");
	if (who->pid) {
		p = put_char(put_u64(p, who->pid), ' ');
		p = put_escaped_cut(p, who->comm, strnlen(who->comm, sizeof(who->comm)),
				    TCPDWELL_COMM_LEN - 1, &columns);
		p = put_literal(p, ", ");
	}
	return put_u64(put_literal(p, "netns "), who->netns);
}

/*
 * Prints a line for each listener that sends SYN cookies: a request that gets a cookie has no row.
 */
static void report_cookies(struct session *s, uint64_t now_ns)
{
	loader_rest_listeners(s->loader);
	cookie_floods_look(&s->cookies, now_ns);
	loader_each_cookies(s->loader, now_ns, take_cookies, &s->cookies);
	for (unsigned int i = 0; i < s->cookies.count && !s->wants.floods; i++) {
		const struct cookie_flood *flood = &s->cookies.floods[i];
		char where[256], rate[64] = "";
		char *end = put_listener(where, &flood->who);

		if (flood->rate)
			snprintf(rate, sizeof(rate), "%" PRIu64 "/s%s by ", flood->rate,
				 flood->shared ? " in the namespace, among them" : "");
		notice_print(s->notice, NOTICE_STATUS,
			     "SYN cookies: %s%.*s: no row tells of these requests", rate,
			     (int)(end - where), where);
	}
}

/* Prints one line instead of what would be a hundred thousand rows. */
static void report_folded(const struct session *s, uint64_t past_ns)
{
	struct tcpdwell_flood flood;
	uint64_t all;
	uint16_t port;

	if (!loader_take_flood(s->loader, &flood, &port))
		return;
	all = flood.folded + flood.completed;
	notice_print(s->notice, NOTICE_STATUS,
		     "SYN_RECV: %" PRIu64 "/s to :%u, %u%% never complete",
		     all * 1000000000 / past_ns, port, (unsigned int)(flood.folded * 100 / all));
}

void session_report_flood(struct session *s, uint64_t now_ns)
{
	uint64_t past_ns = now_ns - s->flood_ns;

	/* A loop with a pace of FLOOD_NS may wake a little early. */
	if (past_ns < FLOOD_NS - FLOOD_NS / 16)
		return;
	s->flood_ns = now_ns;
	report_cookies(s, now_ns);
	report_folded(s, past_ns);
}
