// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `snapshot -i`: a line as text at two widths, as JSON and as CSV. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "model/totals.h"
#include "printed.h"
#include "view/totals_report.h"

#define S    1000000000ULL
#define WALL 1709251198000000000ULL /* 2024-02-29T23:59:58Z */

static const struct totals_line line = {
	.interval_ns = 2 * S,
	.states = {
		[TCPDWELL_LISTEN] = 12,
		[TCPDWELL_SYN_SENT] = 1,
		[TCPDWELL_SYN_RECV] = 2,
		[TCPDWELL_ESTABLISHED] = 12345,
		[TCPDWELL_FIN_WAIT1] = 3,
		[TCPDWELL_FIN_WAIT2] = 4,
		[TCPDWELL_CLOSE_WAIT] = 5,
		[TCPDWELL_CLOSING] = 6,
		[TCPDWELL_LAST_ACK] = 7,
		[TCPDWELL_TIME_WAIT] = 28232,
	},
	.orphans = 8,
	.memory_bytes = 300 << 20,
	.opened = 2469,
	.closed = 2400,
	.failed = 1,
	.reset = 0,
	.retransmitted = TOTALS_UNKNOWN,
};

static void assert_text(unsigned int columns, const char *wanted)
{
	FILE *out = printed_begin();

	totals_report_head(out, columns);
	totals_report(out, &line, WALL, columns);
	fclose(out);
	assert_string_equal(printed, wanted);
}

static void test_text(void **state)
{
	(void)state;
	assert_text(80,
		    "TIME       SYN  ESTAB   FIN CLOSE_W TIME_W  ORPH OPEN/s END/s RST/s RETR/s   M"
		    "EM\n"
		    "23:59:58     3  12345    20       5  28232     8   1234  1200     0      -  30"
		    "0M\n");
	assert_text(140,
		    "TIME     LISTEN SYN_SENT SYN_RECV  ESTAB FIN_W1 FIN_W2 CLOSE_W LAST_ACK TIME_W"
		    " ORPHAN OPEN/s  END/s FAIL/s RST/s RETR/s   MEM\n"
		    "23:59:58     12        1        2  12345      3      4       5       13  28232"
		    "      8   1234   1200    0.5     0      -  300M\n");
}

static void test_json(void **state)
{
	FILE *out = printed_begin();

	(void)state;
	assert_int_equal(totals_fields(out, &fields_json, &line, WALL, false), 0);
	fclose(out);
	assert_string_equal(
		printed,
		"{\"type\":\"totals\",\"time\":\"2024-02-29T23:59:58.000000000Z\",\"interval_ns"
		"\":2000000000,\"listen\":12,\"syn_sent\":1,\"syn_recv\":2,\"established\":1234"
		"5,\"fin_wait1\":3,\"fin_wait2\":4,\"close_wait\":5,\"closing\":6,\"last_ack\":"
		"7,\"time_wait\":28232,\"orphans\":8,\"memory_bytes\":314572800,\"opened\":2469"
		",\"closed\":2400,\"failed\":1,\"reset\":0,\"retransmitted\":null}\n");
}

static void test_csv(void **state)
{
	FILE *out = printed_begin();

	(void)state;
	assert_int_equal(totals_fields(out, &fields_csv, &line, WALL, true), 0);
	fclose(out);
	assert_string_equal(
		printed,
		"type,time,interval_ns,listen,syn_sent,syn_recv,established,fin_wait1,fin_wait2"
		",close_wait,closing,last_ack,time_wait,orphans,memory_bytes,opened,closed,fail"
		"ed,reset,retransmitted\n"
		"totals,2024-02-29T23:59:58.000000000Z,2000000000,12,1,2,12345,3,4,5,6,7,28232,"
		"8,314572800,2469,2400,1,0,\n");
}

static int set_up(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_csv),
	};

	return cmocka_run_group_tests(tests, set_up, printed_end);
}
