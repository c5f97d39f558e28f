// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ELF files in which anything may be wrong. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/elf_image.h"

#define NOTE_AT 0x400

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OWN_ORDER ELFDATA2LSB
#else
#define OWN_ORDER ELFDATA2MSB
#endif

/* A file with a segment of code and a note. */
struct file {
	Elf64_Ehdr elf;
	Elf64_Phdr headers[3];
	char pad[NOTE_AT - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr)];
	Elf64_Nhdr first; /* another kind of note */
	char first_name[4];
	uint32_t first_data;
	Elf64_Nhdr note;
	char name[4];
	uint8_t id[20];
};

static const struct file good = {
	.elf = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, OWN_ORDER },
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
	},
	.headers = {
		{ .p_type = PT_LOAD, .p_flags = PF_R, .p_filesz = 0x1000 },
		{ .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = 0x1000,
		  .p_vaddr = 0x402000, .p_filesz = 0x200 },
		{ .p_type = PT_NOTE, .p_offset = NOTE_AT,
		  .p_filesz = sizeof(struct file) - NOTE_AT },
	},
	.first = { .n_namesz = 4, .n_descsz = 4, .n_type = 1 },
	.first_name = "GNU",
	.note = { .n_namesz = 4, .n_descsz = 20, .n_type = NT_GNU_BUILD_ID },
	.name = "GNU",
	.id = { 1, 2, 3, [19] = 20 },
};

static int read_bytes(struct elf_image *image, const void *data, size_t len)
{
	FILE *file = tmpfile();
	int err;

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fflush(file), 0);
	err = elf_image_read(image, fileno(file));
	fclose(file);
	return err;
}

static void test_good(void **state)
{
	struct elf_image image;

	(void)state;
	assert_int_equal(read_bytes(&image, &good, sizeof(good)), 0);
	assert_int_equal(image.build_id_bytes, 20);
	assert_memory_equal(image.build_id, good.id, 20);
	assert_int_equal(image.load_count, 1);
}

static void test_addresses(void **state)
{
	struct elf_image image;
	uint64_t vaddr = 0;

	(void)state;
	assert_int_equal(read_bytes(&image, &good, sizeof(good)), 0);
	assert_true(elf_image_vaddr(&image, 0x1000, &vaddr));
	assert_int_equal(vaddr, 0x402000);
	assert_true(elf_image_vaddr(&image, 0x11ff, &vaddr));
	assert_int_equal(vaddr, 0x4021ff);
	assert_false(elf_image_vaddr(&image, 0x1200, &vaddr));
	assert_false(elf_image_vaddr(&image, 0xfff, &vaddr));
	assert_false(elf_image_vaddr(&image, UINT64_MAX, &vaddr));
}

static void test_no_elf(void **state)
{
	struct elf_image image;
	struct file file;

	(void)state;
	assert_int_equal(read_bytes(&image, "#!/bin/sh\n", 10), -ENOEXEC);
	assert_int_equal(read_bytes(&image, "", 0), -ENOEXEC);
	file = good;
	file.elf.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(read_bytes(&image, &file, sizeof(file)), -ENOEXEC);
	file = good;
	file.elf.e_phentsize = 1;
	assert_int_equal(read_bytes(&image, &file, sizeof(file)), -ENOEXEC);
	assert_int_equal(elf_image_read(&image, -1), -EBADF);
}

/* Each file is read as if it had no build id. */
static void test_bad_notes(void **state)
{
	struct elf_image image;
	struct file file = good;

	(void)state;
	file.note.n_descsz = UINT32_MAX;
	assert_int_equal(read_bytes(&image, &file, sizeof(file)), 0);
	assert_int_equal(image.build_id_bytes, 0);
	file = good;
	file.first.n_namesz = UINT32_MAX - 2;
	assert_int_equal(read_bytes(&image, &file, sizeof(file)), 0);
	assert_int_equal(image.build_id_bytes, 0);
	file = good;
	file.headers[2].p_offset = UINT64_MAX;
	assert_int_equal(read_bytes(&image, &file, sizeof(file)), 0);
	assert_int_equal(image.build_id_bytes, 0);
	file = good;
	file.name[0] = 'X';
	assert_int_equal(read_bytes(&image, &file, sizeof(file)), 0);
	assert_int_equal(image.build_id_bytes, 0);
	assert_int_equal(read_bytes(&image, &good, sizeof(good) - 1), 0);
	assert_int_equal(image.build_id_bytes, 0);
}

static void test_headers_beyond_the_end(void **state)
{
	struct elf_image image;
	struct file file = good;

	(void)state;
	file.elf.e_phnum = 0xffff;
	assert_int_equal(read_bytes(&image, &file, sizeof(file)), 0);
	file.elf.e_phoff = 1 << 20;
	assert_int_equal(read_bytes(&image, &file, sizeof(file)), 0);
	assert_int_equal(image.load_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_no_elf),
		cmocka_unit_test(test_bad_notes),
		cmocka_unit_test(test_headers_beyond_the_end),
	};

	return cmocka_run_group_tests_name("elf_image", tests, NULL, NULL);
}
