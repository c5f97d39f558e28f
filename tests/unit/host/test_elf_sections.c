// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The sizes that files claim for their sections once these are unpacked. */
#include <elf.h>
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/elf_sections.h"

#define NAMES "\0.debug_info\0.zdebug_line\0.gnu_debugdata\0.symtab"

enum { AT_DEBUG = 1, AT_ZDEBUG = 13, AT_MINI = 26, AT_SYMTAB = 41 };

/* A file with three sections: none, the names, and the one that matters, with its content. */
struct file {
	Elf64_Ehdr elf;
	Elf64_Shdr sections[3];
	char names[sizeof(NAMES)];
	uint8_t data[64];
};

static struct file file_with(uint32_t name, uint64_t flags)
{
	struct file file = {
		.elf = {
			.e_shoff = offsetof(struct file, sections),
			.e_shentsize = sizeof(Elf64_Shdr),
			.e_shnum = 3,
			.e_shstrndx = 1,
		},
		.sections = {
			[1] = { .sh_offset = offsetof(struct file, names),
				.sh_size = sizeof(NAMES) },
			[2] = { .sh_name = name, .sh_flags = flags,
				.sh_offset = offsetof(struct file, data), .sh_size = 64 },
		},
		.names = NAMES,
	};

	return file;
}

static enum elf_sections check(const struct file *file)
{
	FILE *out = tmpfile();
	enum elf_sections sections;

	assert_non_null(out);
	assert_int_equal(fwrite(file, sizeof(*file), 1, out), 1);
	fflush(out);
	sections = elf_sections_check(fileno(out));
	fclose(out);
	return sections;
}

static struct file compressed(uint32_t name, uint64_t bytes)
{
	struct file file = file_with(name, SHF_COMPRESSED);
	const Elf64_Chdr head = { .ch_type = ELFCOMPRESS_ZLIB, .ch_size = bytes };

	memcpy(file.data, &head, sizeof(head));
	return file;
}

static void test_compressed(void **state)
{
	struct file file = compressed(AT_DEBUG, ELF_UNPACKED_BYTES);

	(void)state;
	assert_int_equal(check(&file), ELF_SECTIONS_ALL);
	file = compressed(AT_DEBUG, ELF_UNPACKED_BYTES + 1);
	assert_int_equal(check(&file), ELF_SECTIONS_SYMBOLS);
	file = compressed(AT_SYMTAB, ELF_UNPACKED_BYTES + 1);
	assert_int_equal(check(&file), ELF_SECTIONS_NONE);
	file = compressed(AT_DEBUG, UINT64_MAX);
	assert_int_equal(check(&file), ELF_SECTIONS_SYMBOLS);
}

static void test_zdebug(void **state)
{
	struct file file = file_with(AT_ZDEBUG, 0);
	uint64_t bytes = htobe64(ELF_UNPACKED_BYTES + 1);

	(void)state;
	assert_int_equal(check(&file), ELF_SECTIONS_ALL);
	memcpy(file.data, "ZLIB", 4);
	memcpy(file.data + 4, &bytes, sizeof(bytes));
	assert_int_equal(check(&file), ELF_SECTIONS_SYMBOLS);
}

/* Puts a block of 300 bytes packed and 2^@shift unpacked, then the footer. */
static size_t put_xz(uint8_t *p, unsigned int shift)
{
	uint8_t *begin = p;

	*p++ = 0;
	*p++ = 1;
	*p++ = 0x80 | (300 & 0x7f);
	*p++ = 300 >> 7;
	for (; shift >= 7; shift -= 7)
		*p++ = 0x80;
	*p++ = 1 << shift;
	while ((p - begin) % 4)
		*p++ = 0;
	p += 4; /* the index's checksum */
	*(p + 4) = (p - begin) / 4 - 1;
	p[10] = 'Y';
	p[11] = 'Z';
	return p + 12 - begin;
}

static void test_xz(void **state)
{
	uint8_t data[64] = { 0 };
	size_t len = put_xz(data, 20);

	(void)state;
	assert_int_equal(elf_sections_xz_bytes(data, len), 1 << 20);
	assert_int_equal(elf_sections_xz_bytes(data, len + 8), 1 << 20); /* padding */
	assert_int_equal(elf_sections_xz_bytes(data + 4, len - 4), UINT64_MAX);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(elf_sections_xz_bytes(data, i), UINT64_MAX);
	memset(data, 0, sizeof(data));
	len = put_xz(data, 42);
	assert_int_equal(elf_sections_xz_bytes(data, len), 1ULL << 42);
}

static void test_mini(void **state)
{
	struct file file = file_with(AT_MINI, 0);

	(void)state;
	assert_int_equal(check(&file), ELF_SECTIONS_NONE); /* no xz at all */
	file.sections[2].sh_size = put_xz(file.data, 20);
	assert_int_equal(check(&file), ELF_SECTIONS_ALL);
	memset(file.data, 0, sizeof(file.data));
	file.sections[2].sh_size = put_xz(file.data, 42);
	assert_int_equal(check(&file), ELF_SECTIONS_NONE);
}

static void test_nonsense(void **state)
{
	struct file file = file_with(AT_DEBUG, 0);

	(void)state;
	assert_int_equal(check(&file), ELF_SECTIONS_ALL);
	file.elf.e_shentsize = 1;
	assert_int_equal(check(&file), ELF_SECTIONS_NONE);
	file = file_with(AT_DEBUG, 0);
	file.elf.e_shoff = UINT64_MAX - 8;
	assert_int_equal(check(&file), ELF_SECTIONS_NONE);
	file = file_with(AT_DEBUG, 0);
	file.elf.e_shstrndx = 3;
	assert_int_equal(check(&file), ELF_SECTIONS_NONE);
	file = file_with(AT_DEBUG, 0);
	file.elf.e_shnum = 0; /* more than fit the number */
	file.sections[0].sh_size = UINT64_MAX;
	assert_int_equal(check(&file), ELF_SECTIONS_NONE);
	file.elf.e_shoff = 0; /* no sections at all */
	assert_int_equal(check(&file), ELF_SECTIONS_ALL);
	file = compressed(AT_DEBUG, 1);
	file.sections[2].sh_offset = UINT64_MAX;
	assert_int_equal(check(&file), ELF_SECTIONS_SYMBOLS);
	file = file_with(AT_MINI, 0);
	file.sections[2].sh_size = UINT64_MAX;
	assert_int_equal(check(&file), ELF_SECTIONS_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compressed), cmocka_unit_test(test_zdebug),
		cmocka_unit_test(test_xz),	   cmocka_unit_test(test_mini),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests_name("elf_sections", tests, NULL, NULL);
}
