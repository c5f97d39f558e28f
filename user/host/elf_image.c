// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "host/elf_image.h"

/* The most program headers that are looked at. A linker writes a dozen. */
#define HEADERS_MAX 64

/* The bytes of notes that are looked at. The build id is among the first notes. */
#define NOTES_BYTES 4096

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OWN_ORDER ELFDATA2LSB
#else
#define OWN_ORDER ELFDATA2MSB
#endif

static size_t aligned(size_t bytes)
{
	return (bytes + 3) & ~(size_t)3;
}

static void read_notes(struct elf_image *image, const char *notes, size_t len)
{
	Elf64_Nhdr note;

	while (len >= sizeof(note)) {
		const char *name = notes + sizeof(note);
		size_t size;

		memcpy(&note, notes, sizeof(note));
		if (note.n_namesz > len || note.n_descsz > len)
			return;
		size = sizeof(note) + aligned(note.n_namesz) + aligned(note.n_descsz);
		if (size > len)
			return;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    !memcmp(name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) && note.n_descsz &&
		    note.n_descsz <= BUILD_ID_BYTES) {
			memcpy(image->build_id, name + aligned(note.n_namesz), note.n_descsz);
			image->build_id_bytes = note.n_descsz;
			return;
		}
		notes += size;
		len -= size;
	}
}

static void read_segment(struct elf_image *image, int fd, const Elf64_Phdr *header)
{
	char notes[NOTES_BYTES];
	ssize_t len;

	if (header->p_type == PT_LOAD && header->p_flags & PF_X &&
	    image->load_count < ELF_IMAGE_LOADS)
		image->loads[image->load_count++] = (struct elf_load){
			.offset = header->p_offset,
			.vaddr = header->p_vaddr,
			.bytes = header->p_filesz,
		};
	if (header->p_type != PT_NOTE || image->build_id_bytes)
		return;
	len = header->p_filesz < sizeof(notes) ? header->p_filesz : sizeof(notes);
	len = pread(fd, notes, len, header->p_offset);
	if (len > 0)
		read_notes(image, notes, len);
}

int elf_image_read(struct elf_image *image, int fd)
{
	Elf64_Phdr headers[HEADERS_MAX];
	Elf64_Ehdr elf;
	ssize_t len;
	size_t count;

	memset(image, 0, sizeof(*image));
	len = pread(fd, &elf, sizeof(elf), 0);
	if (len < 0)
		return -errno;
	if (len != sizeof(elf) || memcmp(elf.e_ident, ELFMAG, SELFMAG) ||
	    elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_ident[EI_DATA] != OWN_ORDER ||
	    elf.e_phentsize != sizeof(headers[0]))
		return -ENOEXEC;
	count = elf.e_phnum < HEADERS_MAX ? elf.e_phnum : HEADERS_MAX;
	len = pread(fd, headers, count * sizeof(headers[0]), elf.e_phoff);
	if (len < 0)
		return -errno;
	for (size_t i = 0; i < len / sizeof(headers[0]); i++)
		read_segment(image, fd, &headers[i]);
	return 0;
}

bool elf_image_vaddr(const struct elf_image *image, uint64_t offset, uint64_t *vaddr)
{
	for (unsigned int i = 0; i < image->load_count; i++) {
		const struct elf_load *load = &image->loads[i];

		if (offset < load->offset || offset - load->offset >= load->bytes)
			continue;
		*vaddr = load->vaddr + (offset - load->offset);
		return true;
	}
	return false;
}
