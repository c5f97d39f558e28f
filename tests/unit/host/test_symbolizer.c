// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A process of our own making, which maps one file of code; any file that is open has symbols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/symbol.h"
#include "host/symbolizer.h"

static char root[64];
static struct stacks *stacks;
static struct symbolizer *symbolizer;

/* In place of symbol_dw.c. */
struct symbols *symbols_open(int fd)
{
	(void)fd;
	return (struct symbols *)root;
}

void symbols_free(struct symbols *symbols)
{
	(void)symbols;
}

void symbols_find(struct symbols *symbols, uint64_t vaddr, struct symbol *symbol)
{
	(void)symbols;
	*symbol = (struct symbol){ .function = "found", .into = vaddr };
}

bool symbols_rule(struct symbols *symbols, uint64_t vaddr, struct unwind_rule *rule)
{
	(void)symbols, (void)vaddr, (void)rule;
	return false;
}

static void run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

/* The test is a file of code, too: process 7 maps a copy of it. */
static int make(void **state)
{
	struct stat st;
	char path[128];

	(void)state;
	strcpy(root, "/tmp/tcpdwell-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	run("mkdir -p %s/proc/7/root && cp /proc/%d/exe %s/proc/7/root/code", root, getpid(), root);
	snprintf(path, sizeof(path), "%s/proc/7/root/code", root);
	assert_int_equal(stat(path, &st), 0);
	run("echo 0-7fff0000 r-xp 0 0:0 %ju /code >%s/proc/7/maps", (uintmax_t)st.st_ino, root);
	stacks = stacks_new();
	symbolizer = symbolizer_new(stacks, root);
	return stacks && symbolizer ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	symbolizer_free(symbolizer);
	stacks_free(stacks);
	run("rm -r %s", root);
	return 0;
}

/* Of a process whose stack is this one place. */
static const char *function_of(uint64_t pc)
{
	struct tcpdwell_stack raw = { .pid = 7, .ip_bytes = 8, .ips = { pc } };
	const struct stack *stack = symbolizer_resolve(symbolizer, &raw, 0);

	assert_non_null(stack);
	assert_int_equal(stack->count, 1);
	assert_string_equal(stack->frames[0]->module, "/code");
	return stack->frames[0]->function;
}

/* Where code begins in the file. */
static uint64_t some_code(void)
{
	struct elf_image image;
	FILE *file = fopen("/proc/self/exe", "r");

	assert_non_null(file);
	assert_int_equal(elf_image_read(&image, fileno(file)), 0);
	fclose(file);
	return image.loads[0].offset;
}

/* A process may be on its way, or its files out of reach: the next look may find another way. */
static void test_opened_late(void **state)
{
	uint64_t pc = some_code();

	(void)state;
	run("mv %s/proc/7/root/code %s/away", root, root);
	assert_null(function_of(pc));
	run("mv %s/away %s/proc/7/root/code", root, root);
	symbolizer_refresh(symbolizer);
	assert_string_equal(function_of(pc), "found");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_opened_late, make, unmake),
	};

	return cmocka_run_group_tests_name("symbolizer", tests, NULL, NULL);
}
