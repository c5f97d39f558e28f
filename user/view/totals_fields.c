// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/text.h"
#include "model/totals.h"
#include "view/fields.h"
#include "view/totals_report.h"

/* 20 fields, each with at most 40 bytes for name and number. */
#define ROW_BYTES 1024

#define TOTAL(F, name, value) F(name, number, (value) != TOTALS_UNKNOWN, value)

#define TOTALS_FIELDS(F, line, wall_ns)                             \
	F(type, constant, "totals")                                 \
	F(time, time, 0, wall_ns)                                   \
	TOTAL(F, interval_ns, (line)->interval_ns)                  \
	TOTAL(F, listen, (line)->states[TCPDWELL_LISTEN])           \
	TOTAL(F, syn_sent, (line)->states[TCPDWELL_SYN_SENT])       \
	TOTAL(F, syn_recv, (line)->states[TCPDWELL_SYN_RECV])       \
	TOTAL(F, established, (line)->states[TCPDWELL_ESTABLISHED]) \
	TOTAL(F, fin_wait1, (line)->states[TCPDWELL_FIN_WAIT1])     \
	TOTAL(F, fin_wait2, (line)->states[TCPDWELL_FIN_WAIT2])     \
	TOTAL(F, close_wait, (line)->states[TCPDWELL_CLOSE_WAIT])   \
	TOTAL(F, closing, (line)->states[TCPDWELL_CLOSING])         \
	TOTAL(F, last_ack, (line)->states[TCPDWELL_LAST_ACK])       \
	TOTAL(F, time_wait, (line)->states[TCPDWELL_TIME_WAIT])     \
	TOTAL(F, orphans, (line)->orphans)                          \
	TOTAL(F, memory_bytes, (line)->memory_bytes)                \
	TOTAL(F, opened, (line)->opened)                            \
	TOTAL(F, closed, (line)->closed)                            \
	TOTAL(F, failed, (line)->failed)                            \
	TOTAL(F, reset, (line)->reset)                              \
	TOTAL(F, retransmitted, (line)->retransmitted)

FIELDS_DEFINE(totals_table, TOTALS_FIELDS, , );

int totals_fields(FILE *out, const struct fields_form *form, const struct totals_line *line,
		  uint64_t wall_ns, bool names)
{
	char row[FIELDS_NAMES_BYTES + ROW_BYTES + TEXT_SLACK_BYTES], *p = row;
	struct fields fields, *f = &fields;
	int err = fields_init(f, form, totals_table, FIELD_MAX);

	if (!err && names)
		p = fields_put_names(f, p);
	if (!err) {
		TOTALS_FIELDS(FIELD_PUT, line, wall_ns);
		fwrite(row, 1, put_word(p, &f->end) - row, out);
	}
	fields_free(f);
	return err;
}
