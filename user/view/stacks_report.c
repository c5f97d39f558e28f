// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>

#include "model/leaks.h"
#include "host/stacks.h"
#include "view/print.h"
#include "view/stacks_report.h"

/* How many frames of a stack the text shows: those next to the call. JSON has all. */
#define FRAMES_SHOWN 12

static const char *const none_texts[STACK_NONE_COUNT] = {
	[STACK_OLDER] = "older than the tracer",
	[STACK_UNACCEPTED] = "nobody has accepted them yet",
	[STACK_UNSEEN] =
		"made where the tracer does not see it: by io_uring, or in a call older than it",
	[STACK_NO_ROOM] = "there was no room left to keep it",
	[STACK_UNREADABLE] = "the process's stack could not be read",
	[STACK_LATER] = "names take long to look up: a later look has them",
};

static const char *const none_names[STACK_NONE_COUNT] = {
	[STACK_OLDER] = "older",     [STACK_UNACCEPTED] = "unaccepted", [STACK_UNSEEN] = "unseen",
	[STACK_NO_ROOM] = "no_room", [STACK_UNREADABLE] = "unreadable", [STACK_LATER] = "later",
};

static const char *const end_names[] = {
	[UNWIND_WHOLE] = "whole",
	[UNWIND_DEEP] = "deep",
	[UNWIND_CHAIN] = "chain",
	[UNWIND_CUT] = "cut",
};

static const char *how_name(const struct stack *stack)
{
	return stack->how == TCPDWELL_OWNER_CONNECT ? "connect" : "accept";
}

/*
 * ---- Text ---------------------------------------------------------------------------------------
 */

static void print_id(FILE *out, const struct stack_place *place)
{
	for (unsigned int i = 0; i < place->build_id_bytes; i++)
		fprintf(out, "%02x", place->build_id[i]);
}

/* Prints the place of a frame without a name, as addr2line and a symbol server want it. */
static void print_module(FILE *out, const struct stack_place *place)
{
	if (!place->module && !place->build_id_bytes) {
		fprintf(out, "0x%" PRIx64, place->offset);
		return;
	}
	print_text(out, place->module ? place->module : "?", 0);
	fprintf(out, "+0x%" PRIx64, place->offset);
	if (!place->build_id_bytes)
		return;
	fputs(" (build id ", out);
	print_id(out, place);
	fputc(')', out);
}

static void print_frame(FILE *out, const struct stack_place *place, bool guessed)
{
	fputs(guessed ? "    ? " : "    ", out);
	if (!place->function) {
		print_module(out, place);
	} else if (place->file) {
		print_text(out, place->function, 0);
		fputc(' ', out);
		print_text(out, place->file, 0);
		fprintf(out, ":%u", place->line);
	} else {
		print_text(out, place->function, 0);
		fprintf(out, "+0x%" PRIx64, place->into);
		if (place->module) {
			fputs(" in ", out);
			print_text(out, place->module, 0);
		}
	}
	fputc('\n', out);
}

static void print_end_of(FILE *out, const struct stack *stack)
{
	size_t more = stack->count > FRAMES_SHOWN ? stack->count - FRAMES_SHOWN : 0;

	if (more)
		fprintf(out, "    … %zu more frames\n", more);
	if (stack->gone)
		fputs("    … the process has ended or executed another program since\n", out);
	else if (stack->large)
		fputs("    … the process maps too much code to be looked through\n", out);
	else if (stack->end == UNWIND_CUT)
		fputs("    … the callers are not known: no frame pointers\n", out);
	else if (stack->end == UNWIND_CHAIN)
		fputs("    … frame pointers lead no further\n", out);
	else if (stack->end == UNWIND_DEEP && !more)
		fputs("    … and further callers\n", out);
}

static void print_stack(FILE *out, const struct leak_stack *group)
{
	const struct stack *stack = group->stack;

	fprintf(out, "  %zu came from this %s:\n", group->count, how_name(stack));
	for (unsigned int i = 0; i < stack->count && i < FRAMES_SHOWN; i++)
		print_frame(out, stack->frames[i], stack->guessed && i == stack->guessed);
	print_end_of(out, stack);
}

void stacks_report(FILE *out, const struct leak *leak)
{
	size_t rest = 0;

	if (!leak->stacks)
		return;
	for (size_t i = 0; i < leak->stack_count; i++) {
		if (i < LEAKS_TOP)
			print_stack(out, &leak->stacks[i]);
		else
			rest += leak->stacks[i].count;
	}
	if (rest)
		fprintf(out, "  %zu came from %zu other places\n", rest,
			leak->stack_count - LEAKS_TOP);
	for (unsigned int none = 0; none < STACK_NONE_COUNT; none++)
		if (leak->no_stack[none])
			fprintf(out, "  no stack of %zu: %s\n", leak->no_stack[none],
				none_texts[none]);
}

/*
 * ---- JSON ---------------------------------------------------------------------------------------
 */

static void json_frame(FILE *out, const struct stack_place *place, bool guessed)
{
	fputs("{\"function\":", out);
	print_json_string(out, place->function);
	fputs(",\"file\":", out);
	print_json_string(out, place->file);
	print_json_number(out, "line", place->line, place->line);
	fputs(",\"module\":", out);
	print_json_string(out, place->module);
	if (place->build_id_bytes) {
		fputs(",\"build_id\":\"", out);
		print_id(out, place);
		fputc('"', out);
	} else {
		fputs(",\"build_id\":null", out);
	}
	fprintf(out, ",\"offset\":%" PRIu64 ",\"guessed\":%s}", place->offset,
		guessed ? "true" : "false");
}

static void json_stack(FILE *out, const struct leak_stack *group)
{
	const struct stack *stack = group->stack;

	fprintf(out, "{\"count\":%zu,\"how\":\"%s\",\"end\":\"%s\",\"gone\":%s,\"frames\":[",
		group->count, how_name(stack), end_names[stack->end],
		stack->large ? "null" :
		stack->gone  ? "true" :
			       "false");
	for (unsigned int i = 0; i < stack->count; i++) {
		fputs(i ? "," : "", out);
		json_frame(out, stack->frames[i], stack->guessed && i == stack->guessed);
	}
	fputs("]}", out);
}

void stacks_json(FILE *out, const struct leak *leak)
{
	if (!leak->stacks) {
		fputs(",\"stacks\":null,\"no_stack\":null", out);
		return;
	}
	fputs(",\"stacks\":[", out);
	for (size_t i = 0; i < leak->stack_count; i++) {
		fputs(i ? "," : "", out);
		json_stack(out, &leak->stacks[i]);
	}
	fputs("],\"no_stack\":{", out);
	for (unsigned int none = 0; none < STACK_NONE_COUNT; none++)
		fprintf(out, "%s\"%s\":%zu", none ? "," : "", none_names[none],
			leak->no_stack[none]);
	fputs("}", out);
}
