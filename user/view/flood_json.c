// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>

#include "view/flood_json.h"
#include "view/print.h"

void flood_json_cookies(FILE *out, const struct cookie_flood *flood, uint64_t wall_ns)
{
	const struct tcpdwell_cookies *who = &flood->who;
	char comm[TCPDWELL_COMM_LEN + 1];

	snprintf(comm, sizeof(comm), "%.*s", TCPDWELL_COMM_LEN, who->comm);
	fputs("{\"type\":\"syn_flood\",\"time\":", out);
	print_json_time(out, wall_ns);
	fprintf(out, ",\"cookies\":true,\"netns\":%" PRIu32 ",", who->netns);
	print_json_addr(out, "laddr", who->family, who->laddr);
	fprintf(out, ",\"lport\":%u", who->lport);
	print_json_number(out, "pid", who->pid, who->pid);
	print_json_text(out, "comm", who->pid ? comm : "");
	print_json_number(out, "per_s", flood->rate, flood->rate);
	print_json_number(out, "unanswered_per_s", flood->rate, flood->unanswered);
	fprintf(out, ",\"shared\":%s}\n", flood->shared ? "true" : "false");
}

void flood_json_folded(FILE *out, uint16_t port, uint64_t rate, uint64_t unanswered,
		       uint64_t wall_ns)
{
	fputs("{\"type\":\"syn_flood\",\"time\":", out);
	print_json_time(out, wall_ns);
	fprintf(out, ",\"cookies\":false,\"netns\":null,\"laddr\":null,\"lport\":%u", port);
	fputs(",\"pid\":null,\"comm\":null", out);
	print_json_number(out, "per_s", true, rate);
	print_json_number(out, "unanswered_per_s", true, unanswered);
	fputs(",\"shared\":false}\n", out);
}
