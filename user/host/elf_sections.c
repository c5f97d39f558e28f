// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <elf.h>
#include <endian.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "host/elf_sections.h"

/*
 * The end of an xz file that is read. Its index has one record a block, and .gnu_debugdata has one
 * block.
 */
#define XZ_END_BYTES	4096
#define XZ_FOOTER_BYTES 12

/* Bytes of a section's name that matter. */
#define NAME_BYTES 16

struct sums {
	uint64_t debug, other;
	bool nonsense;
};

static bool read_at(int fd, void *to, size_t len, uint64_t offset)
{
	return offset <= INT64_MAX && pread(fd, to, len, offset) == (ssize_t)len;
}

/*
 * Reads a number with seven bits in each byte. Returns how many bytes it takes, or 0 if there is
 * none.
 */
static size_t read_varint(const uint8_t *p, size_t len, uint64_t *v)
{
	*v = 0;
	for (size_t i = 0; i < len && i < 9; i++) {
		*v |= (uint64_t)(p[i] & 0x7f) << 7 * i;
		if (!(p[i] & 0x80))
			return i + 1;
	}
	return 0;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static uint64_t index_bytes(const uint8_t *p, size_t len)
{
	uint64_t records, packed, unpacked, sum = 0;
	size_t used = len && !*p ? 1 : 0, got;

	got = used ? read_varint(p + used, len - used, &records) : 0;
	if (!got)
		return UINT64_MAX;
	for (used += got; records; records--) {
		got = read_varint(p + used, len - used, &packed);
		if (!got)
			return UINT64_MAX;
		used += got;
		got = read_varint(p + used, len - used, &unpacked);
		if (!got)
			return UINT64_MAX;
		used += got;
		sum = add(sum, unpacked);
	}
	return sum;
}

uint64_t elf_sections_xz_bytes(const uint8_t *end, size_t len)
{
	uint32_t backward;
	uint64_t size;

	/* Sections are padded, and a stream may be, too. */
	while (len >= XZ_FOOTER_BYTES && !end[len - 1])
		len--;
	if (len < XZ_FOOTER_BYTES || memcmp(end + len - 2, "YZ", 2))
		return UINT64_MAX;
	memcpy(&backward, end + len - 8, sizeof(backward));
	size = ((uint64_t)le32toh(backward) + 1) * 4;
	len -= XZ_FOOTER_BYTES;
	return size > len ? UINT64_MAX : index_bytes(end + len - size, size);
}

static uint64_t xz_bytes(int fd, const Elf64_Shdr *section)
{
	uint8_t end[XZ_END_BYTES];
	size_t len = section->sh_size < sizeof(end) ? section->sh_size : sizeof(end);

	if (!read_at(fd, end, len, section->sh_offset + section->sh_size - len))
		return UINT64_MAX;
	return elf_sections_xz_bytes(end, len);
}

/*
 * Returns the size of a section that is compressed in the old way: it is behind a mark, big-endian.
 */
static uint64_t zdebug_bytes(int fd, const Elf64_Shdr *section)
{
	struct {
		char mark[4];
		uint8_t size[8];
	} head;
	uint64_t size;

	if (!read_at(fd, &head, sizeof(head), section->sh_offset))
		return UINT64_MAX;
	memcpy(&size, head.size, sizeof(size));
	return memcmp(head.mark, "ZLIB", 4) ? 0 : be64toh(size);
}

static uint64_t unpacked_bytes(int fd, const Elf64_Shdr *section)
{
	Elf64_Chdr head;

	return read_at(fd, &head, sizeof(head), section->sh_offset) ? head.ch_size : UINT64_MAX;
}

static void look_at(struct sums *sums, int fd, const Elf64_Shdr *section, const Elf64_Shdr *names)
{
	char name[NAME_BYTES] = "";
	ssize_t len = -1;

	if (section->sh_name < names->sh_size && names->sh_offset + section->sh_name <= INT64_MAX)
		len = pread(fd, name, sizeof(name) - 1, names->sh_offset + section->sh_name);
	if (len < 0)
		name[0] = 0;
	if (section->sh_flags & SHF_COMPRESSED) {
		uint64_t *sum = strncmp(name, ".debug", 6) ? &sums->other : &sums->debug;

		*sum = add(*sum, unpacked_bytes(fd, section));
	} else if (!strncmp(name, ".zdebug", 7)) {
		sums->debug = add(sums->debug, zdebug_bytes(fd, section));
	} else if (!strcmp(name, ".gnu_debugdata")) {
		sums->other = add(sums->other, xz_bytes(fd, section));
	}
}

static bool read_section(int fd, const Elf64_Ehdr *elf, uint64_t number, Elf64_Shdr *section)
{
	uint64_t at = number * sizeof(*section);

	return elf->e_shoff <= INT64_MAX &&
	       read_at(fd, section, sizeof(*section), elf->e_shoff + at);
}

/* Adds up the sections. A file without sections has nothing to unpack. */
static void sum_up(struct sums *sums, int fd, const Elf64_Ehdr *elf)
{
	Elf64_Shdr section, names = { 0 };
	uint64_t count = elf->e_shnum, names_at = elf->e_shstrndx;

	if (!elf->e_shoff)
		return;
	sums->nonsense = elf->e_shentsize != sizeof(section) || !read_section(fd, elf, 0, &section);
	if (sums->nonsense)
		return;
	/*
	 * Larger numbers than the file's header can hold are in the first section (gABI, chapter
	 * 4).
	 */
	if (!count)
		count = section.sh_size;
	if (names_at == SHN_XINDEX)
		names_at = section.sh_link;
	sums->nonsense = count > ELF_SECTIONS_MAX || names_at >= count ||
			 !read_section(fd, elf, names_at, &names);
	for (uint64_t i = 1; i < count && !sums->nonsense; i++) {
		sums->nonsense = !read_section(fd, elf, i, &section);
		if (!sums->nonsense)
			look_at(sums, fd, &section, &names);
	}
}

enum elf_sections elf_sections_check(int fd)
{
	struct sums sums = { 0 };
	Elf64_Ehdr elf;

	if (!read_at(fd, &elf, sizeof(elf), 0))
		return ELF_SECTIONS_NONE;
	sum_up(&sums, fd, &elf);
	if (sums.nonsense || sums.other > ELF_UNPACKED_BYTES)
		return ELF_SECTIONS_NONE;
	return sums.debug > ELF_UNPACKED_BYTES ? ELF_SECTIONS_SYMBOLS : ELF_SECTIONS_ALL;
}
