/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads what an ELF file says without its sections: where its segments are, and its build id.
 * Anyone may have written the file, so everything in it is checked. Pure but for reading @fd. Any
 * thread.
 */
#ifndef TCPDWELL_ELF_IMAGE_H
#define TCPDWELL_ELF_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUILD_ID_BYTES 20

/* The most executable segments. Usually there is one. */
#define ELF_IMAGE_LOADS 8

struct elf_image {
	uint8_t build_id[BUILD_ID_BYTES];
	uint8_t build_id_bytes; /* 0: it has none */
	uint8_t load_count;
	struct elf_load {
		uint64_t offset; /* in the file */
		uint64_t vaddr;
		uint64_t bytes;
	} loads[ELF_IMAGE_LOADS];
};

/*
 * Reads the file. Returns 0, or -errno: -ENOEXEC if it is no 64-bit ELF file of this machine's byte
 * order.
 */
int elf_image_read(struct elf_image *image, int fd);

/*
 * Finds the address that the file gives to the byte of code at @offset. Returns false if no code is
 * there.
 */
bool elf_image_vaddr(const struct elf_image *image, uint64_t offset, uint64_t *vaddr);

#endif /* TCPDWELL_ELF_IMAGE_H */
