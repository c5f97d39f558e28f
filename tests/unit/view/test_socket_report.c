// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `snapshot --sockets` as text at several widths, as JSON and as CSV. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.h"
#include "model/listing.h"
#include "printed.h"
#include "view/socket_fields.h"
#include "view/socket_report.h"

#define MS  1000000ULL
#define S   1000000000ULL
#define NOW (10000 * S)
#define ALL                                                                      \
	(TCPDWELL_KNOWN_TIMER | TCPDWELL_KNOWN_QUEUES | TCPDWELL_KNOWN_OPTIONS | \
	 TCPDWELL_KNOWN_KEEPALIVE | TCPDWELL_KNOWN_ORPHAN | TCPDWELL_KNOWN_SILENT)

static const struct filters no_filters;

static const struct tcpdwell_socket listener = {
	.key = 1,
	.state = TCPDWELL_LISTEN,
	.family = 4,
	.netns = 7,
	.uid = 33,
	.pid = 1234,
	.owner_pid = 1234,
	.fd = 6,
	.comm = "nginx",
	.queued = 1,
	.queue_max = 511,
	.lport = 443,
	.laddr = { 192, 0, 2, 1 },
	.inode = 100,
};

static const struct tcpdwell_socket open_socket = {
	.key = 2,
	.state = TCPDWELL_ESTABLISHED,
	.family = 4,
	.since = TCPDWELL_DWELL_AT_LEAST,
	.since_ns = NOW - 65 * S,
	.since_earliest_ns = NOW - 80 * S,
	.active_ns = NOW - 20 * S,
	.netns = 7,
	.uid = 33,
	.pid = 1234,
	.owner_pid = 1234,
	.fd = 9,
	.comm = "nginx",
	.lport = 443,
	.rport = 50000,
	.laddr = { 192, 0, 2, 1 },
	.raddr = { 198, 51, 100, 7 },
	.inode = 101,
	.detail = {
		.known = ALL,
		.flags = TCPDWELL_DETAIL_KEEPALIVE,
		.timer = TCPDWELL_TIMER_KEEPALIVE,
		.expires_ns = 100 * S,
		.silent_ns = 20 * S,
		.rto_ns = 204 * MS,
		.keepalive_time_s = 120,
		.recv_bytes = 17,
		.user_timeout_ms = 0,
	},
};

static const struct tcpdwell_socket fin = {
	.key = 3,
	.state = TCPDWELL_FIN_WAIT1,
	.family = 6,
	.since = TCPDWELL_DWELL_AT_LEAST,
	.since_ns = NOW - 3 * S,
	.netns = 7,
	.uid = -1,
	.lport = 40000,
	.rport = 80,
	.laddr = { 0x20, 1, 0xd, 0xb8, [15] = 1 },
	.raddr = { 0x20, 1, 0xd, 0xb8, [15] = 2 },
	.detail = {
		.known = ALL,
		.flags = TCPDWELL_DETAIL_ORPHAN,
		.timer = TCPDWELL_TIMER_RETRANSMIT,
		.expires_ns = 400 * MS,
		.rto_ns = 1632 * MS,
		.retransmits = 3,
		.send_bytes = 1,
		.total_retransmits = 4,
		.err_soft = 113,
	},
};

static struct listing *listing;
static struct sockets *sockets;
static struct netns_settings netns;

static int set_up(void **state)
{
	struct netns_setting blue = { .inode = 7, .name = "blue" };
	struct tcpdwell_socket held = open_socket;

	(void)state;
	for (unsigned int i = 0; i < FACT_SETTINGS; i++)
		blue.settings[i] = FACT_UNKNOWN;
	sockets = sockets_new();
	netns = (struct netns_settings){};
	if (!sockets || netns_settings_add(&netns, &blue) || sockets_add(sockets, &fin) ||
	    sockets_add(sockets, &open_socket) || sockets_add(sockets, &listener))
		return -1;
	held.pid = 1235;
	held.fd = 4;
	strcpy(held.comm, "wor\x1bker");
	if (sockets_add(sockets, &held))
		return -1;
	listing = listing_new(sockets, &netns, &no_filters, 0, NOW);
	return !listing;
}

static int tear_down(void **state)
{
	listing_free(listing);
	sockets_free(sockets);
	netns_settings_free(&netns);
	return printed_end(state);
}

static void assert_table(unsigned int columns, const char *wanted)
{
	FILE *out = printed_begin();

	socket_report(out, listing, columns);
	fclose(out);
	assert_string_equal(printed, wanted);
}

static void test_80_columns(void **state)
{
	(void)state;
	assert_table(
		80, "    PID COMM    STATE    LPORT RADDR:RPORT               AGE RECVQ SENDQ    EN"
		    "DS\n"
		    "   1234 nginx   LISTEN   443   -                           -     1   511   nev"
		    "er\n"
		    "   1234 nginx   ESTAB    443   198.51.100.7:50000     >65.0s    17     0 12m55"
		    "s*\n"
		    "      - -       FIN_W1   40000 [2001:db8::2]:80       >3.00s     0     1   1m4"
		    "1s\n"
		    "* unless the peer answers\n");
}

static void test_140_columns(void **state)
{
	(void)state;
	assert_table(
		140,
		"    PID COMM            STATE       LADDR:LPORT           RADDR:RPORT         "
		"      AGE RECVQ SENDQ RETR TIMER        LEFT KEEPALIVE    ENDS\n"
		"   1234 nginx           LISTEN      192.0.2.1:443         -                   "
		"        -     1   511    - -               -         -   never\n"
		"   1234 nginx           ESTABLISHED 192.0.2.1:443         198.51.100.7:50000  "
		"   >65.0s    17     0    0 keepalive   1m40s  120/75/9 12m55s*\n"
		"      - -               FIN_WAIT1   [2001:db8::1]:40000   [2001:db8::2]:80    "
		"   >3.00s     0     1    3 retransmit  400ms       off   1m41s\n"
		"* unless the peer answers\n");
}

static void test_into_a_file(void **state)
{
	(void)state;
	assert_table(
		0, "    PID COMM            STATE       LADDR:LPORT           RADDR:RPORT         "
		   "            AGE   RECVQ   SENDQ RETR TIMER        LEFT KEEPALIVE    ENDS BY   "
		   "              NETNS      HOLDERS\n"
		   "   1234 nginx           LISTEN      192.0.2.1:443         -                   "
		   "              -       1     511    - -               -         -   never -    "
		   "              blue       nginx/1234/6\n"
		   "   1234 nginx           ESTABLISHED 192.0.2.1:443         198.51.100.7:50000  "
		   "    65.0s-80.0s      17       0    0 keepalive   1m40s  120/75/9 12m55s* keep-"
		   "alive         blue       wor\\x1bker/1235/4,nginx/1234/9\n"
		   "      - -               FIN_WAIT1   [2001:db8::1]:40000   [2001:db8::2]:80    "
		   "         >3.00s       0       1    3 retransmit  400ms       off   1m41s tcp_o"
		   "rphan_retries blue       -\n"
		   "* unless the peer answers\n");
}

static void test_nothing_known(void **state)
{
	struct tcpdwell_socket bare = { .key = 4,
					.state = TCPDWELL_ESTABLISHED,
					.family = 4,
					.netns = 9,
					.lport = 1,
					.rport = 2 };
	struct sockets *one = sockets_new();
	struct listing *of;
	FILE *out;

	(void)state;
	assert_int_equal(sockets_add(one, &bare), 0);
	of = listing_new(one, &netns, &no_filters, 0, NOW);
	out = printed_begin();
	socket_report(out, of, 0);
	fclose(out);
	assert_string_equal(
		printed,
		"    PID COMM            STATE       LADDR:LPORT           RADDR:RPORT         "
		"            AGE   RECVQ   SENDQ RETR TIMER        LEFT KEEPALIVE    ENDS BY   "
		"              NETNS      HOLDERS\n"
		"      - -               ESTABLISHED 0.0.0.0:1             0.0.0.0:2           "
		"              -       -       -    - -               -         -       - -    "
		"              9          -\n");
	listing_free(of);
	sockets_free(one);
}

#define NO_NAMES                                                               \
	"\"unit\":null,\"container\":null,\"container_id\":null,\"pod\":null," \
	"\"pod_namespace\":null}\n"

static void test_json(void **state)
{
	FILE *out = printed_begin();

	(void)state;
	assert_int_equal(socket_fields(out, &fields_json, listing, 1709251198000000000), 0);
	fclose(out);
	assert_string_equal(
		printed,
		"{\"type\":\"socket\",\"time\":\"2024-02-29T23:59:58.000000000Z\",\"cookie\":1,"
		"\"netns\":7,\"netns_name\":\"blue\",\"family\":\"ipv4\",\"laddr\":\"192.0.2.1"
		"\",\"lport\":443,\"raddr\":null,\"rport\":null,\"state\":\"LISTEN\",\"age_ns\""
		":null,\"age\":\"unknown\",\"age_max_ns\":null,\"idle_ns\":null,\"idle_max_ns\""
		":null,\"silent_ns\":null,\"pid\":1234,\"comm\":\"nginx\",\"fd\":6,\"uid\":33,"
		"\"cgroup\":null,\"inode\":100,\"holders\":[{\"pid\":1234,\"comm\":\"nginx\",\""
		"fd\":6}],\"queued\":false,\"orphan\":null,\"kernel\":false"
		",\"recv_q\":1,\"send_q\":511,\"timer"
		"\":null,\"timer_ns\":null,\"retransmits\":null,\"probes_out\":null,\"backoff\""
		":null,\"rto_ns\":null,\"retransmitted\":null,\"keepalive\":null,\"keepalive_ti"
		"me_s\":null,\"keepalive_interval_s\":null,\"keepalive_probes\":null,\"user_tim"
		"eout_ms\":null,\"syn_retries\":null,\"linger2_s\":null,\"soft_errno\":null,\"e"
		"nds\":\"never\",\"ends_ns\":null,\"ends_by\":null," NO_NAMES
		"{\"type\":\"socket\",\"time\":\"2024-02-29T23:59:58.000000000Z\",\"cookie\":2,"
		"\"netns\":7,\"netns_name\":\"blue\",\"family\":\"ipv4\",\"laddr\":\"192.0.2.1"
		"\",\"lport\":443,\"raddr\":\"198.51.100.7\",\"rport\":50000,\"state\":\"ESTABL"
		"ISHED\",\"age_ns\":65000000000,\"age\":\"at_least\",\"age_max_ns\":80000000000"
		",\"idle_ns\":20000000000,\"idle_max_ns\":null,\"silent_ns\":20000000000,\"pid"
		"\":1234,\"comm\":\"nginx\",\"fd\":9,\"uid\":33,\"cgroup\":null,\"inode\":101,"
		"\"holders\":[{\"pid\":1235,\"comm\":\"wor\\u001bker\",\"fd\":4},{\"pid\":1234,"
		"\"comm\":\"nginx\",\"fd\":9}],\"queued\":false,\"orphan\":false,\"kernel\":false"
		",\"recv_q\":17,"
		"\"send_q\":0,\"timer\":\"keepalive\",\"timer_ns\":100000000000,\"retransmits\""
		":0,\"probes_out\":0,\"backoff\":0,\"rto_ns\":204000000,\"retransmitted\":0,\"k"
		"eepalive\":true,\"keepalive_time_s\":120,\"keepalive_interval_s\":75,\"keepali"
		"ve_probes\":9,\"user_timeout_ms\":null,\"syn_retries\":null,\"linger2_s\":null"
		",\"soft_errno\":null,\"ends\":\"unless_answered\",\"ends_ns\":775000000000,\"e"
		"nds_by\":\"keep-alive\"," NO_NAMES
		"{\"type\":\"socket\",\"time\":\"2024-02-29T23:59:58.000000000Z\",\"cookie\":3,"
		"\"netns\":7,\"netns_name\":\"blue\",\"family\":\"ipv6\",\"laddr\":\"2001:db8::"
		"1\",\"lport\":40000,\"raddr\":\"2001:db8::2\",\"rport\":80,\"state\":\"FIN_WAI"
		"T1\",\"age_ns\":3000000000,\"age\":\"at_least\",\"age_max_ns\":null,\"idle_ns"
		"\":null,\"idle_max_ns\":null,\"silent_ns\":0,\"pid\":null,\"comm\":null,\"f"
		"d\":null,\"uid\":null,\"cgroup\":null,\"inode\":null,\"holders\":[],\"queued\""
		":false,\"orphan\":true,\"kernel\":false"
		",\"recv_q\":0,\"send_q\":1,\"timer\":\"retransmit\",\"ti"
		"mer_ns\":400000000,\"retransmits\":3,\"probes_out\":0,\"backoff\":0,\"rto_ns\""
		":1632000000,\"retransmitted\":4,\"keepalive\":false,\"keepalive_time_s\":null,"
		"\"keepalive_interval_s\":null,\"keepalive_probes\":null,\"user_timeout_ms\":nu"
		"ll,\"syn_retries\":null,\"linger2_s\":null,\"soft_errno\":\"EHOSTUNREACH\",\"e"
		"nds\":\"within\",\"ends_ns\":101584000000,\"ends_by\":\"net.ipv4.tcp_orphan_re"
		"tries\"," NO_NAMES);
}

static void test_csv(void **state)
{
	FILE *out = printed_begin();

	(void)state;
	assert_int_equal(socket_fields(out, &fields_csv, listing, 1709251198000000000), 0);
	fclose(out);
	assert_string_equal(
		printed,
		"type,time,cookie,netns,netns_name,family,laddr,lport,raddr,rport,state,age_ns,"
		"age,age_max_ns,idle_ns,idle_max_ns,silent_ns,pid,comm,fd,uid,cgroup,inode,hold"
		"ers,queued,orphan,kernel,"
		"recv_q,send_q,timer,timer_ns,retransmits,probes_out,backoff,"
		"rto_ns,retransmitted,keepalive,keepalive_time_s,keepalive_interval_s,keepalive"
		"_probes,user_timeout_ms,syn_retries,linger2_s,soft_errno,ends,ends_ns,ends_by"
		",unit,container,container_id,pod,pod_namespace\n"
		"socket,2024-02-29T23:59:58.000000000Z,1,7,blue,ipv4,192.0.2.1,443,,,LISTEN,,un"
		"known,,,,,1234,nginx,6,33,,100,nginx/1234/6,false,,false,1,511,,,,,,,,,,,,,"
		",,,never,"
		",,,,,,\n"
		"socket,2024-02-29T23:59:58.000000000Z,2,7,blue,ipv4,192.0.2.1,443,198.51.100.7"
		",50000,ESTABLISHED,65000000000,at_least,80000000000,20000000000,,20000000000,1"
		"234,nginx,9,33,,101,wor\\x1bker/1235/4 nginx/1234/9,false,false,false,17,0,"
		"keepalive"
		",100000000000,0,0,0,204000000,0,true,120,75,9,,,,,unless_answered,775000000000"
		",keep-alive,,,,,\n"
		"socket,2024-02-29T23:59:58.000000000Z,3,7,blue,ipv6,2001:db8::1,40000,2001:db8"
		"::2,80,FIN_WAIT1,3000000000,at_least,,,,0,,,,,,,,false,true,false,0,1,retran"
		"smit,4000"
		"00000,3,0,0,1632000000,4,false,,,,,,,EHOSTUNREACH,within,101584000000,net.ipv4"
		".tcp_orphan_retries,,,,,\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_80_columns),  cmocka_unit_test(test_140_columns),
		cmocka_unit_test(test_into_a_file), cmocka_unit_test(test_nothing_known),
		cmocka_unit_test(test_json),	    cmocka_unit_test(test_csv),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
