// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/escape.h"
#include "base/put.h"
#include "base/text.h"
#include "view/explain.h"
#include "view/finding.h"
#include "view/print.h"

/* The column where the text after a word at the left begins. */
#define COLUMN 10

/* Bounds of the room for text that others chose, in columns. */
#define ROOM_LEAST 40
#define ROOM_MOST  256

/* ---- Where and who ---- */

static bool has_address(const uint8_t *address)
{
	return !addr_is_any(address, 16);
}

static void print_side(FILE *out, const struct fact_address *at, const uint8_t *address,
		       uint16_t port)
{
	if (has_address(address))
		print_end(out, at->family ?: 4, address, port, 0);
	else
		fprintf(out, "port %u", port);
}

/* Returns true if there was anything to print. */
static bool print_where(FILE *out, const struct finding *finding,
			const struct finding_context *context)
{
	const struct fact_address *at = &finding->at;
	bool local = at->lport, remote = at->rport;

	if (local)
		print_side(out, at, at->laddr, at->lport);
	if (remote) {
		fputs(local ? " <-> " : "to ", out);
		print_side(out, at, at->raddr, at->rport);
	} else if (!local && has_address(at->raddr)) {
		fputs("to ", out);
		print_end(out, at->family ?: 4, at->raddr, 0, 0);
		remote = true;
	}
	if (!at->netns)
		return local || remote;
	fputs(local || remote ? ", netns " : "netns ", out);
	if (context->netns && context->netns->name[0])
		print_text(out, context->netns->name, 0);
	else
		fprintf(out, "%" PRIu32, at->netns);
	return true;
}

static void print_who(FILE *out, const struct finding *finding)
{
	if (!finding->owner.pid) {
		fputs(finding->owner.kernel ? "the kernel itself, as for NFS" :
					      "no process is known",
		      out);
		return;
	}
	fprintf(out, "pid %" PRIu32 " ", finding->owner.pid);
	print_text(out, finding->owner.comm, 0);
	if (finding->processes)
		fprintf(out, ", one of %" PRIu32 " processes", finding->processes);
}

/* Returns true if the finding is about the host, not about a process. */
static bool is_of_host(enum finding_id id)
{
	return id == FINDING_ORPHANS || id == FINDING_MEMORY || id == FINDING_TIMEWAIT_OVERFLOW;
}

/* Prints one line and cuts what does not fit; JSON has the whole text. */
static void print_labelled(FILE *out, const char *label, const char *text, unsigned int columns)
{
	unsigned int taken = COLUMN + strlen(label) + 1, used;
	unsigned int room = columns > taken + ROOM_LEAST ? columns - taken : ROOM_LEAST;
	char cut[ESCAPE_TEXT_BYTES * ROOM_MOST + TEXT_SLACK_BYTES], *end;

	if (!text || !text[0])
		return;
	end = put_escaped_cut(cut, text, strlen(text), room < ROOM_MOST ? room : ROOM_MOST, &used);
	fprintf(out, "%*s%s %.*s\n", COLUMN, "", label, (int)(end - cut), cut);
}

/* ---- Figures and the end ---- */

static void print_value(FILE *out, const struct finding_figure *figure)
{
	if (figure->grew && figure->unit == FIGURE_COUNT)
		fputc('+', out);
	switch (figure->unit) {
	case FIGURE_NS:
		print_least(out, figure->value);
		break;
	case FIGURE_PERCENT:
		fprintf(out, "%" PRIu64 " %%", figure->value);
		break;
	case FIGURE_BYTES:
		fprintf(out, "%" PRIu64 " bytes", figure->value);
		break;
	default:
		fprintf(out, "%" PRIu64, figure->value);
	}
}

/* Prints the name of a figure as words. Names that contain capitals are spelt as in the table. */
static void print_name(FILE *out, const char *name)
{
	static const struct {
		const char *name, *words;
	} special[] = {
		{ "half_open_old", "of these old" },
		{ "in_syn_sent", "in SYN_SENT" },
		{ "syns_sent_again", "SYNs sent again" },
		{ "fin_sent_again", "FIN sent again" },
	};

	for (size_t i = 0; i < sizeof(special) / sizeof(*special); i++) {
		if (strcmp(special[i].name, name))
			continue;
		fputs(special[i].words, out);
		return;
	}
	for (const char *p = name; *p; p++)
		fputc(*p == '_' ? ' ' : *p, out);
}

/* Returns the figures as a text of its own, so that lines can be broken between them. */
static char *figures_text(const struct finding *finding)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	for (unsigned int i = 0; i < finding->figure_count; i++) {
		const struct finding_figure *figure = &finding->figures[i];

		fputs(i ? ", " : "", out);
		print_name(out, figure->name);
		fputc(' ', out);
		print_value(out, figure);
	}
	fclose(out);
	return text;
}

static void print_end_of(FILE *out, const struct deadline *end)
{
	switch (end->kind) {
	case DEADLINE_NEVER:
		fputs("never by itself", out);
		break;
	case DEADLINE_AT:
	case DEADLINE_IF_SILENT:
		fputs("by itself within ", out);
		print_least(out, end->ns);
		fprintf(out, " (%s)%s", deadline_setting(end->by),
			end->kind == DEADLINE_IF_SILENT ? ", unless the peer answers" : "");
		break;
	default:
		fputs("not known", out);
	}
}

/* Prints the end as words, so that the line can be broken. */
static void print_end_words(FILE *out, const struct deadline *end, unsigned int columns)
{
	char *text = NULL;
	size_t len;
	FILE *memory = open_memstream(&text, &len);

	if (!memory)
		return;
	print_end_of(memory, end);
	fclose(memory);
	explain_print_words(out, text, columns, COLUMN);
	free(text);
}

static void print_settings(FILE *out, const struct finding *finding,
			   const struct finding_context *context)
{
	bool any = false;

	for (unsigned int i = 0; i < finding->setting_count; i++) {
		enum fact_setting setting = finding->settings[i];
		uint64_t value = context->netns ? context->netns->settings[setting] : FACT_UNKNOWN;

		if (value == FACT_UNKNOWN)
			continue;
		/* The range is one setting with two values. */
		if (any && setting == FACT_PORTS_HIGH) {
			fprintf(out, " %" PRIu64, value);
			continue;
		}
		fprintf(out, "%s%*s%s is %" PRIu64, any ? "\n" : "", any ? COLUMN : 0, "",
			fact_setting_name(setting), value);
		if (setting == FACT_ORPHAN_RETRIES && !value)
			fputs(", which means 8", out);
		any = true;
	}
	fputs(any ? "\n" : "", out);
}

static bool knows_settings(const struct finding *finding, const struct finding_context *context)
{
	for (unsigned int i = 0; context->netns && i < finding->setting_count; i++)
		if (context->netns->settings[finding->settings[i]] != FACT_UNKNOWN)
			return true;
	return false;
}

/* Returns the entry that says what helps. If the errno decides that, it is the errno's entry. */
static const char *advice_name(const struct finding *finding)
{
	const char *name = finding->err ? strerrorname_np(finding->err) : NULL;

	if (finding->id == FINDING_CONNECT_FAILING && name && explain_knows(name))
		return name;
	return finding_name(finding->id);
}

/* ---- Text ---- */

static void print_word(FILE *out, const char *word)
{
	fprintf(out, "  %-*s", COLUMN - 2, word);
}

static void print_advice(FILE *out, const char *word, const char *name, const char *part,
			 unsigned int columns, const char *own)
{
	char *text = NULL;
	size_t len;
	FILE *memory = open_memstream(&text, &len);
	int err;

	if (!memory)
		return;
	err = own ? 0 : explain_print_part(memory, name, part, columns, COLUMN);
	if (own)
		explain_print_words(memory, own, columns, COLUMN);
	fclose(memory);
	if (!err) {
		print_word(out, word);
		fputs(text, out);
	}
	free(text);
}

/* Prints NAMESPACE/NAME, or the UID if nothing else is known. */
static void print_pod(FILE *out, const struct finding_context *context, unsigned int columns)
{
	const char *name = context->texts[CONTAINER_POD];
	char text[2 * CONTAINER_TEXT_BYTES];

	snprintf(text, sizeof(text), "%s/%s", context->texts[CONTAINER_POD_NAMESPACE] ?: "",
		 name ?: "");
	print_labelled(out, "pod", name ? text : context->pod_uid, columns);
}

void finding_print(FILE *out, const struct finding *finding, const struct finding_context *context,
		   unsigned int columns)
{
	const char *name = finding_name(finding->id), *advice = advice_name(finding);
	char *figures = figures_text(finding);

	fprintf(out, "%s: %s (%s)\n", finding_severity_name(finding->severity),
		finding_title(finding->id), name);
	if (finding->at.lport || finding->at.rport || finding->at.netns) {
		print_word(out, "where");
		print_where(out, finding, context);
		fputc('\n', out);
	}
	if (finding->owner.pid || !is_of_host(finding->id)) {
		print_word(out, "who");
		print_who(out, finding);
		fputc('\n', out);
	}
	print_labelled(out, "command", context->command, columns);
	print_labelled(out, "unit", context->texts[CONTAINER_UNIT], columns);
	print_labelled(out, "container", context->texts[CONTAINER_LABEL], columns);
	print_pod(out, context, columns);
	print_word(out, "seen");
	explain_print_words(out, figures ?: "", columns, COLUMN);
	free(figures);
	if (finding->err)
		fprintf(out, "%*s%s: %s\n", COLUMN, "", strerrorname_np(finding->err) ?: "errno",
			strerror(finding->err));
	if (finding->why[0]) {
		print_word(out, "why");
		explain_print_words(out, finding->why, columns, COLUMN);
	}
	if (finding->has_end) {
		print_word(out, "ends");
		print_end_words(out, &finding->end, columns);
	}
	print_advice(out, "do", advice, "helps", columns, finding->helps);
	print_advice(out, "no help", advice, "useless", columns, finding->useless);
	if (knows_settings(finding, context)) {
		print_word(out, "now");
		print_settings(out, finding, context);
	}
	if (finding->more[0]) {
		print_word(out, "more");
		fprintf(out, "%s\n", finding->more);
	}
}

void finding_print_line(FILE *out, const struct finding *finding,
			const struct finding_context *context)
{
	fprintf(out, "%s %s: ", finding_severity_name(finding->severity),
		finding_name(finding->id));
	if (print_where(out, finding, context))
		fputs(", ", out);
	print_who(out, finding);
	for (unsigned int i = 0; i < finding->figure_count && i < 3; i++) {
		fputs(", ", out);
		print_name(out, finding->figures[i].name);
		fputc(' ', out);
		print_value(out, &finding->figures[i]);
	}
}

/* ---- JSON ---- */

static const char *unit_suffix(enum finding_unit unit)
{
	return unit == FIGURE_NS      ? "_ns" :
	       unit == FIGURE_BYTES   ? "_bytes" :
	       unit == FIGURE_PERCENT ? "_percent" :
					"";
}

static void print_json_figures(FILE *out, const struct finding *finding)
{
	fputs(",\"seen\":{", out);
	for (unsigned int i = 0; i < finding->figure_count; i++)
		fprintf(out, "%s\"%s%s\":%" PRIu64, i ? "," : "", finding->figures[i].name,
			unit_suffix(finding->figures[i].unit), finding->figures[i].value);
	fputs("},\"grew\":[", out);
	for (unsigned int i = 0, any = 0; i < finding->figure_count; i++)
		if (finding->figures[i].grew)
			fprintf(out, "%s\"%s%s\"", any++ ? "," : "", finding->figures[i].name,
				unit_suffix(finding->figures[i].unit));
	fputc(']', out);
}

static void print_json_end(FILE *out, const struct finding *finding)
{
	enum deadline_kind kind = finding->has_end ? finding->end.kind : DEADLINE_UNKNOWN;
	bool timed = kind == DEADLINE_AT || kind == DEADLINE_IF_SILENT;

	print_json_text(out, "ends", deadline_kind_name(kind));
	print_json_number(out, "ends_ns", timed, finding->end.ns);
	print_json_text(out, "ends_by", timed ? deadline_setting(finding->end.by) : NULL);
}

static void print_json_settings(FILE *out, const struct finding *finding,
				const struct finding_context *context)
{
	fputs(",\"settings\":{", out);
	for (unsigned int i = 0, any = 0; i < finding->setting_count; i++) {
		enum fact_setting setting = finding->settings[i];
		uint64_t value = context->netns ? context->netns->settings[setting] : FACT_UNKNOWN;
		const char *suffix = setting == FACT_PORTS_LOW	? ".low" :
				     setting == FACT_PORTS_HIGH ? ".high" :
								  "";

		if (value == FACT_UNKNOWN)
			continue;
		fprintf(out, "%s\"%s%s\":%" PRIu64, any++ ? "," : "", fact_setting_name(setting),
			suffix, value);
	}
	fputc('}', out);
}

static void print_json_part(FILE *out, const char *member, const char *name, const char *part,
			    const char *own)
{
	char *text = NULL;
	size_t len;
	FILE *memory = open_memstream(&text, &len);

	if (!memory)
		return;
	if (own)
		fputs(own, memory);
	else
		explain_print_part(memory, name, part, UINT16_MAX, 0);
	fclose(memory);
	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	print_json_text(out, member, text);
	free(text);
}

static void print_json_side(FILE *out, const struct fact_address *at, const char *name,
			    const uint8_t *address)
{
	if (has_address(address)) {
		fputc(',', out);
		print_json_addr(out, name, at->family ?: 4, address);
	} else {
		print_json_text(out, name, NULL);
	}
}

void finding_print_json(FILE *out, const struct finding *finding,
			const struct finding_context *context, uint64_t wall_ns)
{
	const struct fact_address *at = &finding->at;
	const char *name = finding_name(finding->id);

	fprintf(out, "{\"type\":\"finding\",\"time\":");
	print_json_time(out, wall_ns);
	fprintf(out, ",\"id\":\"%s\",\"severity\":\"%s\"", name,
		finding_severity_name(finding->severity));
	print_json_text(out, "title", finding_title(finding->id));
	print_json_number(out, "netns", at->netns, at->netns);
	print_json_text(out, "netns_name", context->netns ? context->netns->name : NULL);
	print_json_side(out, at, "laddr", at->laddr);
	print_json_number(out, "lport", at->lport, at->lport);
	print_json_side(out, at, "raddr", at->raddr);
	print_json_number(out, "rport", at->rport, at->rport);
	print_json_number(out, "pid", finding->owner.pid, finding->owner.pid);
	print_json_text(out, "comm", finding->owner.pid ? finding->owner.comm : NULL);
	fprintf(out, ",\"kernel\":%s", finding->owner.kernel ? "true" : "false");
	print_json_text(out, "command", context->command);
	print_json_names(out, context->texts);
	print_json_text(out, "pod_uid", context->pod_uid);
	print_json_number(out, "count", true, finding->count);
	print_json_text(out, "errno", finding->err ? strerrorname_np(finding->err) : NULL);
	print_json_figures(out, finding);
	print_json_text(out, "why", finding->why);
	print_json_end(out, finding);
	print_json_part(out, "do", advice_name(finding), "helps", finding->helps);
	print_json_part(out, "no_help", advice_name(finding), "useless", finding->useless);
	print_json_settings(out, finding, context);
	print_json_text(out, "more", finding->more);
	fputs("}\n", out);
}
