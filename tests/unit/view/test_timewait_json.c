// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The object of JSON, against text written by hand from the contract. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "timewait_story.h"
#include "view/sink.h"
#include "view/timewait_json.h"

#define S STORY_S

static char *render(struct timewait *tw, uint64_t now_ns, const struct timewait_scope *scope,
		    const struct summary *summary)
{
	static struct timewait_figures figures;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	timewait_figures(tw, now_ns, 5, &figures);
	timewait_json(out, &figures, scope, summary, 1709251198 * S);
	assert_int_equal(fclose(out), 0);
	timewait_free(tw);
	return text;
}

static void test_report(void **state)
{
	const struct timewait_scope scope = {};
	const struct summary summary = { .lost_ring = 3, .untracked = 1 };
	char *got = render(story_play(), STORY_START + 70 * S, &scope, &summary);

	(void)state;
	assert_string_equal(
		got, "{\"type\":\"timewait\",\"time\":\"2024-02-29T23:59:58.000000000Z\","
		     "\"duration_ns\":70000000000,\"now\":449,\"entered\":452,"
		     "\"left\":3,\"rate\":45.10,\"overflow\":{\"count\":0,"
		     "\"netns\":null,\"tcp_max_tw_buckets\":null},\"eaddrnotavail\":0,"
		     "\"lifetimes\":[{\"reason\":\"timewait_expired\","
		     "\"count\":1,\"p50_ns\":60900000000,\"p90_ns\":60900000000,"
		     "\"p99_ns\":60900000000,\"max_ns\":60900000000,"
		     "\"buckets\":[{\"from_ns\":60129542144,\"to_ns\":61203283968,"
		     "\"count\":1}]},{\"reason\":\"timewait_reused\",\"count\":1,"
		     "\"p50_ns\":1200000000,\"p90_ns\":1200000000,\"p99_ns\":1200000000,"
		     "\"max_ns\":1200000000,\"buckets\":[{\"from_ns\":1174405120,"
		     "\"to_ns\":1207959552,\"count\":1}]},{\"reason\":\"timewait_reset\","
		     "\"count\":1,\"p50_ns\":41000000,\"p90_ns\":41000000,"
		     "\"p99_ns\":41000000,\"max_ns\":41000000,\"buckets\":[{\"from_ns\":40894464,"
		     "\"to_ns\":41943040,\"count\":1}]}],\"at_start\":{\"known\":true,"
		     "\"why\":null,\"ended\":0,\"left\":{\"count\":2,\"p50_ns\":31000000000,"
		     "\"p90_ns\":59000000000,\"p99_ns\":59000000000,"
		     "\"max_ns\":59000000000},\"sockets\":[{\"netns\":4026531840,"
		     "\"family\":\"ipv4\",\"laddr\":\"10.0.0.5\",\"lport\":50001,"
		     "\"raddr\":\"10.0.0.9\",\"rport\":5432,\"left_ns\":59000000000},"
		     "{\"netns\":4026531840,\"family\":\"ipv4\",\"laddr\":\"10.0.0.5\","
		     "\"lport\":50000,\"raddr\":\"10.0.0.9\",\"rport\":5432,"
		     "\"left_ns\":31000000000}],\"not_listed\":0,\"namespaces_closed\":0,"
		     "\"namespaces_beyond\":false},"
		     "\"pressure\":[{\"netns\":4026532599,\"netns_name\":\"blue\","
		     "\"family\":\"ipv4\",\"laddr\":\"10.0.0.5\",\"raddr\":\"10.0.0.9\","
		     "\"rport\":5432,\"bound\":false,\"scope\":null,"
		     "\"now\":448,\"entered\":450,\"left\":2,"
		     "\"rate\":45.00,\"open\":0,\"blocked\":0,\"peak\":448,\"eaddrnotavail\":0,"
		     "\"pid\":77,\"comm\":\"python3\",\"program\":\"python3\","
		     "\"program_entered\":450,\"programs\":[{\"comm\":\"python3\","
		     "\"connections\":450}],\"ports\":500,\"used\":0.8960,"
		     "\"reuse\":false,\"verdict\":\"filling\","
		     "\"holder\":\"timewait\",\"held_elsewhere\":false,"
		     "\"exhausted_in_ns\":1155555555,"
		     "\"helps\":[\"keep_alive_or_pool\",\"tcp_tw_reuse\","
		     "\"ip_local_port_range\"],\"does_not_help\":[\"tcp_fin_timeout\","
		     "\"tcp_tw_recycle\"],\"settings\":{\"port_low\":40000,"
		     "\"port_high\":40499,\"ports_reserved\":0,\"tcp_tw_reuse\":2,"
		     "\"tcp_tw_reuse_delay_ms\":1000,\"tcp_timestamps\":true,"
		     "\"tcp_fin_timeout_s\":15,\"tcp_max_tw_buckets\":131072}},"
		     "{\"netns\":4026531840,\"netns_name\":null,\"family\":\"ipv4\","
		     "\"laddr\":\"10.0.0.5\",\"raddr\":\"10.0.0.9\",\"rport\":5432,"
		     "\"bound\":false,\"scope\":null,"
		     "\"now\":0,\"entered\":1,\"left\":1,\"rate\":0.00,"
		     "\"open\":0,\"blocked\":0,\"peak\":3,"
		     "\"eaddrnotavail\":0,\"pid\":77,\"comm\":\"python3\","
		     "\"program\":\"python3\",\"program_entered\":1,"
		     "\"programs\":[{\"comm\":\"python3\",\"connections\":1}],\"ports\":28232,"
		     "\"used\":0.0000,\"reuse\":false,"
		     "\"verdict\":\"low\",\"holder\":null,\"held_elsewhere\":false,"
		     "\"exhausted_in_ns\":null,\"helps\":[],"
		     "\"does_not_help\":[],\"settings\":{\"port_low\":32768,"
		     "\"port_high\":60999,\"ports_reserved\":0,\"tcp_tw_reuse\":2,"
		     "\"tcp_tw_reuse_delay_ms\":1000,\"tcp_timestamps\":true,"
		     "\"tcp_fin_timeout_s\":60,\"tcp_max_tw_buckets\":131072}}],"
		     "\"pressure_rest\":{\"keys\":0,\"more\":false,\"now\":0,"
		     "\"entered\":0,\"left\":0,\"rate\":0.00},\"owners\":[{\"pid\":77,"
		     "\"comm\":\"python3\",\"now\":448,\"entered\":451,\"left\":3,"
		     "\"rate\":45.00},{\"pid\":80,\"comm\":\"nginx\",\"now\":1,"
		     "\"entered\":1,\"left\":0,\"rate\":0.10}],\"owners_rest\":{\"keys\":0,"
		     "\"more\":false,\"now\":0,\"entered\":0,\"left\":0,"
		     "\"rate\":0.00},\"remotes\":[{\"family\":\"ipv4\",\"raddr\":\"10.0.0.9\","
		     "\"rport\":5432,\"now\":448,\"entered\":451,\"left\":3,"
		     "\"rate\":45.00},{\"family\":\"ipv4\",\"raddr\":\"10.0.0.20\","
		     "\"rport\":null,\"now\":1,\"entered\":1,\"left\":0,"
		     "\"rate\":0.10}],\"remotes_rest\":{\"keys\":0,\"more\":false,"
		     "\"now\":0,\"entered\":0,\"left\":0,\"rate\":0.00},"
		     "\"lports\":[{\"lport\":null,\"side\":\"client\",\"now\":448,\"entered\":451,"
		     "\"left\":3,\"rate\":45.00},{\"lport\":443,\"side\":\"server\",\"now\":1,"
		     "\"entered\":1,\"left\":0,\"rate\":0.10}],\"lports_rest\":{\"keys\":0,"
		     "\"more\":false,\"now\":0,\"entered\":0,\"left\":0,"
		     "\"rate\":0.00},\"lost\":{\"ring\":3,\"map\":0},\"untracked\":1}\n");
	free(got);
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in:\n%s", part, text);
}

/* Unknown values are null, and names that others chose are escaped. */
static void test_unknown(void **state)
{
	const struct timewait_scope scope = { .old_unknown = "the \"kernel\"",
					      .closed = 1 | NETNS_WALK_MORE };
	const struct summary summary = { .lost_map = 4 };
	struct tcpdwell_transition t = story_enter(7, 40000, STORY_START + S);
	struct timewait *tw = story_new();
	char *got;

	(void)state;
	strcpy(t.comm, "\"\033[2J");
	timewait_event(tw, &t, NULL);
	t.netns = STORY_OWN;
	t.to = TCPDWELL_CLOSE;
	t.reason = TCPDWELL_REASON_TIMEWAIT_OVERFLOW;
	timewait_event(tw, &t, NULL);
	got = render(tw, STORY_START + 2 * S, &scope, &summary);
	assert_has(got, "\"overflow\":{\"count\":1,\"netns\":4026531840,"
			"\"tcp_max_tw_buckets\":131072}");
	assert_has(got, "\"known\":false,\"why\":\"the \\\"kernel\\\"\"");
	assert_has(got, "\"namespaces_closed\":1,\"namespaces_beyond\":true}");
	assert_has(got, "\"pid\":77,\"comm\":\"\\\"\\u001b[2J\"");
	assert_has(got, "\"ports\":null,\"used\":null,\"reuse\":false,\"verdict\":\"unknown\","
			"\"holder\":null,\"held_elsewhere\":false,"
			"\"exhausted_in_ns\":null,\"helps\":[],"
			"\"does_not_help\":[],"
			"\"settings\":null");
	assert_has(got, "\"lost\":{\"ring\":0,\"map\":4},\"untracked\":0}\n");
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests_name("timewait_json", tests, NULL, NULL);
}
