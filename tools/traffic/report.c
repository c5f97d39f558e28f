// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report.h"

#include "address.h"
#include "end.h"
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void print_owner(FILE *out, const struct end *end)
{
	fprintf(out, ",\"pid\":%d,\"comm\":\"%s\",\"uid\":%u,\"netns\":%" PRIu64,
		puppet_pid(end->puppet), puppet_comm(end->puppet), puppet_uid(end->puppet),
		puppet_netns(end->puppet));
}

static void print_addresses(FILE *out, const struct end *end)
{
	char local[ADDRESS_TEXT], remote[ADDRESS_TEXT];

	fprintf(out,
		",\"family\":\"%s\",\"laddr\":\"%s\",\"lport\":%u,\"raddr\":\"%s\",\"rport\":%u",
		address_is_ipv6(&end->local) ? "ipv6" : "ipv4", address_text(&end->local, local),
		address_port(&end->local), address_text(&end->remote, remote),
		address_port(&end->remote));
}

static void print_path(FILE *out, const struct end *end)
{
	const struct end_step *step;

	fprintf(out, ",\"path\":[");
	for (step = end->path; step < end->path + end->steps; step++)
		fprintf(out, "%s\"%s\"", step == end->path ? "" : ",", state_name(step->state));
	fprintf(out, "],\"at_ns\":[");
	for (step = end->path; step < end->path + end->steps; step++) {
		fputs(step == end->path ? "" : ",", out);
		if (step->hi_ns)
			fprintf(out, "[%" PRIu64 ",%" PRIu64 "]", step->lo_ns, step->hi_ns);
		else
			fputs("null", out);
	}
	fputc(']', out);
}

static void print_end(FILE *out, const struct end *end)
{
	if (end->reason)
		fprintf(out, ",\"reason\":\"%s\"", end->reason);
	else
		fprintf(out, ",\"reason\":null");
	if (end->error)
		fprintf(out, ",\"errno\":\"%s\"", strerrorname_np(end->error));
	else
		fprintf(out, ",\"errno\":null");
	if (end->cookie)
		fprintf(out, ",\"cookie\":%" PRIu64, end->cookie);
}

int report_print(FILE *out, struct stage *stage, const char *scenario)
{
	struct end *end;

	for (unsigned int i = 0; (end = stage_end(stage, i)); i++) {
		if (end->steps < 2)
			continue;
		end_cookie(end);
		fprintf(out, "{\"scenario\":\"%s\",\"end\":\"%s\",\"connection\":%u", scenario,
			end->role, end->connection);
		print_owner(out, end);
		print_addresses(out, end);
		print_path(out, end);
		print_end(out, end);
		fputs("}\n", out);
	}
	return fflush(out) ? -errno : 0;
}
