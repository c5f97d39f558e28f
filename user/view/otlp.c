// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/escape.h"
#include "base/put.h"
#include "cli/version.h"
#include "view/otlp.h"
#include "wire.h"

static const char *const state_names[TCPDWELL_STATE_MAX] = {
	[TCPDWELL_ESTABLISHED] = "established",
	[TCPDWELL_SYN_SENT] = "syn_sent",
	[TCPDWELL_SYN_RECV] = "syn_received",
	[TCPDWELL_FIN_WAIT1] = "fin_wait_1",
	[TCPDWELL_FIN_WAIT2] = "fin_wait_2",
	[TCPDWELL_TIME_WAIT] = "time_wait",
	[TCPDWELL_CLOSE] = "closed",
	[TCPDWELL_CLOSE_WAIT] = "close_wait",
	[TCPDWELL_LAST_ACK] = "last_ack",
	[TCPDWELL_LISTEN] = "listen",
	[TCPDWELL_CLOSING] = "closing",
};

const char *otlp_state_name(unsigned int state)
{
	return state < TCPDWELL_STATE_MAX ? state_names[state] : NULL;
}

static char *put_key(char *p, const char *key)
{
	p = put_string(put_literal(p, "{\"key\":\""), key);
	return put_literal(p, "\",\"value\":{");
}

char *put_otlp_text(char *p, const char *key, const char *text, size_t len)
{
	p = put_json(put_literal(put_key(p, key), "\"stringValue\":"), text, len);
	return put_literal(p, "}},");
}

char *put_otlp_number(char *p, const char *key, uint64_t value)
{
	p = put_u64(put_literal(put_key(p, key), "\"intValue\":\""), value);
	return put_literal(p, "\"}},");
}

char *put_otlp_time(char *p, const char *name, uint64_t wall_ns)
{
	p = put_string(put_char(p, '"'), name);
	p = put_u64(put_literal(p, "\":\""), wall_ns);
	return put_literal(p, "\",");
}

char *put_otlp_end(char *p)
{
	return p[-1] == ',' ? p - 1 : p;
}

char *put_otlp_scope(char *p)
{
	return put_literal(p, "\"scope\":{\"name\":\"tcpdwell\",\"version\":\"" TCPDWELL_VERSION
			      "\"},");
}
