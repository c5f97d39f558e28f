// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "timewait_story.h"

#define MS 1000000ULL

struct timewait *story_new(void)
{
	struct timewait *tw = timewait_new();
	struct timewait_netns netns = {
		.inode = STORY_OWN,
		.own = true,
		.ephemeral = {
			.known = true,
			.low = 32768,
			.high = 60999,
			.usable = 28232,
			.tw_reuse = TW_REUSE_LOOPBACK,
			.timestamps = true,
			.tw_reuse_delay_ms = 1000,
			.fin_timeout_s = 60,
			.max_tw_buckets = 131072,
		},
	};

	assert_non_null(tw);
	timewait_begin(tw, STORY_START);
	timewait_set_netns(tw, &netns);
	netns.inode = STORY_BLUE;
	netns.own = false;
	strcpy(netns.name, "blue");
	netns.ephemeral.low = 40000;
	netns.ephemeral.high = 40499;
	netns.ephemeral.usable = 500;
	netns.ephemeral.fin_timeout_s = 15;
	timewait_set_netns(tw, &netns);
	return tw;
}

struct tcpdwell_transition story_enter(uint32_t netns, uint16_t lport, uint64_t time_ns)
{
	return (struct tcpdwell_transition){
		.kind = TCPDWELL_TRANSITION,
		.size = sizeof(struct tcpdwell_transition),
		.from = TCPDWELL_FIN_WAIT2,
		.to = TCPDWELL_TIME_WAIT,
		.family = 4,
		.source = TCPDWELL_SOURCE_TIMEWAIT_SOCK,
		.time_ns = time_ns,
		.netns = netns,
		.pid = 77,
		.owner = TCPDWELL_OWNER_CONNECT,
		.lport = lport,
		.rport = 5432,
		.comm = "python3",
		.laddr = { 10, 0, 0, 5 },
		.raddr = { 10, 0, 0, 9 },
	};
}

struct tcpdwell_transition story_leave(const struct tcpdwell_transition *enter, uint64_t dwell_ns,
				       uint8_t reason)
{
	struct tcpdwell_transition t = *enter;

	t.from = TCPDWELL_TIME_WAIT;
	t.to = TCPDWELL_CLOSE;
	t.time_ns += dwell_ns;
	t.dwell = TCPDWELL_DWELL_EXACT;
	t.dwell_ns = dwell_ns;
	t.reason = reason;
	return t;
}

struct tcpdwell_transition story_serve(uint8_t peer, uint16_t rport, uint64_t time_ns)
{
	struct tcpdwell_transition t = story_enter(STORY_OWN, 443, time_ns);

	t.pid = 80;
	strcpy(t.comm, "nginx");
	t.owner = TCPDWELL_OWNER_ACCEPT;
	t.raddr[3] = peer;
	t.rport = rport;
	return t;
}

void story_add_old(struct timewait *tw, uint16_t lport, uint64_t left_ns)
{
	struct timewait_old old = {
		.netns = STORY_OWN,
		.family = 4,
		.lport = lport,
		.rport = 5432,
		.laddr = { 10, 0, 0, 5 },
		.raddr = { 10, 0, 0, 9 },
		.left_ns = left_ns,
	};

	timewait_add_old(tw, STORY_START, &old);
}

static void play(struct timewait *tw, struct tcpdwell_transition t)
{
	timewait_event(tw, &t, NULL);
}

struct timewait *story_play(void)
{
	const uint8_t expired = TCPDWELL_REASON_TIMEWAIT_EXPIRED,
		      reused = TCPDWELL_REASON_TIMEWAIT_REUSED,
		      reset = TCPDWELL_REASON_TIMEWAIT_RESET;
	uint64_t burst = STORY_START + 68 * STORY_S + 500 * MS;
	struct timewait *tw = story_new();
	struct tcpdwell_transition alone = story_enter(STORY_OWN, 33000, STORY_START + STORY_S),
				   blue;

	story_add_old(tw, 50000, 31000 * MS);
	story_add_old(tw, 50001, 59000 * MS);
	play(tw, alone);
	play(tw, story_leave(&alone, 60900 * MS, expired));
	play(tw, story_serve(20, 50000, STORY_START + 65 * STORY_S));
	for (unsigned int i = 0; i < 450; i++) {
		blue = story_enter(STORY_BLUE, 40000 + i, burst + i * STORY_S / 300);
		play(tw, blue);
		if (i == 100)
			play(tw, story_leave(&blue, 1200 * MS, reused));
		if (i == 200)
			play(tw, story_leave(&blue, 41 * MS, reset));
	}
	return tw;
}
