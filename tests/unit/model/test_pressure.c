// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* When ports run out, and what advice follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/pressure.h"

#define S 1000000000ULL
/* Advice for any client under pressure with Linux's own settings. */
#define USUAL (PRESSURE_POOL | PRESSURE_REUSE | PRESSURE_RANGE)

static struct ephemeral usual(void)
{
	return (struct ephemeral){
		.known = true,
		.low = 32768,
		.high = 60999,
		.usable = 28232,
		.tw_reuse = TW_REUSE_LOOPBACK,
		.timestamps = true,
		.tw_reuse_delay_ms = 1000,
		.fin_timeout_s = 60,
		.max_tw_buckets = 131072,
	};
}

/* Returns a tally of @count entries in each of @seconds seconds before 1000 s. */
static struct tally entered(unsigned int seconds, unsigned int count)
{
	struct tally tally = {};

	for (unsigned int s = seconds; s; s--)
		for (unsigned int i = 0; i < count; i++)
			tally_enter(&tally, (1000 - s) * S);
	tally_advance(&tally, 1000 * S);
	return tally;
}

static struct pressure judge(const struct tally *tally, double rate, const struct ephemeral *e)
{
	struct pressure_input input = { .tally = tally, .rate = rate, .ephemeral = e };

	return pressure_of(&input);
}

static void test_unknown(void **state)
{
	struct ephemeral e = {};
	struct tally tally = entered(1, 10);
	struct pressure p = judge(&tally, 1e6, &e);

	(void)state;
	assert_int_equal(p.verdict, PRESSURE_UNKNOWN);
	assert_int_equal(p.usable, 0);
	assert_false(p.fills);
	assert_int_equal(p.advice, 0);
	/* That connect() failed counts, even if no settings are known. */
	tally.refused = 1;
	p = judge(&tally, 0, &e);
	assert_int_equal(p.verdict, PRESSURE_EXHAUSTED);
	assert_int_equal(p.advice, PRESSURE_POOL);
}

/* Open connections that grow in number fill the ports, too; beyond a lifetime only they do. */
static void test_growth(void **state)
{
	struct ephemeral e = usual();
	struct tally tally = {};
	struct pressure_input input = { .tally = &tally, .growth = 1000, .ephemeral = &e };
	struct pressure p = pressure_of(&input);

	(void)state;
	assert_true(p.fills);
	assert_int_equal(p.exhausted_ns / S, 28);
	input.growth = 10;
	p = pressure_of(&input);
	assert_int_equal(p.exhausted_ns / S, 2823);
	/* 400 a second keep 24 000 in TIME_WAIT, and the rest is for connections that stay. */
	input.rate = 400;
	p = pressure_of(&input);
	assert_int_equal(p.exhausted_ns / S, 423);
	/* On loopback connect() takes them back, except those of the last two seconds. */
	input.loopback = true;
	p = pressure_of(&input);
	assert_true(p.reuse);
	assert_int_equal(p.exhausted_ns / S, 2743);
	input.growth = 0;
	assert_false(pressure_of(&input).fills);
	tally.open = 14116;
	tally.entered = 5000;
	p = pressure_of(&input);
	assert_true(p.taken == 0.5 && p.used > 0.6);
}

/* connect() fails, but not because of TIME_WAIT: advice against TIME_WAIT does not help. */
static void test_held_elsewhere(void **state)
{
	struct ephemeral e = usual();
	struct tally tally = entered(10, 100);
	struct pressure_input input = { .tally = &tally, .rate = 100, .ephemeral = &e };
	struct pressure p;

	(void)state;
	assert_false(pressure_of(&input).elsewhere);
	tally.refused = 1;
	p = pressure_of(&input);
	assert_true(p.elsewhere);
	assert_int_equal(p.verdict, PRESSURE_EXHAUSTED);
	assert_int_equal(p.advice, PRESSURE_POOL | PRESSURE_NO_REUSE | PRESSURE_RANGE);
	/* Sockets that cannot be seen may hold the ports. */
	input.partial = true;
	assert_false(pressure_of(&input).elsewhere);
	input.partial = false;
	tally.held_peak = 28232 / 2;
	p = pressure_of(&input);
	assert_false(p.elsewhere);
	assert_int_equal(p.advice, USUAL);
}

/* One address on two links is two addresses. */
static void test_link_local(void **state)
{
	static const uint8_t link[16] = { 0xfe, 0x9f }, other[16] = { 0xfe, 0xc0 };
	struct ephemeral e = usual();
	struct tally tally = entered(10, 100);
	struct pressure_input input = {
		.tally = &tally, .rate = 100, .ephemeral = &e, .link_local = true
	};

	(void)state;
	assert_true(pressure_is_link_local(6, link));
	assert_false(pressure_is_link_local(6, other));
	assert_false(pressure_is_link_local(4, link));
	assert_int_equal(pressure_of(&input).usable, 0);
	assert_int_equal(pressure_of(&input).verdict, PRESSURE_UNKNOWN);
}

/* Open connections use ports, too, and what helps against TIME_WAIT does not help them. */
static void test_open(void **state)
{
	struct ephemeral e = usual();
	struct tally tally = { .open = 100 };
	struct pressure_input input = { .tally = &tally, .ephemeral = &e, .loopback = true };
	struct pressure p;

	(void)state;
	e.usable = 100;
	p = pressure_of(&input);
	assert_true(p.used == 1);
	assert_int_equal(p.verdict, PRESSURE_EXHAUSTED);
	assert_int_equal(p.holder, PRESSURE_BY_OPEN);
	assert_int_equal(p.advice, PRESSURE_FEWER | PRESSURE_NO_REUSE | PRESSURE_RANGE);
	/* connect() reuses ports in TIME_WAIT, and no others. */
	tally = entered(1, 60);
	tally.open = 40;
	p = pressure_of(&input);
	assert_true(p.reuse && p.used == 1);
	assert_int_equal(p.verdict, PRESSURE_LOW);
	tally.open = 50;
	assert_int_equal(pressure_of(&input).verdict, PRESSURE_HIGH);
	input.rate = 30;
	p = pressure_of(&input);
	assert_int_equal(p.verdict, PRESSURE_FILLING);
	assert_in_range(p.exhausted_ns, 1666666666, 1666666667);
	input.loopback = false;
	assert_int_equal(pressure_of(&input).verdict, PRESSURE_EXHAUSTED);
}

/* Ports that bind() took are not helped by tcp_tw_reuse, and are closed to those without bind(). */
static void test_bound(void **state)
{
	struct ephemeral e = usual();
	struct tally tally = entered(1, 100);
	struct pressure_input input = { .tally = &tally, .ephemeral = &e, .loopback = true };
	struct pressure p;

	(void)state;
	e.usable = 100;
	tally.key.bound = 1;
	p = pressure_of(&input);
	assert_false(p.reuse);
	assert_int_equal(p.verdict, PRESSURE_EXHAUSTED);
	assert_int_equal(p.holder, PRESSURE_BY_BIND);
	assert_int_equal(p.advice,
			 PRESSURE_LATE_BIND | PRESSURE_POOL | PRESSURE_NO_REUSE | PRESSURE_RANGE);
	tally = (struct tally){ .open = 10 };
	input.blocked = 90;
	p = pressure_of(&input);
	assert_true(p.reuse);
	assert_int_equal(p.verdict, PRESSURE_EXHAUSTED);
	assert_int_equal(p.holder, PRESSURE_BY_BIND);
	assert_true(p.advice & PRESSURE_LATE_BIND);
}

/* IP_LOCAL_PORT_RANGE leaves a part of the range; other values of it count for nothing. */
static void test_narrowed(void **state)
{
	struct ephemeral e = usual();
	struct tally tally = { .open = 20, .refused = 1, .held_peak = 20 };
	struct pressure_input input = { .tally = &tally, .ephemeral = &e };
	struct pressure p;

	(void)state;
	tally_set_range(&tally, 40000, 40019);
	p = pressure_of(&input);
	assert_true(p.narrowed);
	assert_int_equal(p.usable, 20);
	assert_true(p.used == 1);
	assert_false(p.elsewhere);
	assert_int_equal(p.advice, PRESSURE_FEWER | PRESSURE_WIDEN | PRESSURE_NO_REUSE);
	tally_set_range(&tally, 40000, 40019);
	assert_int_equal(pressure_of(&input).usable, 20);
	/* Two sockets with two ranges share no figure. */
	tally_set_range(&tally, 50000, 50099);
	assert_int_equal(pressure_of(&input).usable, 0);
	tally = (struct tally){ .open = 20 };
	tally_set_range(&tally, 100, 70);
	p = pressure_of(&input);
	assert_false(p.narrowed);
	assert_int_equal(p.usable, 28232);
	tally_set_range(&tally, 0, 0);
	tally = (struct tally){ .open = 20 };
	tally_set_range(&tally, 0, 32867);
	assert_int_equal(pressure_of(&input).usable, 100);
}

/* More are in use than exist: something unknown tells them apart. */
static void test_too_many(void **state)
{
	struct ephemeral e = usual();
	struct tally tally = { .open = 180 };
	struct pressure_input input = { .tally = &tally, .ephemeral = &e };

	(void)state;
	e.usable = 100;
	assert_int_equal(pressure_of(&input).usable, 0);
	assert_int_equal(pressure_of(&input).verdict, PRESSURE_UNKNOWN);
	tally.open = 105;
	assert_true(pressure_of(&input).used == 1);
}

static void test_low(void **state)
{
	struct ephemeral e = usual();
	struct tally tally = entered(10, 100);
	struct pressure p = judge(&tally, 100, &e);

	(void)state;
	assert_int_equal(p.verdict, PRESSURE_LOW);
	assert_false(p.fills);
	assert_int_equal(p.advice, 0);
	assert_true(p.used > 0.0354 && p.used < 0.0355);
}

/* 400 a second settle at 24 000, which is most of 28 232 but not all. */
static void test_high(void **state)
{
	struct ephemeral e = usual();
	struct tally tally = entered(60, 400);
	struct pressure p = judge(&tally, 400, &e);

	(void)state;
	assert_int_equal(p.verdict, PRESSURE_HIGH);
	assert_false(p.fills);
	assert_int_equal(p.advice, USUAL);
	/* The same rate is as good a reason when it has only just begun. */
	tally = entered(1, 400);
	assert_int_equal(judge(&tally, 400, &e).verdict, PRESSURE_HIGH);
}

/* 1000 a second from nothing: 28 232 are taken after 28.232 s. */
static void test_filling(void **state)
{
	struct ephemeral e = usual();
	struct tally tally = {};
	struct pressure p;

	(void)state;
	tally_advance(&tally, 1000 * S);
	p = judge(&tally, 1000, &e);
	assert_int_equal(p.verdict, PRESSURE_FILLING);
	assert_true(p.fills);
	assert_in_range(p.exhausted_ns, 28231999999, 28232000001);
	/* A reserved port cannot be taken. */
	e.reserved = 18232;
	e.usable = 10000;
	p = judge(&tally, 1000, &e);
	assert_in_range(p.exhausted_ns, 9999999999, 10000000001);
	assert_int_equal(p.advice, USUAL | PRESSURE_RESERVED);
}

/*
 * 100 entered in each of the last 60 s. Now 200 a second come and 100 leave: 6000 are held, and
 * 1000 more fit, which takes 10 s.
 */
static void test_what_leaves_is_counted(void **state)
{
	struct ephemeral e = usual();
	struct tally tally = entered(60, 100);
	struct pressure p;

	(void)state;
	e.usable = 7000;
	p = judge(&tally, 200, &e);
	assert_int_equal(p.verdict, PRESSURE_FILLING);
	assert_in_range(p.exhausted_ns, 9999999999, 10000000001);
	/* At the rate that it had all the time, the ports never run out. */
	p = judge(&tally, 100, &e);
	assert_false(p.fills);
	assert_int_equal(p.verdict, PRESSURE_HIGH);
}

static void test_exhausted(void **state)
{
	struct ephemeral e = usual();
	struct tally tally = entered(10, 100);
	struct pressure p;

	(void)state;
	e.usable = 1000;
	p = judge(&tally, 0, &e);
	assert_int_equal(p.verdict, PRESSURE_EXHAUSTED);
	assert_true(p.fills);
	assert_int_equal(p.exhausted_ns, 0);
	assert_true(p.used == 1);
}

static void test_reuse(void **state)
{
	struct ephemeral e = usual();
	struct tally tally = entered(2, 400);
	struct pressure_input input = {
		.tally = &tally, .rate = 400, .ephemeral = &e, .loopback = true
	};
	struct pressure p;

	(void)state;
	e.usable = 1000;
	p = pressure_of(&input);
	assert_true(p.reuse);
	assert_false(p.fills);
	assert_int_equal(p.verdict, PRESSURE_LOW);
	assert_int_equal(p.advice, 0);
	/* Each port is free again after two seconds at most: 1000 are enough for 500 a second. */
	input.rate = 600;
	p = pressure_of(&input);
	assert_int_equal(p.verdict, PRESSURE_FILLING);
	assert_int_equal(p.advice, PRESSURE_POOL | PRESSURE_RANGE);
	/* The default for loopback does not help other destinations. */
	input.loopback = false;
	p = pressure_of(&input);
	assert_false(p.reuse);
	assert_true(p.advice & PRESSURE_REUSE);
	/* Without timestamps there is no reuse at all. */
	e.tw_reuse = TW_REUSE_ALL;
	e.timestamps = false;
	p = pressure_of(&input);
	assert_false(p.reuse);
	assert_int_equal(p.advice & (PRESSURE_REUSE | PRESSURE_TIMESTAMPS), PRESSURE_TIMESTAMPS);
}

/* Advice that does not follow is not given. */
static void test_advice(void **state)
{
	struct ephemeral e = usual();
	struct tally tally = entered(1, 10);

	(void)state;
	e.low = 1024;
	e.high = 65535;
	e.usable = 10;
	e.fin_timeout_s = 15;
	assert_int_equal(judge(&tally, 10, &e).advice,
			 PRESSURE_POOL | PRESSURE_REUSE | PRESSURE_FIN_TIMEOUT);
}

static void test_loopback(void **state)
{
	const uint8_t v4[16] = { 127, 5, 5, 5 }, v6[16] = { [15] = 1 }, other[16] = { 10 };

	(void)state;
	assert_true(pressure_is_loopback(4, v4));
	assert_true(pressure_is_loopback(6, v6));
	assert_false(pressure_is_loopback(4, other));
	assert_false(pressure_is_loopback(6, v4));
	assert_false(pressure_is_loopback(4, v6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_narrowed),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_low),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_held_elsewhere),
		cmocka_unit_test(test_link_local),
		cmocka_unit_test(test_high),
		cmocka_unit_test(test_filling),
		cmocka_unit_test(test_exhausted),
		cmocka_unit_test(test_what_leaves_is_counted),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_advice),
		cmocka_unit_test(test_loopback),
	};

	return cmocka_run_group_tests_name("pressure", tests, NULL, NULL);
}
