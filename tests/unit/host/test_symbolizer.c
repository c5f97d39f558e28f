// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A process that the test makes up, which maps files of code. The worker that reads files is real
 * except for its library. In place of that, the test does what a hostile file would make it do.
 */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/symbol.h"
#include "host/symbolizer.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OWN_ORDER ELFDATA2LSB
#else
#define OWN_ORDER ELFDATA2MSB
#endif

#define CODE_AT 0x1000
#define PAGE	0x1000

static char root[64];
static struct stacks *stacks;
static struct symbolizer *symbolizer;
static int stop[2];
static char said[1024];
static unsigned int said_count;

/* What the worker does if the code of a file is 0x100, 0x200, … bytes into it. */
enum { GOOD, CRASH, LOOP, GROW };

/*
 * ---- In place of symbol_dw.c --------------------------------------------------------------------
 */

struct symbols *symbols_open(int fd, int debug, bool dwarf)
{
	(void)fd, (void)debug, (void)dwarf;
	return (struct symbols *)root;
}

void symbols_free(struct symbols *symbols)
{
	(void)symbols;
}

/* Uses the kernel directly: the sanitizer would interfere with so much memory. */
__attribute__((no_sanitize("address"))) static void grow(void)
{
	for (;;) {
		long at = syscall(SYS_mmap, NULL, 1 << 20, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (size_t i = 0; at != -1 && i < 1 << 20; i += 4096)
			*(volatile char *)(at + i) = 1;
	}
}

void symbols_find(struct symbols *symbols, uint64_t vaddr, struct symbol *symbol)
{
	volatile bool for_ever = true;

	(void)symbols;
	switch ((vaddr - CODE_AT) >> 8) {
	case CRASH:
		__builtin_trap();
	case LOOP:
		while (for_ever)
			;
		break;
	case GROW:
		grow();
	}
	*symbol = (struct symbol){ .function = "found", .into = vaddr };
}

bool symbols_rule(struct symbols *symbols, uint64_t vaddr, struct unwind_rule *rule)
{
	(void)symbols, (void)vaddr, (void)rule;
	return false;
}

/*
 * ---- Process 7 ----------------------------------------------------------------------------------
 */

static void run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

static FILE *open_in(const char *path, const char *mode)
{
	char whole[128];
	FILE *file;

	snprintf(whole, sizeof(whole), "%s/proc/7/%s", root, path);
	file = fopen(whole, mode);
	assert_non_null(file);
	return file;
}

/* Writes a page of code, with a build id that ends with @number. */
static void put_code(const char *path, unsigned int number)
{
	struct {
		Elf64_Ehdr elf;
		Elf64_Phdr headers[2];
		Elf64_Nhdr note;
		char name[4];
		uint8_t id[BUILD_ID_BYTES];
	} head = {
		.elf = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, OWN_ORDER },
			.e_phoff = offsetof(typeof(head), headers),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2,
		},
		.headers = {
			{ .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = CODE_AT,
			  .p_vaddr = CODE_AT, .p_filesz = PAGE },
			{ .p_type = PT_NOTE, .p_offset = offsetof(typeof(head), note),
			  .p_filesz = sizeof(head) - offsetof(typeof(head), note) },
		},
		.note = { .n_namesz = 4, .n_descsz = BUILD_ID_BYTES, .n_type = NT_GNU_BUILD_ID },
		.name = "GNU",
	};
	FILE *file = open_in(path, "w");

	memcpy(head.id, &number, sizeof(number));
	assert_int_equal(fwrite(&head, sizeof(head), 1, file), 1);
	assert_int_equal(fseek(file, CODE_AT + PAGE - 1, SEEK_SET), 0);
	fputc(0, file);
	fclose(file);
}

/* Maps the second page of a file at @number pages. */
static void map(const char *path, unsigned int number)
{
	char whole[128];
	struct stat st;
	FILE *file;

	snprintf(whole, sizeof(whole), "%s/proc/7/root/%s", root, path);
	assert_int_equal(stat(whole, &st), 0);
	file = open_in("maps", "a");
	fprintf(file, "%x-%x r-xp 1000 0:0 %ju /%s\n", number * PAGE, (number + 1) * PAGE,
		(uintmax_t)st.st_ino, path);
	fclose(file);
}

static void say(void *context, const char *path, const char *why)
{
	(void)context;
	said_count++;
	snprintf(said, sizeof(said), "%s: %s", path ? path : "-", why);
}

/* One file, `code`, is mapped at the first page. */
static int make(void **state)
{
	(void)state;
	strcpy(root, "/tmp/tcpdwell-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	run("mkdir -p %s/proc/7/root/tmp", root);
	run("printf 'Uid:\\t0\\t%u\\t0\\t0\\nNSpid:\\t7\\t5\\n' >%s/proc/7/status", getuid(), root);
	put_code("root/code", 1);
	map("code", 1);
	said_count = 0;
	stacks = stacks_new();
	if (pipe(stop))
		return -1;
	symbolizer = symbolizer_new(stacks, root, stop[0], say, NULL);
	return stacks && symbolizer ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	symbolizer_free(symbolizer);
	stacks_free(stacks);
	close(stop[0]);
	close(stop[1]);
	run("rm -r %s", root);
	return 0;
}

/* Returns the place of a stack that is only this place; NULL: there was no time for it. */
static const struct stack_place *place_of(uint64_t pc)
{
	struct tcpdwell_stack raw = { .pid = 7, .ip_bytes = 8, .ips = { pc } };
	const struct stack *stack;
	bool later;

	stack = symbolizer_resolve(symbolizer, &raw, 0, &later);
	assert_true(!stack == later);
	if (!stack)
		return NULL;
	assert_int_equal(stack->count, 1);
	return stack->frames[0];
}

static const char *function_of(uint64_t pc)
{
	const struct stack_place *place = place_of(pc);

	assert_non_null(place);
	return place->function;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/*
 * ---- Tests --------------------------------------------------------------------------------------
 */

/* The process may just start, or its files may be out of reach: the next look may succeed. */
static void test_opened_late(void **state)
{
	(void)state;
	run("mv %s/proc/7/root/code %s/away", root, root);
	assert_null(function_of(PAGE));
	run("mv %s/away %s/proc/7/root/code", root, root);
	symbolizer_refresh(symbolizer);
	assert_string_equal(function_of(PAGE), "found");
	assert_string_equal(place_of(PAGE)->module, "/code");
	assert_int_equal(said_count, 0);
}

/* A file that harms its reader has no names; others have. Twice, because it is said only once. */
static void check_harm(unsigned int kind, const char *why)
{
	put_code("root/other", 2);
	map("other", 2);
	assert_null(function_of(PAGE + kind * 0x100));
	assert_int_equal(said_count, 1);
	assert_string_equal(said, why);
	symbolizer_refresh(symbolizer);
	assert_null(function_of(PAGE));
	assert_string_equal(function_of(2 * PAGE), "found");
	assert_int_equal(said_count, 1);
}

static void test_crash(void **state)
{
	(void)state;
	check_harm(CRASH, "/code: the process that reads it crashed over it");
}

static void test_loop(void **state)
{
	(void)state;
	check_harm(LOOP, "/code: to read it takes too long");
}

static void test_grow(void **state)
{
	(void)state;
	check_harm(GROW, "/code: to read it takes too much memory");
}

/* Ending the tracer does not wait for a file. */
static void test_stop(void **state)
{
	double start = seconds();

	(void)state;
	assert_string_equal(function_of(PAGE), "found");
	assert_int_equal(write(stop[1], "", 1), 1);
	put_code("root/other", 2);
	map("other", 2);
	symbolizer_refresh(symbolizer);
	assert_null(place_of(2 * PAGE + LOOP * 0x100));
	assert_true(seconds() - start < 0.9);
	assert_int_equal(said_count, 0);
}

static void test_no_elf(void **state)
{
	(void)state;
	run("printf BZh9 >%s/proc/7/root/packed", root);
	map("packed", 2);
	assert_null(function_of(2 * PAGE));
	assert_string_equal(said, "/packed: it is no ELF file");
	assert_string_equal(function_of(PAGE), "found");
}

/* With more files than are kept open, each has its names; with the process gone, some have none. */
static void test_many(void **state)
{
	struct tcpdwell_stack raw = { .pid = 8, .ip_bytes = 8, .ips = { 1 }, .frame_bytes = 32 };
	const unsigned int count = SYMBOLIZER_MODULES + 50;
	const struct stack *stack;
	char path[32];
	bool later;

	(void)state;
	for (unsigned int i = 2; i < count; i++) {
		snprintf(path, sizeof(path), "root/m%u", i);
		put_code(path, i);
		map(path + strlen("root/"), i);
	}
	for (unsigned int i = 1; i < count; i++) {
		symbolizer_refresh(symbolizer);
		assert_string_equal(function_of(i * PAGE), "found");
	}
	assert_int_equal(said_count, 0);
	raw.frames[0] = (struct tcpdwell_frame){ .status = TCPDWELL_FRAME_VALID, .offset = 4096 };
	raw.frames[0].build_id[1] = (count - 1) >> 8;
	raw.frames[0].build_id[0] = (count - 1) & 0xff;
	stack = symbolizer_resolve(symbolizer, &raw, 0, &later);
	assert_string_equal(stack->frames[0]->function, "found");
	raw.frames[0].build_id[0] = 1;
	raw.frames[0].build_id[1] = 0;
	stack = symbolizer_resolve(symbolizer, &raw, 0, &later);
	assert_null(stack->frames[0]->function);
	assert_int_equal(said_count, 1);
	assert_string_equal(said, "-: some files of code were closed for others, as there are "
				  "more than 256");
}

/* Code that is in no file has its address, and the name that the process gives it. */
static void test_made(void **state)
{
	const struct stack_place *place;
	FILE *file = open_in("maps", "a");

	(void)state;
	fputs("10000-20000 r-xp 0 0:0 0\n20000-30000 r-xp 0 0:0 0   [heap]\n", file);
	fclose(file);
	file = open_in("root/tmp/perf-5.map", "w");
	fputs("10000 100 first\n20000 10 second\n10000 20 third\n", file);
	fclose(file);
	place = place_of(0x10010);
	assert_string_equal(place->function, "third");
	assert_int_equal(place->into, 0x10);
	assert_string_equal(place->module, "/proc/7/root/tmp/perf-5.map");
	place = place_of(0x20020);
	assert_null(place->function);
	assert_null(place->module);
	assert_int_equal(place->offset, 0x20020);
	/* By now there is other code at this address. */
	file = open_in("root/tmp/perf-5.map", "a");
	fputs("10000 20 fourth\n", file);
	fclose(file);
	symbolizer_refresh(symbolizer);
	assert_string_equal(function_of(0x10010), "fourth");
}

static void test_map_of_names_is_a_link(void **state)
{
	FILE *file = open_in("maps", "a");

	(void)state;
	fputs("10000-20000 r-xp 0 0:0 0\n", file);
	fclose(file);
	run("echo 10000 100 secret >%s/away && ln -s ../../../../away "
	    "%s/proc/7/root/tmp/perf-5.map",
	    root, root);
	assert_null(function_of(0x10010));
}

static void test_map_of_names_of_another_user(void **state)
{
	FILE *file = open_in("maps", "a");

	(void)state;
	fputs("10000-20000 r-xp 0 0:0 0\n", file);
	fclose(file);
	run("printf 'Uid:\\t0\\t%u\\t0\\t0\\nNSpid:\\t7\\t5\\n' >%s/proc/7/status", getuid() + 1,
	    root);
	run("echo 10000 100 name >%s/proc/7/root/tmp/perf-5.map", root);
	assert_null(function_of(0x10010));
	assert_string_equal(said, "/proc/7/root/tmp/perf-5.map: it is not of the process's user");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_opened_late),
		TEST(test_crash),
		TEST(test_loop),
		TEST(test_grow),
		TEST(test_stop),
		TEST(test_no_elf),
		TEST(test_many),
		TEST(test_made),
		TEST(test_map_of_names_is_a_link),
		TEST(test_map_of_names_of_another_user),
	};

	return cmocka_run_group_tests_name("symbolizer", tests, NULL, NULL);
}
