// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Values of options, good and bad. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/parse.h"
#include "wire.h"

/* cmocka says only which line of code failed; this also says which row of the table. */
#define assert_row(text, condition)                                 \
	do {                                                        \
		if (!(condition))                                   \
			fail_msg("'%s': not %s", text, #condition); \
	} while (0)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assert_fault(const char *text, const struct parse_fault *fault, const char *at)
{
	assert_row(text, fault->why);
	assert_row(text, fault->at && fault->len == strlen(at));
	assert_row(text, !memcmp(fault->at, at, fault->len));
}

/* ---- Ports ----------------------------------------------------------------------------------- */

static unsigned int ports_counted(const struct port_set *set)
{
	unsigned int count = 0;

	for (size_t i = 0; i < COUNT(set->bits); i++)
		count += __builtin_popcountll(set->bits[i]);
	return count;
}

static void test_ports(void **state)
{
	struct port_set set = { 0 };
	struct parse_fault fault;

	(void)state;
	assert_int_equal(parse_ports("80,443,8000-8100", &set, &fault), 0);
	assert_true(set.any);
	assert_int_equal(ports_counted(&set), 103);
	assert_true(port_set_has(&set, 80));
	assert_true(port_set_has(&set, 443));
	assert_true(port_set_has(&set, 8000));
	assert_true(port_set_has(&set, 8100));
	assert_false(port_set_has(&set, 7999));
	assert_false(port_set_has(&set, 8101));
	assert_false(port_set_has(&set, 0));

	/* A second call adds to the set. */
	assert_int_equal(parse_ports("65535,1", &set, &fault), 0);
	assert_int_equal(ports_counted(&set), 105);
	assert_true(port_set_has(&set, 1));
	assert_true(port_set_has(&set, 65535));
}

static void test_ports_all(void **state)
{
	struct port_set set = { 0 };
	struct parse_fault fault;

	(void)state;
	assert_int_equal(parse_ports("1-65535", &set, &fault), 0);
	assert_int_equal(ports_counted(&set), 65535);
	assert_false(port_set_has(&set, 0));
	memset(&set, 0, sizeof(set));
	assert_int_equal(parse_ports("443-443", &set, &fault), 0);
	assert_int_equal(ports_counted(&set), 1);
}

static void test_ports_bad(void **state)
{
	static const struct {
		const char *text, *at;
	} bad[] = {
		{ "0", "0" },
		{ "65536", "65536" },
		{ "99999999999999999999", "99999999999999999999" },
		{ "18446744073709551696", "18446744073709551696" }, /* 2^64 + 80 */
		{ "", "" },
		{ ",", "," },
		{ "80,", "80," },
		{ ",80", ",80" },
		{ "80,,443", "80,,443" },
		{ "80-", "80-" },
		{ "-80", "-80" },
		{ "-", "-" },
		{ "443-80", "443-80" },
		{ "0-80", "0-80" },
		{ "80-65536", "80-65536" },
		{ "1-2-3", "1-2-3" },
		{ "+80", "+80" },
		{ " 80", " 80" },
		{ "80 ", "80 " },
		{ "80, 443", " 443" },
		{ "0x50", "0x50" },
		{ "80abc", "80abc" },
		{ "http", "http" },
		{ "80,70000,443", "70000" },
		{ "80;443", "80;443" },
		{ "8.0", "8.0" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct port_set set = { 0 };
		struct parse_fault fault = { 0 };

		assert_row(bad[i].text, parse_ports(bad[i].text, &set, &fault) < 0);
		assert_fault(bad[i].text, &fault, bad[i].at);
		assert_string_equal(fault.want, "1..65535 or a range LO-HI");
	}
}

/* ---- PIDs and users -------------------------------------------------------------------------- */

static void test_pids(void **state)
{
	struct id_list pids = { 0 };
	struct parse_fault fault;

	(void)state;
	assert_int_equal(parse_pids("1,4194304,1", &pids, &fault), 0);
	assert_int_equal(parse_pids("77", &pids, &fault), 0);
	assert_int_equal(pids.count, 3);
	assert_int_equal(pids.ids[0], 1);
	assert_int_equal(pids.ids[1], 4194304);
	assert_int_equal(pids.ids[2], 77);
}

static void test_pids_bad(void **state)
{
	static const char *const bad[] = { "",	 "0",	"-1",  "abc",	  "1,0",
					   "1 ", "0x1", "1-2", "4194305", "4294967297" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct id_list pids = { 0 };
		struct parse_fault fault = { 0 };

		assert_row(bad[i], parse_pids(bad[i], &pids, &fault) < 0);
		assert_row(bad[i], fault.at && fault.why && fault.want);
	}
}

static void test_pids_full(void **state)
{
	struct id_list pids = { 0 };
	struct parse_fault fault;
	char text[8];

	(void)state;
	for (unsigned int i = 1; i <= PARSE_LIST_MAX; i++) {
		snprintf(text, sizeof(text), "%u", i);
		assert_int_equal(parse_pids(text, &pids, &fault), 0);
	}
	/* A pid that is there already needs no room. */
	assert_int_equal(parse_pids("64", &pids, &fault), 0);
	assert_int_equal(parse_pids("65", &pids, &fault), -E2BIG);
	assert_fault("65", &fault, "65");
	assert_int_equal(pids.count, PARSE_LIST_MAX);
}

static int find_user(const char *name, uint32_t *uid)
{
	if (!strcmp(name, "broken"))
		return -EIO;
	if (strcmp(name, "www-data"))
		return -ENOENT;
	*uid = 33;
	return 0;
}

static void test_uids(void **state)
{
	struct id_list uids = { 0 };
	struct parse_fault fault;

	(void)state;
	assert_int_equal(parse_uids("0,www-data,4294967294,33", &uids, find_user, &fault), 0);
	assert_int_equal(uids.count, 3);
	assert_int_equal(uids.ids[0], 0);
	assert_int_equal(uids.ids[1], 33);
	assert_int_equal(uids.ids[2], 4294967294);
}

static void test_uids_bad(void **state)
{
	static const char *const bad[] = { "",	      "nosuch", "broken", "4294967295",
					   "www-dat", "-1",	"0,,1",	  "99999999999999999999" };
	struct parse_fault fault = { 0 };
	struct id_list uids = { 0 };
	char name[300];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_row(bad[i], parse_uids(bad[i], &uids, find_user, &fault) < 0);
		assert_row(bad[i], fault.at && fault.why && fault.want);
	}
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(parse_uids(name, &uids, find_user, &fault), -EINVAL);
	assert_int_equal(parse_uids("www-data", &uids, NULL, &fault), -EINVAL);
}

/* ---- Addresses ------------------------------------------------------------------------------- */

#define MAPPED(a, b, c, d)                                                       \
	{                                                                        \
		[10] = 0xff, [11] = 0xff, [12] = a, [13] = b, [14] = c, [15] = d \
	}

static void test_cidrs(void **state)
{
	static const struct {
		const char *text;
		struct cidr cidr;
	} good[] = {
		{ "10.0.0.0/8", { MAPPED(10, 0, 0, 0), 104, 4 } },
		{ "10.1.2.3/8", { MAPPED(10, 0, 0, 0), 104, 4 } },
		{ "192.168.1.255/25", { MAPPED(192, 168, 1, 128), 121, 4 } },
		{ "127.0.0.1", { MAPPED(127, 0, 0, 1), 128, 4 } },
		{ "127.0.0.1/32", { MAPPED(127, 0, 0, 1), 128, 4 } },
		{ "255.255.255.255/0", { MAPPED(0, 0, 0, 0), 96, 4 } },
		{ "255.255.255.255/31", { MAPPED(255, 255, 255, 254), 127, 4 } },
		{ "::1", { { [15] = 1 }, 128, 6 } },
		{ "::/0", { { 0 }, 0, 6 } },
		{ "ffff::/0", { { 0 }, 0, 6 } },
		{ "2001:db8:ffff::1/33", { { 0x20, 0x01, 0x0d, 0xb8, 0x80 }, 33, 6 } },
		{ "fe80::1/64", { { 0xfe, 0x80 }, 64, 6 } },
		{ "::ffff:10.1.2.3/104", { MAPPED(10, 0, 0, 0), 104, 4 } },
		{ "::ffff:1.2.3.4", { MAPPED(1, 2, 3, 4), 128, 4 } },
		{ "::ffff:0:0/95", { { [10] = 0xff, [11] = 0xfe }, 95, 6 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct cidr_list cidrs = { 0 };
		struct parse_fault fault;

		assert_row(good[i].text, !parse_cidrs(good[i].text, &cidrs, &fault));
		assert_row(good[i].text, cidrs.count == 1);
		assert_memory_equal(&cidrs.cidrs[0], &good[i].cidr, sizeof(struct cidr));
	}
}

static void test_cidr_list(void **state)
{
	struct cidr_list cidrs = { 0 };
	struct parse_fault fault;
	char text[16];

	(void)state;
	assert_int_equal(parse_cidrs("10.0.0.0/8,::1,10.9.9.9/8", &cidrs, &fault), 0);
	assert_int_equal(cidrs.count, 2);
	for (int i = 0; i < PARSE_LIST_MAX - 2; i++) {
		snprintf(text, sizeof(text), "1.1.1.%d", i);
		assert_int_equal(parse_cidrs(text, &cidrs, &fault), 0);
	}
	assert_int_equal(parse_cidrs("2.2.2.2", &cidrs, &fault), -E2BIG);
}

static void test_cidrs_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"/8",
		"10.0.0/8",
		"10/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"1.2.3.4/-1",
		"1.2.3.4/+1",
		"1.2.3.4/ 1",
		"1.2.3.4/8/8",
		"1.2.3.4/99999999999999999999",
		"256.0.0.1",
		"1.2.3.4.5",
		"01.2.3.4",
		" 1.2.3.4",
		"1.2.3.4 ",
		"::1/129",
		"::1/",
		":::",
		"[::1]",
		"fe80::1%lo",
		"1:2:3:4:5:6:7:8:9",
		"localhost",
		"10.0.0.0/8,,::1",
		"10.0.0.0/255.0.0.0",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct cidr_list cidrs = { 0 };
		struct parse_fault fault = { 0 };

		assert_row(bad[i], parse_cidrs(bad[i], &cidrs, &fault) < 0);
		assert_row(bad[i], fault.at && fault.why && fault.want);
	}
}

/* ---- States ---------------------------------------------------------------------------------- */

static void test_states(void **state)
{
	static const struct {
		const char *text;
		uint16_t mask;
	} good[] = {
		{ "LISTEN", 1 << TCPDWELL_LISTEN },
		{ "SYN_SENT", 1 << TCPDWELL_SYN_SENT },
		{ "SYN_RECV", 1 << TCPDWELL_SYN_RECV },
		{ "ESTABLISHED", 1 << TCPDWELL_ESTABLISHED },
		{ "FIN_WAIT1", 1 << TCPDWELL_FIN_WAIT1 },
		{ "FIN_WAIT2", 1 << TCPDWELL_FIN_WAIT2 },
		{ "CLOSE_WAIT", 1 << TCPDWELL_CLOSE_WAIT },
		{ "CLOSING", 1 << TCPDWELL_CLOSING },
		{ "LAST_ACK", 1 << TCPDWELL_LAST_ACK },
		{ "TIME_WAIT", 1 << TCPDWELL_TIME_WAIT },
		{ "CLOSE", 1 << TCPDWELL_CLOSE },
		{ "close-wait", 1 << TCPDWELL_CLOSE_WAIT },
		{ "close_wait", 1 << TCPDWELL_CLOSE_WAIT },
		{ "CLOSED", 1 << TCPDWELL_CLOSE },
		{ "Fin-Wait-1", 1 << TCPDWELL_FIN_WAIT1 },
		{ "FIN-WAIT-2", 1 << TCPDWELL_FIN_WAIT2 },
		{ "estab", 1 << TCPDWELL_ESTABLISHED },
		{ "listen,time-wait,LISTEN", 1 << TCPDWELL_LISTEN | 1 << TCPDWELL_TIME_WAIT },
		/* The names that a message offers must be accepted. */
		{ "LISTEN,SYN_SENT,SYN_RECV,ESTABLISHED,FIN_WAIT1,FIN_WAIT2,CLOSE_WAIT,CLOSING,"
		  "LAST_ACK,TIME_WAIT,CLOSE",
		  0x0ffe },
	};
	uint16_t mask;
	struct parse_fault fault;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		mask = 0;
		assert_row(good[i].text, !parse_states(good[i].text, &mask, &fault));
		assert_row(good[i].text, mask == good[i].mask);
	}
}

static void test_states_bad(void **state)
{
	static const char *const bad[] = { "",
					   "FOO",
					   "CLOSE_WAIT,",
					   ",LISTEN",
					   "LISTEN ",
					   "CLOSEWAITS",
					   "CLOSE WAIT",
					   "CLOS",
					   "CLOSEDD",
					   "1",
					   "LISTEN|CLOSE",
					   "-",
					   "a-very-long-name-of-no-state" };
	struct parse_fault fault = { 0 };
	uint16_t mask = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_row(bad[i], parse_states(bad[i], &mask, &fault) < 0);
		assert_non_null(strstr(fault.want, "LISTEN SYN_SENT SYN_RECV ESTABLISHED"));
		assert_non_null(strstr(fault.want, "LAST_ACK TIME_WAIT CLOSE"));
	}
}

static void test_longer(void **state)
{
	static const char *const bad[] = {
		"",	      "CLOSE_WAIT",	"=1s",
		"FOO=1s",     "CLOSE_WAIT=",	"CLOSE_WAIT=1",
		"LISTEN =1s", "CLOSE_WAIT=1s,", "a-name-of-no-state=1s"
	};
	struct parse_fault fault = { 0 };
	uint64_t ns[TCPDWELL_STATE_MAX] = { 0 };
	uint16_t mask = 0;

	(void)state;
	assert_int_equal(parse_longer("close-wait=10s", &mask, ns, &fault), 0);
	assert_int_equal(parse_longer("SYN_SENT=0s", &mask, ns, &fault), 0);
	assert_int_equal(mask, 1U << TCPDWELL_CLOSE_WAIT | 1U << TCPDWELL_SYN_SENT);
	assert_int_equal(ns[TCPDWELL_CLOSE_WAIT], 10000000000);
	assert_int_equal(ns[TCPDWELL_SYN_SENT], 0);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_row(bad[i], parse_longer(bad[i], &mask, ns, &fault) < 0);
}

/* ---- Durations, sizes, counts ---------------------------------------------------------------- */

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{ "1ns", 1 },
		{ "0ms", 0 },
		{ "500ms", 500000000 },
		{ "250us", 250000 },
		{ "250µs", 250000 },
		{ "250μs", 250000 },
		{ "10s", 10000000000 },
		{ "5m", 300000000000 },
		{ "2h", 7200000000000 },
		{ "1.5s", 1500000000 },
		{ "0.5h", 1800000000000 },
		{ "1.25m", 75000000000 },
		{ "0.000000001s", 1 },
		{ "1.0000000019s", 1000000001 },
		{ "1.9ns", 1 },
		{ "0.999999999h", 3599999996400 },
		{ "010s", 10000000000 },
		{ "9223372036854775807ns", INT64_MAX },
		{ "2562047h", 2562047 * 3600000000000ULL },
	};
	struct parse_fault fault;
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		ns = 42;
		assert_row(good[i].text, !parse_duration(good[i].text, &ns, &fault));
		assert_row(good[i].text, ns == good[i].ns);
	}
}

static void test_durations_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"500",
		"0",
		"s",
		"ms",
		"-1s",
		"+1s",
		" 1s",
		"1s ",
		"1 s",
		"5 00ms",
		"1,5s",
		".5s",
		"1.s",
		"1.",
		"1..5s",
		"1.5.5s",
		"1e3s",
		"0x1s",
		"1S",
		"1sec",
		"1d",
		"1msm",
		"1.-5s",
		"infs",
		"nans",
		"1m30s",
		"9223372036854775808ns",
		"9223372036854775807.9s",
		"2562048h",
		"99999999999999999999ns",
		"99999999999999999999h",
		"18446744073709551616s",
	};
	struct parse_fault fault;
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		fault = (struct parse_fault){ 0 };
		assert_row(bad[i], parse_duration(bad[i], &ns, &fault) < 0);
		assert_fault(bad[i], &fault, bad[i]);
	}
	assert_int_equal(parse_duration("500", &ns, &fault), -EINVAL);
	assert_string_equal(fault.want, "a number with a unit: ns us ms s m h");
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "65536", 65536 },
		{ "64K", 65536 },
		{ "64k", 65536 },
		{ "16M", 16 << 20 },
		{ "1g", 1 << 30 },
		{ "17179869183G", 17179869183ULL << 30 },
		{ "18446744073709551615", UINT64_MAX },
	};
	struct parse_fault fault;
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_row(good[i].text, !parse_size(good[i].text, &bytes, &fault));
		assert_row(good[i].text, bytes == good[i].bytes);
	}
}

static void test_sizes_bad(void **state)
{
	static const char *const bad[] = {
		"",	"K",	"M16",	"16MB",		"16 M",
		"-1M",	"+1M",	"1.5M", "0x10000",	"16T",
		"1KK",	"16M ", " 16M", "17179869184G", "18446744073709551616",
		"1\xcb"
	};
	struct parse_fault fault;
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		fault = (struct parse_fault){ 0 };
		assert_row(bad[i], parse_size(bad[i], &bytes, &fault) < 0);
		assert_fault(bad[i], &fault, bad[i]);
	}
}

static void test_counts(void **state)
{
	struct parse_fault fault;
	uint64_t count;

	(void)state;
	assert_int_equal(parse_count("1", 1, 9, "1..9", &count, &fault), 0);
	assert_int_equal(count, 1);
	assert_int_equal(parse_count("18446744073709551615", 1, UINT64_MAX, "n", &count, &fault),
			 0);
	assert_true(count == UINT64_MAX);
	assert_int_equal(parse_count("0", 1, 9, "1..9", &count, &fault), -ERANGE);
	assert_string_equal(fault.want, "1..9");
	assert_int_equal(parse_count("10", 1, 9, "1..9", &count, &fault), -ERANGE);
	assert_int_equal(parse_count("18446744073709551616", 1, 9, "", &count, &fault), -ERANGE);
	assert_int_equal(parse_count("", 1, 9, "1..9", &count, &fault), -EINVAL);
	assert_int_equal(parse_count("-1", 1, 9, "1..9", &count, &fault), -EINVAL);
	assert_int_equal(parse_count("5K", 1, 9, "1..9", &count, &fault), -EINVAL);
}

/* ---- Namespaces and choices ------------------------------------------------------------------ */

static void test_netns(void **state)
{
	static const char *const bad[] = {
		"",	 "0",	   "4294967296", "..", "net:[]",
		"net:[", "net:[1", "net:[x]",	 "-1", "99999999999999999999"
	};
	struct parse_fault fault;
	struct netns_ref netns;

	(void)state;
	assert_int_equal(parse_netns("4026531840", &netns, &fault), 0);
	assert_true(netns.inode == 4026531840 && !netns.path);
	assert_int_equal(parse_netns("net:[4026531841]", &netns, &fault), 0);
	assert_true(netns.inode == 4026531841 && !netns.path);
	assert_int_equal(parse_netns("/run/netns/blue", &netns, &fault), 0);
	assert_int_equal(netns.inode, 0);
	assert_string_equal(netns.path, "/run/netns/blue");
	assert_int_equal(parse_netns("blue", &netns, &fault), 0);
	assert_int_equal(netns.inode, 0);
	assert_string_equal(netns.path, "blue");
	for (size_t i = 0; i < COUNT(bad); i++) {
		fault = (struct parse_fault){ 0 };
		assert_row(bad[i], parse_netns(bad[i], &netns, &fault) < 0);
		assert_fault(bad[i], &fault, bad[i]);
	}
}

static void test_choices(void **state)
{
	static const char *const bad[] = { "", "one|two", "on", "ones", "|", "ONE", "two " };
	static const struct choice choices[] = { { "one", 1 }, { "two", 2 }, { "nine", 9 }, { 0 } };
	char text[CHOICES_TEXT_LEN];
	struct parse_fault fault;
	unsigned int value;

	(void)state;
	assert_int_equal(parse_choice("one", choices, &value, &fault), 0);
	assert_int_equal(value, 1);
	assert_int_equal(parse_choice("nine", choices, &value, &fault), 0);
	assert_int_equal(value, 9);
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_row(bad[i], parse_choice(bad[i], choices, &value, &fault) < 0);
		assert_ptr_equal(fault.choices, choices);
	}
	assert_string_equal(parse_list_choices(choices, text), "one|two|nine");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),	   cmocka_unit_test(test_ports_all),
		cmocka_unit_test(test_ports_bad),  cmocka_unit_test(test_pids),
		cmocka_unit_test(test_pids_bad),   cmocka_unit_test(test_pids_full),
		cmocka_unit_test(test_uids),	   cmocka_unit_test(test_uids_bad),
		cmocka_unit_test(test_cidrs),	   cmocka_unit_test(test_cidr_list),
		cmocka_unit_test(test_cidrs_bad),  cmocka_unit_test(test_states),
		cmocka_unit_test(test_states_bad), cmocka_unit_test(test_longer),
		cmocka_unit_test(test_durations),  cmocka_unit_test(test_durations_bad),
		cmocka_unit_test(test_sizes),	   cmocka_unit_test(test_sizes_bad),
		cmocka_unit_test(test_counts),	   cmocka_unit_test(test_netns),
		cmocka_unit_test(test_choices),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
