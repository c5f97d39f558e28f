// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Each finding as a person reads it, at 80 and at 140 columns. The finders draw it from a made-up
 * host, and the printed text is compared with a file in tests/unit/view/golden. GOLDEN=write in the
 * environment writes the files anew; somebody must then read them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "facts_story.h"
#include "model/findings.h"
#include "view/finding.h"

#define S	 1000000000ULL
#define FOLDER	 "tests/unit/view/golden"
#define FILE_MAX 8192

static struct deadline_socket retransmitting(uint8_t state, unsigned int again)
{
	return (struct deadline_socket){
		.state = state,
		.timer = DEADLINE_TIMER_RETRANSMIT,
		.retransmits = again,
		.rto_ns = 3264000000,
		.expires_ns = 2 * S,
		.retransmit_ns = 5 * S,
		.unacknowledged = true,
	};
}

static void set_timers(struct fact_socket *sockets, unsigned int count,
		       struct deadline_socket timers)
{
	for (unsigned int i = 0; i < count; i++)
		sockets[i].timers = timers;
}

/* ---- A host for each of them ---- */

static void syn_unanswered(void)
{
	struct fact_socket *s = facts_clients(TCPDWELL_SYN_SENT, 40);

	struct deadline_socket timers = retransmitting(TCPDWELL_SYN_SENT, 3);

	timers.rto_ns = S;
	timers.expires_ns = S / 2;
	timers.err_soft = true;
	set_timers(s, 40, timers);
}

static void given_up_in_haste(void)
{
	facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_ABORTED, 0, 17, 2);
	host.ends[0].hasty = true;
	host.ends[0].waited_ns = 501 * S / 1000;
}

static void scan(void)
{
	for (int i = 0; i < 25; i++)
		facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, ECONNREFUSED, 4, i);
}

static void connect_failing(void)
{
	facts_add_failure(FACT_CONNECT, ENETUNREACH, 12, 0, 5432);
}

static void syn_flood(void)
{
	struct fact_socket *l = facts_listener(0, 128);

	l->requests = 129;
	l->old_requests = 120;
	l->request_sources = 117;
	host.netns.grew[FACT_SYNCOOKIES_SENT] = 40000;
	host.netns.grew[FACT_SYNCOOKIES_RECV] = 12;
}

static void accept_queue_full(void)
{
	struct fact_socket *l = facts_listener(5, 4), *s = facts_accepted(TCPDWELL_ESTABLISHED, 6);

	for (int i = 0; i < 5; i++)
		s[i].queued = true;
	l->drops_grew = 31;
}

static void busy_workers(void)
{
	struct fact_socket *l = facts_listener(5, 4), *s = facts_accepted(TCPDWELL_ESTABLISHED, 8);

	l->cookie = 99;
	for (int i = 0; i < 8; i++) {
		s[i].queued = i < 5;
		s[i].owner = facts_owner(101 + i % 2, "worker");
	}
	for (int i = 0; i < 4; i++) {
		host.processes[i] = (struct fact_process){ facts_owner(100 + i, "worker"), 9, 5,
							   1024, .state = i == 3 ? 'T' : 'S' };
		strcpy(host.processes[i].call, i ? "futex" : "sigsuspend");
		host.holders[i] = (struct fact_holder){ 99, host.processes[i].owner };
	}
	host.facts.process_count = host.facts.holder_count = 4;
}

static void half_open(void)
{
	struct fact_socket *s = facts_accepted(TCPDWELL_ESTABLISHED, 3);

	set_timers(s, 3, retransmitting(TCPDWELL_ESTABLISHED, 5));
	for (int i = 0; i < 3; i++) {
		s[i].unacked_bytes = 4344;
		s[i].silent_ns = (12 + i) * S;
		s[i].age_ns = 400 * S;
	}
}

static void half_open_died(void)
{
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_TIMEOUT, ETIMEDOUT, 4, 2);
}

static void half_open_suspects(void)
{
	struct fact_socket *s = facts_accepted(TCPDWELL_ESTABLISHED, 6);

	for (int i = 0; i < 6; i++) {
		s[i].at.raddr[3] = i % 3;
		s[i].silent_ns = i < 3 ? 60 * S : S;
		s[i].opened_ns = i < 3 ? 100 * S : 30 * S;
		s[i].opened_most_ns = i < 3 ? FACT_UNKNOWN : 30 * S;
	}
}

static void close_wait_leak(void)
{
	struct fact_socket *s = facts_accepted(TCPDWELL_CLOSE_WAIT, 412);

	for (int i = 0; i < 412; i++) {
		s[i].timers.state = TCPDWELL_CLOSE_WAIT;
		s[i].age_ns = (61 + i) * S;
		s[i].unread_bytes = 100;
	}
}

static void stuck(uint8_t state)
{
	struct fact_socket *s = facts_accepted(state, 9);

	set_timers(s, 9, retransmitting(state, 4));
	for (int i = 0; i < 9; i++) {
		s[i].owner = (struct fact_owner){ 0 };
		s[i].timers.orphan = true;
	}
}

static void leaking_workers(void)
{
	close_wait_leak();
	for (int i = 0; i < 412; i++)
		host.sockets[i].owner.pid = 100 + i / 4;
}

static void stuck_fin_wait1(void)
{
	stuck(TCPDWELL_FIN_WAIT1);
}

static void stuck_fin_wait2(void)
{
	struct fact_socket *s = facts_clients(TCPDWELL_FIN_WAIT2, 5);

	for (int i = 0; i < 5; i++) {
		s[i].age_ns = 3700 * S;
		s[i].timers.state = TCPDWELL_FIN_WAIT2;
	}
}

static void stuck_closing(void)
{
	stuck(TCPDWELL_CLOSING);
}

static void stuck_last_ack(void)
{
	stuck(TCPDWELL_LAST_ACK);
}

static void ports_exhausted(void)
{
	struct fact_socket *s = facts_clients(TCPDWELL_TIME_WAIT, 97);

	for (int i = 0; i < 97; i++) {
		s[i].owner = (struct fact_owner){ 0 };
		s[i].timers = (struct deadline_socket){ .state = TCPDWELL_TIME_WAIT,
							.timer = DEADLINE_TIMER_TIMEWAIT,
							.expires_ns = (i % 60) * S };
	}
	facts_add_failure(FACT_CONNECT, EADDRNOTAVAIL, 340, 0, 5432);
}

static void ports_of_open(void)
{
	facts_clients(TCPDWELL_ESTABLISHED, 97);
	facts_add_failure(FACT_CONNECT, EADDRNOTAVAIL, 340, 0, 5432);
}

static void address_in_use(void)
{
	facts_listener(0, 128);
	facts_add_failure(FACT_BIND, EADDRINUSE, 3, 80, 0);
}

static void forbidden_port(void)
{
	host.netns.settings[FACT_UNPRIVILEGED] = 1024;
	facts_add_failure(FACT_BIND, EACCES, 1, 80, 0);
}

static void foreign_address(void)
{
	facts_add_failure(FACT_BIND, EADDRNOTAVAIL, 1, 80, 0);
}

static void timewait_overflow(void)
{
	host.netns.grew[FACT_TIMEWAIT_OVERFLOW] = 5000;
}

static void keepalive_died(void)
{
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_KEEPALIVE_TIMEOUT, ETIMEDOUT, 7, 2);
}

static void resets(void)
{
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_RECEIVED, ECONNRESET, 60, 2);
	facts_add_end(TCPDWELL_LAST_ACK, TCPDWELL_REASON_FIN, 0, 40, 2);
}

static void orphans(void)
{
	host.netns.orphans = 912;
}

static void memory(void)
{
	host.facts.memory = (struct fact_memory){ 130000, 122880 };
	host.netns.grew[FACT_MEMORY_PRESSURES] = 2;
	host.netns.grew[FACT_ABORT_ON_MEMORY] = 14;
}

static void descriptors(void)
{
	host.processes[0] = (struct fact_process){ facts_owner(22, "server"), 980, 950, 1024,
						   .state = 'S' };
	host.facts.process_count = 1;
}

static void self_connect(void)
{
	struct fact_socket *s = facts_clients(TCPDWELL_ESTABLISHED, 1);

	s->timers.state = TCPDWELL_ESTABLISHED;
	s->at.rport = s->at.lport;
	memcpy(s->at.raddr, s->at.laddr, sizeof(s->at.raddr));
}

static const struct {
	enum finding_id id;
	const char *variant; /* of its file's name */
	void (*stage)(void);
} scenes[] = {
	{ FINDING_SYN_UNANSWERED, "", syn_unanswered },
	{ FINDING_SYN_UNANSWERED, "-hasty", given_up_in_haste },
	{ FINDING_SCAN, "", scan },
	{ FINDING_CONNECT_FAILING, "", connect_failing },
	{ FINDING_SYN_FLOOD, "", syn_flood },
	{ FINDING_ACCEPT_QUEUE_FULL, "", accept_queue_full },
	{ FINDING_ACCEPT_QUEUE_FULL, "-workers", busy_workers },
	{ FINDING_HALF_OPEN, "", half_open },
	{ FINDING_HALF_OPEN, "-suspects", half_open_suspects },
	{ FINDING_HALF_OPEN, "-died", half_open_died },
	{ FINDING_CLOSE_WAIT_LEAK, "", close_wait_leak },
	{ FINDING_CLOSE_WAIT_LEAK, "-workers", leaking_workers },
	{ FINDING_STUCK_FIN_WAIT1, "", stuck_fin_wait1 },
	{ FINDING_STUCK_FIN_WAIT2, "", stuck_fin_wait2 },
	{ FINDING_STUCK_CLOSING, "", stuck_closing },
	{ FINDING_STUCK_LAST_ACK, "", stuck_last_ack },
	{ FINDING_PORTS_EXHAUSTED, "", ports_exhausted },
	{ FINDING_PORTS_EXHAUSTED, "-open", ports_of_open },
	{ FINDING_ADDRESS_IN_USE, "", address_in_use },
	{ FINDING_ADDRESS_IN_USE, "-forbidden", forbidden_port },
	{ FINDING_ADDRESS_IN_USE, "-foreign", foreign_address },
	{ FINDING_TIMEWAIT_OVERFLOW, "", timewait_overflow },
	{ FINDING_KEEPALIVE_DIED, "", keepalive_died },
	{ FINDING_RESETS, "", resets },
	{ FINDING_ORPHANS, "", orphans },
	{ FINDING_MEMORY, "", memory },
	{ FINDING_DESCRIPTORS, "", descriptors },
	{ FINDING_SELF_CONNECT, "", self_connect },
};

#define SCENES (sizeof(scenes) / sizeof(*scenes))

/* ---- Text ---- */

/* Sets what Linux has where nobody has set anything. */
static void set_defaults(uint64_t *settings)
{
	settings[FACT_MAX_SYN_BACKLOG] = 1024;
	settings[FACT_SOMAXCONN] = 4096;
	settings[FACT_ABORT_ON_OVERFLOW] = 0;
	settings[FACT_RETRIES2] = 15;
	settings[FACT_ORPHAN_RETRIES] = 0;
	settings[FACT_SYN_RETRIES] = 6;
	settings[FACT_SYNACK_RETRIES] = 5;
	settings[FACT_FIN_TIMEOUT] = 60;
	settings[FACT_KEEPALIVE_TIME] = 7200;
	settings[FACT_KEEPALIVE_INTVL] = 75;
	settings[FACT_KEEPALIVE_PROBES] = 9;
	settings[FACT_TW_REUSE] = 2;
	settings[FACT_MAX_TW_BUCKETS] = 65536;
}

/* Returns the only finding of a scene as text, which the caller frees. */
static char *text_of(size_t scene, unsigned int columns)
{
	struct finding_context context = { .netns = &host.netns };
	struct findings *findings;
	const struct finding *finding;
	char *text = NULL;
	size_t len;
	FILE *out;

	facts_begin(NULL);
	set_defaults(host.netns.settings);
	scenes[scene].stage();
	findings = findings_new(&host.facts);
	assert_non_null(findings);
	assert_int_equal(findings_count(findings), 1);
	finding = findings_at(findings, 0);
	assert_int_equal(finding->id, scenes[scene].id);
	if (finding->owner.pid) {
		context.command = "/usr/sbin/server --config /etc/server/server.conf";
		context.texts[CONTAINER_UNIT] = "server.service";
	}
	out = open_memstream(&text, &len);
	assert_non_null(out);
	finding_print(out, finding, &context, columns);
	fclose(out);
	findings_free(findings);
	return text;
}

static void check(size_t scene, unsigned int columns)
{
	const char *mode = getenv("GOLDEN");
	bool writes = mode && !strcmp(mode, "write");
	char path[256], wanted[FILE_MAX], *text = text_of(scene, columns);
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), FOLDER "/%s%s-%u.txt", finding_name(scenes[scene].id),
		 scenes[scene].variant, columns);
	file = fopen(path, writes ? "w" : "r");
	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	if (writes) {
		fputs(text, file);
	} else {
		len = fread(wanted, 1, sizeof(wanted) - 1, file);
		wanted[len] = '\0';
		assert_string_equal(text, wanted);
	}
	fclose(file);
	free(text);
}

static void test_80_columns(void **state)
{
	(void)state;
	for (size_t i = 0; i < SCENES; i++)
		check(i, 80);
}

static void test_140_columns(void **state)
{
	(void)state;
	for (size_t i = 0; i < SCENES; i++)
		check(i, 140);
}

/* No line is longer than the terminal, except one that cannot be broken: a command to copy. */
static void test_lines_fit(void **state)
{
	(void)state;
	for (size_t i = 0; i < SCENES; i++) {
		char *text = text_of(i, 80), *rest = NULL;

		for (char *line = strtok_r(text, "\n", &rest); line;
		     line = strtok_r(NULL, "\n", &rest))
			if (strlen(line) > 80 && !strstr(line, "tcpdwell "))
				fail_msg("%s", line);
		free(text);
	}
}

/* Each finding has a scene. */
static void test_all_of_them(void **state)
{
	(void)state;
	for (unsigned int id = 0; id < FINDING_MAX; id++) {
		bool found = false;

		for (size_t i = 0; i < SCENES; i++)
			found |= scenes[i].id == id;
		if (!found)
			fail_msg("%s has no scene", finding_name(id));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_80_columns),
		cmocka_unit_test(test_140_columns),
		cmocka_unit_test(test_lines_fit),
		cmocka_unit_test(test_all_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
