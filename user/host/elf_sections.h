/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds out how much memory the sections of an ELF file need once they are unpacked, as far as the
 * file says so. Anyone may have written the file, and it may lie, so this is only the first of two
 * limits. Pure but for reading @fd. Any thread.
 */
#ifndef TCPDWELL_ELF_SECTIONS_H
#define TCPDWELL_ELF_SECTIONS_H

#include <stddef.h>
#include <stdint.h>

/*
 * The most unpacked bytes that are read of one file's debugging information, and of its other
 * sections.
 */
#define ELF_UNPACKED_BYTES (24ULL << 20)

/* The most sections that are looked at. A program has some forty. */
#define ELF_SECTIONS_MAX 16384

enum elf_sections {
	ELF_SECTIONS_ALL,     /* all sections may be read */
	ELF_SECTIONS_SYMBOLS, /* the debugging information is too large, the symbols are not */
	ELF_SECTIONS_NONE,    /* all is too large, or the file's section headers make no sense */
	ELF_SECTIONS_COUNT,
};

/* Returns what may be read of the file @fd, which elf_image_read() has accepted. */
enum elf_sections elf_sections_check(int fd);

/*
 * Returns the unpacked size that the index at the end of an xz file says (xz file format 1.1.0,
 * section 4). @end has the last @len bytes of the file. Returns UINT64_MAX if they do not have a
 * whole index.
 */
uint64_t elf_sections_xz_bytes(const uint8_t *end, size_t len);

#endif /* TCPDWELL_ELF_SECTIONS_H */
