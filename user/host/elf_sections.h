/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much memory the sections of an ELF file need once they are unpacked, as far as the file says
 * so beforehand. The file is anyone's: it may lie, so this is the first of two limits. Pure but for
 * reading @fd. Any thread.
 */
#ifndef TCPDWELL_ELF_SECTIONS_H
#define TCPDWELL_ELF_SECTIONS_H

#include <stddef.h>
#include <stdint.h>

/* Unpacked bytes of one file's debugging information, and of its other sections, that are read. */
#define ELF_UNPACKED_BYTES (24ULL << 20)

/* Sections that are looked at; a program has some forty. */
#define ELF_SECTIONS_MAX 16384

enum elf_sections {
	ELF_SECTIONS_ALL,     /* may be read */
	ELF_SECTIONS_SYMBOLS, /* the debugging information is too large, its symbols are not */
	ELF_SECTIONS_NONE,    /* all is too large, or what it says of its sections makes no sense */
	ELF_SECTIONS_COUNT,
};

/* Returns what of the file may be read; @fd is that of a file that elf_image_read() took. */
enum elf_sections elf_sections_check(int fd);

/*
 * What the index at the end of an xz file (xz file format 1.1.0, section 4) says of the unpacked
 * size: the last @len bytes of the file. UINT64_MAX where there is no whole index among them.
 */
uint64_t elf_sections_xz_bytes(const uint8_t *end, size_t len);

#endif /* TCPDWELL_ELF_SECTIONS_H */
