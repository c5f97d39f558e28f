// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* From rows to figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.h"
#include "timewait_story.h"

#define S  STORY_S
#define T0 STORY_START

struct fixture {
	struct timewait *tw;
	struct timewait_figures f;
};

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	x->tw = story_new();
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	timewait_free(x->tw);
	timewait_free(NULL);
	free(x);
	return 0;
}

static void play(struct fixture *x, struct tcpdwell_transition t)
{
	timewait_event(x->tw, &t, NULL);
}

static const struct timewait_figures *look(struct fixture *x, uint64_t now_ns)
{
	timewait_figures(x->tw, now_ns, 5, &x->f);
	return &x->f;
}

/* Everything that the command needs passes, and hardly more. */
static void test_narrow(void **state)
{
	struct filters filters = {};

	(void)state;
	timewait_narrow(&filters);
	assert_true(filters.to >> TCPDWELL_TIME_WAIT & 1);
	assert_true(filters.to >> TCPDWELL_CLOSE & 1);
	assert_false(filters.to >> TCPDWELL_FIN_WAIT2 & 1);
	assert_true(filters.from >> TCPDWELL_FIN_WAIT2 & 1);
	assert_true(filters.from >> TCPDWELL_CLOSING & 1);
	assert_true(filters.from >> TCPDWELL_TIME_WAIT & 1);
	assert_true(filters.from >> TCPDWELL_SYN_SENT & 1);
	assert_true(filters.from >> TCPDWELL_ESTABLISHED & 1);
	assert_true(filters.from >> TCPDWELL_CLOSE & 1);
	assert_true(filters.to >> TCPDWELL_SYN_SENT & 1);
	assert_false(filters.from >> TCPDWELL_LISTEN & 1);
	assert_false(filters.from >> TCPDWELL_SYN_RECV & 1);
	assert_int_equal(filters.either, 0);
}

static void test_nothing(void **state)
{
	const struct timewait_figures *f = look(*state, T0 + S);

	assert_int_equal(f->total.now, 0);
	assert_int_equal(f->old, 0);
	assert_int_equal(f->owners.count, 0);
	assert_int_equal(f->pressure_count, 0);
	for (unsigned int i = 0; i < TCPDWELL_REASON_MAX; i++)
		assert_null(f->lifetimes[i]);
}

static void test_life(void **state)
{
	struct fixture *x = *state;
	struct tcpdwell_transition t = story_enter(STORY_OWN, 40000, T0 + S);
	const struct timewait_figures *f;
	const struct hist *hist;

	play(x, t);
	f = look(x, T0 + 2 * S);
	assert_int_equal(f->total.now, 1);
	assert_int_equal(f->owners.rows[0].key.pid, 77);
	assert_string_equal(f->owners.rows[0].key.comm, "python3");
	assert_int_equal(f->remotes.rows[0].key.rport, 5432);
	assert_int_equal(f->lports.rows[0].key.lport, 0);
	assert_int_equal(f->pressure_count, 1);
	assert_int_equal(f->pressures[0].row.now, 1);
	assert_int_equal(f->pressures[0].pressure.usable, 28232);
	assert_int_equal(f->pressures[0].pid, 77);

	play(x, story_leave(&t, 61 * S, TCPDWELL_REASON_TIMEWAIT_EXPIRED));
	f = look(x, T0 + 62 * S);
	assert_int_equal(f->total.now, 0);
	assert_int_equal(f->total.left, 1);
	assert_int_equal(f->owners.rows[0].now, 0);
	hist = f->lifetimes[TCPDWELL_REASON_TIMEWAIT_EXPIRED];
	assert_non_null(hist);
	assert_int_equal(hist->count, 1);
	assert_int_equal(hist->max_ns, 61 * S);
	assert_null(f->lifetimes[TCPDWELL_REASON_TIMEWAIT_REUSED]);
}

/* A server's clients count by address, and its port by number; it needs no local ports. */
static void test_server(void **state)
{
	struct fixture *x = *state;
	const struct timewait_figures *f;

	for (uint16_t i = 0; i < 10; i++)
		play(x, story_serve(20 + i % 2, 50000 + i, T0 + S));
	f = look(x, T0 + 2 * S);
	assert_int_equal(f->remotes.count, 2);
	assert_int_equal(f->remotes.rows[0].now, 5);
	assert_int_equal(f->remotes.rows[0].key.rport, 0);
	assert_int_equal(f->remotes.rows[0].key.raddr[3], 20);
	assert_int_equal(f->lports.count, 1);
	assert_int_equal(f->lports.rows[0].key.lport, 443);
	assert_int_equal(f->pressure_count, 0);
}

/* If the owner does not tell the side, the local port does. */
static void test_side_by_port(void **state)
{
	struct fixture *x = *state;
	struct tcpdwell_transition t = story_enter(STORY_BLUE, 40000, T0 + S);

	t.owner = TCPDWELL_OWNER_NONE;
	play(x, t);
	t.lport = 50000; /* outside blue's range: the side is unknown */
	play(x, t);
	look(x, T0 + 2 * S);
	assert_int_equal(x->f.pressure_count, 1);
	assert_int_equal(x->f.pressures[0].row.now, 1);
	assert_int_equal(x->f.pressures[0].pid, 0);
	assert_int_equal(x->f.owners.rows[0].key.pid, 0);
	/* A namespace that is not known is assumed to have Linux's own range. */
	t.netns = 1;
	play(x, t);
	look(x, T0 + 2 * S);
	assert_int_equal(x->f.pressure_count, 2);
	assert_null(x->f.pressures[1].netns ? x->f.pressures[0].netns : x->f.pressures[1].netns);
}

/* Advice is for programs: a shell loop's processes are gone, and each had one connection. */
static void test_programs(void **state)
{
	struct fixture *x = *state;
	struct tcpdwell_transition t = story_enter(STORY_OWN, 40000, T0 + S);

	play(x, t);
	strcpy(t.comm, "curl");
	for (unsigned int i = 0; i < 3; i++) {
		t.lport++;
		t.pid = 200 + i;
		play(x, t);
	}
	t.lport = 1023; /* by bind(), outside the range */
	play(x, t);
	look(x, T0 + 2 * S);
	assert_int_equal(x->f.pressure_count, 1);
	assert_int_equal(x->f.pressures[0].row.now, 4);
	assert_true(x->f.pressures[0].varies);
	assert_string_equal(x->f.pressures[0].names[0].comm, "curl");
	assert_int_equal(x->f.pressures[0].names[0].connections, 3);
	assert_string_equal(x->f.pressures[0].names[1].comm, "python3");
	assert_int_equal(x->f.pressures[0].names[1].connections, 1);
}

static struct tcpdwell_transition opened(uint32_t netns, uint16_t lport, uint64_t time_ns)
{
	struct tcpdwell_transition t = story_enter(netns, lport, time_ns);

	t.from = TCPDWELL_CLOSE;
	t.to = TCPDWELL_SYN_SENT;
	t.source = TCPDWELL_SOURCE_TRACEPOINT;
	return t;
}

/* Open connections hold their ports until they are closed or in TIME_WAIT, and count once. */
static void test_open(void **state)
{
	struct fixture *x = *state;
	struct tcpdwell_transition t;

	for (unsigned int i = 0; i < 500; i++) {
		t = opened(STORY_BLUE, 40000 + i, T0 + S);
		play(x, t);
		play(x, t);
	}
	t = opened(STORY_BLUE, 39999, T0 + S); /* outside the range */
	play(x, t);
	look(x, T0 + 2 * S);
	assert_int_equal(x->f.pressure_count, 1);
	assert_int_equal(x->f.pressures[0].open, 500);
	assert_int_equal(x->f.pressures[0].row.now, 0);
	assert_int_equal(x->f.pressures[0].pressure.verdict, PRESSURE_EXHAUSTED);
	assert_int_equal(x->f.pressures[0].names[0].connections, 500);
	/* One goes into TIME_WAIT, one is reset, and one was never seen to open. */
	play(x, story_enter(STORY_BLUE, 40000, T0 + 3 * S));
	t = story_enter(STORY_BLUE, 40001, T0 + 3 * S);
	t.from = TCPDWELL_ESTABLISHED;
	t.to = TCPDWELL_CLOSE;
	t.reason = TCPDWELL_REASON_RESET_RECEIVED;
	play(x, t);
	play(x, t);
	look(x, T0 + 3 * S);
	assert_int_equal(x->f.pressures[0].open, 498);
	assert_int_equal(x->f.pressures[0].row.now, 1);
	assert_int_equal(x->f.pressures[0].names[0].connections, 500);
}

/* With bind() before connect() only the address counts, however many destinations there are. */
static void test_bound(void **state)
{
	const struct tcpdwell_port_use bound = { .bound = 1 };
	struct fixture *x = *state;
	struct tcpdwell_transition t;

	for (unsigned int i = 0; i < 500; i++) {
		t = story_enter(STORY_BLUE, 40000 + i, T0 + S);
		t.raddr[3] = i % 10;
		timewait_event(x->tw, &t, &bound);
	}
	t = opened(STORY_BLUE, 41000, T0 + S);
	t.laddr[3] = 77;
	t.lport = 40000;
	play(x, t);
	t.to = TCPDWELL_CLOSE;
	t.from = TCPDWELL_SYN_SENT;
	t.lport = 0;
	t.reason = TCPDWELL_REASON_NO_LOCAL_PORT;
	play(x, t);
	look(x, T0 + 2 * S);
	assert_int_equal(x->f.pressure_count, 2);
	for (unsigned int i = 0; i < 2; i++) {
		const struct timewait_pressure *p = &x->f.pressures[i];

		assert_int_equal(p->pressure.verdict, PRESSURE_EXHAUSTED);
		assert_int_equal(p->pressure.holder, PRESSURE_BY_BIND);
		assert_int_equal(p->row.now, p->row.key.bound ? 500 : 0);
		/* These ports are closed to the other client, whatever its destination. */
		assert_int_equal(p->blocked, p->row.key.bound ? 0 : 500);
	}
}

/* The same address on two links. */
static void test_scope(void **state)
{
	struct tcpdwell_port_use use = {};
	struct fixture *x = *state;
	struct tcpdwell_transition t;

	for (unsigned int i = 0; i < 300; i++) {
		t = story_enter(STORY_BLUE, 40000 + i / 2, T0 + S);
		t.family = 6;
		t.laddr[0] = t.raddr[0] = 0xfe;
		t.laddr[1] = t.raddr[1] = 0x80;
		use.scope = 2 + i % 2;
		timewait_event(x->tw, &t, &use);
	}
	look(x, T0 + 2 * S);
	assert_int_equal(x->f.pressure_count, 2);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(x->f.pressures[i].row.now, 150);
		assert_int_equal(x->f.pressures[i].pressure.usable, 500);
	}
	assert_int_equal(x->f.pressures[0].row.key.scope + x->f.pressures[1].row.key.scope, 5);
}

static struct timewait_old old_between(uint16_t lport, uint16_t rport, uint8_t listens)
{
	return (struct timewait_old){
		.netns = STORY_OWN,
		.family = 4,
		.listens = listens,
		.lport = lport,
		.rport = rport,
		.laddr = { 127, 0, 0, 1 },
		.raddr = { 127, 0, 0, 1 },
		.left_ns = 30 * S,
	};
}

/* A server that closed first and is gone is no client; if nothing tells the side, none is said. */
static void test_old_sides(void **state)
{
	const struct timewait_old olds[] = {
		old_between(8080, 40000, 0),			  /* a server, by the range */
		old_between(50432, 40001, 0),			  /* unknown */
		old_between(50432, 40002, SERVICE_LISTENS_LOCAL), /* a server */
		old_between(40003, 50432, SERVICE_LISTENS_REMOTE),
	};
	struct fixture *x = *state;
	const struct timewait_figures *f;
	unsigned int unknown = 0;

	for (unsigned int i = 0; i < 4; i++)
		timewait_add_old(x->tw, T0, &olds[i]);
	f = look(x, T0 + S);
	assert_int_equal(f->pressure_count, 1);
	assert_int_equal(f->pressures[0].row.key.rport, 50432);
	assert_int_equal(f->pressures[0].row.now, 1);
	assert_int_equal(f->lports.count, 4);
	for (unsigned int i = 0; i < 4; i++)
		unknown += f->lports.rows[i].key.side == SERVICE_UNKNOWN;
	assert_int_equal(unknown, 1);
}

/* The snapshot tells whose a connection is, and whether its port is bound. */
static void test_open_at_start(void **state)
{
	struct timewait_old old = old_between(40000, 8080, 0);
	struct tcpdwell_socket socket = {
		.state = TCPDWELL_ESTABLISHED,
		.family = 4,
		.netns = STORY_OWN,
		.lport = 40000,
		.rport = 8080,
		.laddr = { 127, 0, 0, 1 },
		.raddr = { 127, 0, 0, 1 },
		.bound = 1,
	};
	struct fixture *x = *state;
	struct tcpdwell_transition t;

	timewait_note(x->tw, &socket);
	socket.pid = 99;
	strcpy(socket.comm, "haproxy");
	timewait_note(x->tw, &socket);
	timewait_add_open(x->tw, T0, &old);
	old.lport = 40001;
	timewait_add_open(x->tw, T0, &old);
	old.listens = SERVICE_LISTENS_LOCAL; /* a server's */
	timewait_add_open(x->tw, T0, &old);
	timewait_looked(x->tw);
	for (unsigned int i = 0; i < 2; i++) {
		t = story_enter(STORY_OWN, 40000 + i, T0 + S);
		t.rport = 8080;
		memcpy(t.laddr, old.laddr, sizeof(t.laddr));
		memcpy(t.raddr, old.raddr, sizeof(t.raddr));
		timewait_event(x->tw, &t, i ? NULL : &(struct tcpdwell_port_use){ .bound = 1 });
	}
	look(x, T0 + 2 * S);
	assert_int_equal(x->f.pressure_count, 2);
	for (unsigned int i = 0; i < 2; i++) {
		const struct timewait_pressure *p = &x->f.pressures[i];

		assert_int_equal(p->open, 0);
		assert_int_equal(p->row.now, 1);
		assert_string_equal(p->names[0].comm, p->row.key.bound ? "haproxy" : "");
	}
}

static void test_old(void **state)
{
	struct fixture *x = *state;
	const struct timewait_figures *f;

	story_add_old(x->tw, 50000, 30 * S);
	story_add_old(x->tw, 50001, 59 * S);
	story_add_old(x->tw, 50002, 2 * S);
	f = look(x, T0 + S);
	assert_int_equal(f->old, 3);
	assert_int_equal(f->total.now, 3);
	assert_int_equal(f->total.entered, 0);
	assert_int_equal(f->listed_count, 3);
	assert_int_equal(f->listed[0].lport, 50001);
	assert_int_equal(f->listed[2].lport, 50002);
	assert_true(f->listed[0].netns_settings->own);
	assert_int_equal(f->old_left->max_ns, 59 * S);
	assert_int_equal(f->pressures[0].row.now, 3);
	/* They leave when they are due. */
	assert_int_equal(look(x, T0 + 10 * S)->total.now, 2);
	assert_int_equal(look(x, T0 + 31 * S)->pressures[0].row.now, 1);
	assert_int_equal(look(x, T0 + 100 * S)->total.now, 0);
	assert_int_equal(x->f.old, 3);
}

/* Its end is subtracted where it was counted, whatever the row of the end says. */
static void test_old_ends_on_its_side(void **state)
{
	const struct timewait_old old = old_between(50432, 40001, 0);
	struct fixture *x = *state;
	struct tcpdwell_transition t = story_enter(STORY_OWN, 50432, T0 + 2 * S);

	timewait_add_old(x->tw, T0, &old);
	t.rport = 40001;
	memcpy(t.laddr, old.laddr, sizeof(t.laddr));
	memcpy(t.raddr, old.raddr, sizeof(t.raddr));
	t.owner = TCPDWELL_OWNER_ACCEPT;
	play(x, t);
	look(x, T0 + 3 * S);
	assert_int_equal(x->f.total.now, 1);
	assert_int_equal(x->f.ended_old, 1);
	assert_int_equal(x->f.lports.rows[0].key.lport, 50432);
	assert_int_equal(x->f.lports.rows[0].now, 1);
	for (unsigned int i = 1; i < x->f.lports.count; i++)
		assert_int_equal(x->f.lports.rows[i].now, 0);
}

/* The same two ends come again: the old one was reused, for which there is no row. */
static void test_old_reused(void **state)
{
	struct fixture *x = *state;
	const struct timewait_figures *f;

	story_add_old(x->tw, 50000, 30 * S);
	story_add_old(x->tw, 50001, 30 * S);
	play(x, story_enter(STORY_OWN, 50000, T0 + 5 * S));
	f = look(x, T0 + 6 * S);
	assert_int_equal(f->total.now, 2);
	assert_int_equal(f->ended_old, 1);
	assert_int_equal(f->pressures[0].row.now, 2);
	assert_int_equal(f->remotes.rows[0].now, 2);
	assert_int_equal(f->owners.rows[0].now, 1);
	assert_int_equal(f->owners.rows[1].now, 1);
	assert_int_equal(look(x, T0 + 35 * S)->total.now, 1);
	/* Long afterwards the same port means nothing. */
	play(x, story_enter(STORY_OWN, 50001, T0 + 100 * S));
	assert_int_equal(look(x, T0 + 101 * S)->ended_old, 1);
}

/* A row that ends an old one reports it, too; neither counts twice. */
static void test_old_ends(void **state)
{
	struct fixture *x = *state;
	struct tcpdwell_transition t = story_enter(STORY_OWN, 50000, T0);

	story_add_old(x->tw, 50000, 30 * S);
	t = story_leave(&t, 5 * S, TCPDWELL_REASON_TIMEWAIT_RESET);
	t.dwell = TCPDWELL_DWELL_AT_LEAST;
	play(x, t);
	play(x, t);
	look(x, T0 + 6 * S);
	assert_int_equal(x->f.total.now, 0);
	assert_int_equal(x->f.ended_old, 1);
	assert_null(x->f.lifetimes[TCPDWELL_REASON_TIMEWAIT_RESET]);
}

/* An old one ends by a row that says so, or by a later row of another connection. */
static void test_old_expires(void **state)
{
	struct fixture *x = *state;
	struct tcpdwell_transition t = story_enter(STORY_OWN, 50000, T0);

	story_add_old(x->tw, 50000, 10 * S);
	story_add_old(x->tw, 50001, 10 * S);
	/* The kernel's timer may end a moment before the time that it said was left. */
	t = story_leave(&t, 10 * S - 1, TCPDWELL_REASON_TIMEWAIT_EXPIRED);
	t.dwell = TCPDWELL_DWELL_AT_LEAST;
	play(x, t);
	play(x, story_enter(STORY_OWN, 50001, T0 + 15 * S));
	look(x, T0 + 16 * S);
	assert_int_equal(x->f.total.now, 1);
	assert_int_equal(x->f.ended_old, 0);
}

/* Old ones are forgotten with the first row after the first minute. */
static void test_old_told_late(void **state)
{
	struct fixture *x = *state;

	play(x, story_enter(STORY_OWN, 50000, T0 + 70 * S));
	story_add_old(x->tw, 50001, 30 * S);
	assert_int_equal(look(x, T0 + 70 * S)->old, 1);
}

/* Between attaching the first program and the snapshot: seen twice, counted once. */
static void test_entered_before_start(void **state)
{
	struct fixture *x = *state;
	struct tcpdwell_transition t = story_enter(STORY_OWN, 50000, T0 - 1);

	story_add_old(x->tw, 50000, 60 * S - 1);
	play(x, t);
	assert_int_equal(look(x, T0 + S)->total.now, 1);
	play(x, story_leave(&t, 2 * S, TCPDWELL_REASON_TIMEWAIT_REUSED));
	t.to = TCPDWELL_CLOSE;
	t.reason = TCPDWELL_REASON_TIMEWAIT_OVERFLOW;
	play(x, t);
	look(x, T0 + 3 * S);
	assert_int_equal(x->f.overflow, 0);
	assert_int_equal(x->f.total.now, 0);
	assert_int_equal(x->f.ended_old, 1);
}

static void test_overflow_and_refused(void **state)
{
	struct fixture *x = *state;
	struct tcpdwell_transition t = story_enter(STORY_OWN, 50000, T0 + S);

	t.to = TCPDWELL_CLOSE;
	t.reason = TCPDWELL_REASON_TIMEWAIT_OVERFLOW;
	play(x, t);
	t.from = TCPDWELL_CLOSING;
	play(x, t);
	t.reason = TCPDWELL_REASON_FIN;
	play(x, t);
	t.from = TCPDWELL_SYN_SENT;
	t.lport = 0;
	t.reason = TCPDWELL_REASON_NO_LOCAL_PORT;
	play(x, t);
	t.reason = TCPDWELL_REASON_REFUSED;
	play(x, t);
	look(x, T0 + 2 * S);
	assert_int_equal(x->f.overflow, 2);
	assert_int_equal(x->f.overflow_netns, STORY_OWN);
	assert_int_equal(x->f.overflow_settings->ephemeral.max_tw_buckets, 131072);
	assert_int_equal(x->f.refused, 1);
	assert_int_equal(x->f.total.entered, 0);
	assert_int_equal(x->f.pressure_count, 1);
	assert_int_equal(x->f.pressures[0].refused, 1);
	assert_int_equal(x->f.pressures[0].pressure.verdict, PRESSURE_EXHAUSTED);
}

/* The worst come first; the rest is summed. */
static void test_top(void **state)
{
	struct fixture *x = *state;
	const struct timewait_table *owners = &x->f.owners;
	struct tcpdwell_transition t;

	for (unsigned int pid = 1; pid <= 9; pid++) {
		for (unsigned int i = 0; i < pid; i++) {
			t = story_enter(STORY_OWN, 40000 + i, T0 + S);
			t.pid = pid;
			t.raddr[0] = pid;
			play(x, t);
		}
	}
	look(x, T0 + 2 * S);
	assert_int_equal(owners->count, 5);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(owners->rows[i].key.pid, 9 - i);
	assert_int_equal(owners->rest_keys, 4);
	assert_false(owners->rest_more);
	assert_int_equal(owners->rest.now, 1 + 2 + 3 + 4);
	assert_int_equal(x->f.pressure_count, 5);
	assert_int_equal(x->f.pressures[0].row.now, 9);
	assert_int_equal(x->f.pressure_rest_keys, 4);
	assert_int_equal(x->f.pressure_rest.now, 10);
	timewait_figures(x->tw, T0 + 2 * S, 1000, &x->f);
	assert_int_equal(owners->count, 9);
	assert_int_equal(owners->rest.now, 0);
}

/* The verdict counts before the number: 450 of 500 are worse than 600 of 28 232. */
static void test_worst_pressure(void **state)
{
	struct fixture *x = *state;

	for (unsigned int i = 0; i < 450; i++)
		play(x, story_enter(STORY_BLUE, 40000 + i, T0 + S));
	for (unsigned int i = 0; i < 600; i++)
		play(x, story_enter(STORY_OWN, 40000 + i, T0 + S));
	look(x, T0 + 61 * S);
	assert_int_equal(x->f.pressures[0].row.key.netns, STORY_BLUE);
	assert_int_equal(x->f.pressures[0].pressure.verdict, PRESSURE_HIGH);
	assert_int_equal(x->f.pressures[1].pressure.verdict, PRESSURE_LOW);
}

/* After a million rows, each with its own key, memory is bounded and the total right. */
static void test_bounded(void **state)
{
	struct fixture *x = *state;
	struct tcpdwell_transition t;

	for (uint32_t i = 0; i < 1000000; i++) {
		t = story_enter(STORY_OWN, 40000, T0 + S + i * 1000ULL);
		t.pid = i + 1;
		memcpy(t.raddr, &i, 4);
		play(x, t);
		if (i % 2)
			play(x, story_leave(&t, 1, TCPDWELL_REASON_TIMEWAIT_RESET));
	}
	look(x, T0 + 3 * S);
	assert_int_equal(x->f.total.now, 500000);
	assert_true(x->f.owners.rest_more);
	assert_int_equal(x->f.owners.rest.now + 5, 500000);
	assert_int_equal(x->f.owners.rest.entered + 5, 1000000);
	assert_int_equal(x->f.pressure_rest.now + 5, 500000);
}

static void test_which_are_old(void **state)
{
	/* It was asked for 100 ms after the begin. */
	const uint64_t begin_ns = 1000 * S, read_ns = begin_ns + S / 10;

	(void)state;
	assert_true(timewait_is_old(read_ns, 30 * S, begin_ns));
	assert_true(timewait_is_old(read_ns, 59 * S + 800000000, begin_ns));
	assert_false(timewait_is_old(read_ns, 59 * S + 950000000, begin_ns));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_which_are_old),
		cmocka_unit_test_setup_teardown(test_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_life, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_server, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_side_by_port, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_programs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_open, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bound, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_scope, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_open_at_start, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_old, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_old_sides, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_old_ends_on_its_side, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_old_reused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_old_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_old_expires, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_old_told_late, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_entered_before_start, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_overflow_and_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_top, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_worst_pressure, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bounded, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("timewait", tests, NULL, NULL);
}
