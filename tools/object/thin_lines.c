// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Takes the lines of source out of a linked BPF object (.BTF.ext), except for the first line of
 * each function, which the kernel insists on.
 *
 *	thin_lines OBJECT
 *
 * Lines serve the verifier's log alone. They were nine tenths of the section, of which libbpf keeps
 * a copy as long as the object is open: a megabyte. The section gets shorter in its place. Whoever
 * copies the object afterwards, like objcopy, closes the gap.
 */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0xeb9f

/* struct btf_ext_header of libbpf. Offsets count from the end of the header. */
struct header {
	uint16_t magic;
	uint8_t version;
	uint8_t flags;
	uint32_t bytes;
	uint32_t functions_at;
	uint32_t functions_bytes;
	uint32_t lines_at;
	uint32_t lines_bytes;
	uint32_t relocations_at;
	uint32_t relocations_bytes;
};

/* Begins the records of one section of programs, in the order of their instructions. */
struct group {
	uint32_t section;
	uint32_t count;
	uint8_t records[];
};

/* A part of .BTF.ext: the size of a record, and groups of them. */
struct part {
	const uint8_t *data;
	uint32_t bytes;
	uint32_t record_bytes;
};

static struct part part_at(const uint8_t *data, uint32_t bytes)
{
	struct part part = { .data = data, .bytes = bytes };

	if (bytes < sizeof(uint32_t))
		errx(1, "a part of .BTF.ext is empty");
	memcpy(&part.record_bytes, data, sizeof(uint32_t));
	if (part.record_bytes < sizeof(uint32_t) || part.record_bytes % sizeof(uint32_t))
		errx(1, "records of %u bytes", part.record_bytes);
	return part;
}

/* Returns the group at @at, or NULL at the end of the part. */
static const struct group *group_at(const struct part *part, uint32_t at)
{
	const struct group *group = (const struct group *)(part->data + at);

	if (at == part->bytes)
		return NULL;
	if (part->bytes - at < sizeof(*group) ||
	    (part->bytes - at - sizeof(*group)) / part->record_bytes < group->count)
		errx(1, "a group of records is longer than its part");
	return group;
}

static uint32_t group_bytes(const struct part *part, const struct group *group)
{
	return sizeof(*group) + group->count * part->record_bytes;
}

/* All records begin with the place of an instruction. */
static uint32_t place(const struct part *part, const struct group *group, uint32_t number)
{
	uint32_t place;

	memcpy(&place, group->records + (size_t)number * part->record_bytes, sizeof(place));
	return place;
}

static const struct group *group_of(const struct part *part, uint32_t section)
{
	const struct group *group;

	for (uint32_t at = sizeof(uint32_t); (group = group_at(part, at));
	     at += group_bytes(part, group))
		if (group->section == section)
			return group;
	errx(1, "a section has lines and no functions");
}

/* Copies the lines at which functions begin. Returns the bytes of the copy. */
static uint32_t thin_group(const struct part *lines, const struct group *from,
			   const struct part *functions, struct group *to)
{
	const struct group *begins = group_of(functions, from->section);

	*to = (struct group){ .section = from->section };
	for (uint32_t i = 0; i < from->count && to->count < begins->count; i++)
		if (place(lines, from, i) == place(functions, begins, to->count))
			memcpy(to->records + (size_t)to->count++ * lines->record_bytes,
			       from->records + (size_t)i * lines->record_bytes,
			       lines->record_bytes);
	if (to->count < begins->count)
		errx(1, "a function begins without a line");
	return group_bytes(lines, to);
}

/* Copies what is kept of the lines. Returns the bytes of the copy. */
static uint32_t thin_lines(const struct part *lines, const struct part *functions, uint8_t *copy)
{
	const struct group *group;
	uint32_t to = sizeof(uint32_t);

	memcpy(copy, lines->data, to);
	for (uint32_t at = to; (group = group_at(lines, at)); at += group_bytes(lines, group))
		to += thin_group(lines, group, functions, (struct group *)(copy + to));
	return to;
}

/* Returns how many bytes are left of the section. */
static uint64_t thin(uint8_t *data, uint64_t bytes)
{
	struct header *header = (struct header *)data;
	struct part functions, lines;
	uint8_t *parts, *copy;

	if (bytes < sizeof(*header) || header->magic != MAGIC || header->bytes > bytes ||
	    header->functions_at + header->functions_bytes > header->lines_at ||
	    header->lines_at + header->lines_bytes > header->relocations_at ||
	    (uint64_t)header->bytes + header->relocations_at + header->relocations_bytes > bytes)
		errx(1, ".BTF.ext is not laid out as libbpf's linker does it");
	parts = data + header->bytes;
	functions = part_at(parts + header->functions_at, header->functions_bytes);
	lines = part_at(parts + header->lines_at, header->lines_bytes);
	copy = malloc(lines.bytes);
	if (!copy)
		err(1, "memory");
	header->lines_bytes = thin_lines(&lines, &functions, copy);
	memcpy(parts + header->lines_at, copy, header->lines_bytes);
	free(copy);
	memmove(parts + header->lines_at + header->lines_bytes, parts + header->relocations_at,
		header->relocations_bytes);
	header->relocations_at = header->lines_at + header->lines_bytes;
	return header->bytes + header->relocations_at + header->relocations_bytes;
}

static Elf64_Shdr *find_section(uint8_t *object, const char *name)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)object;
	Elf64_Shdr *sections = (Elf64_Shdr *)(object + header->e_shoff);
	const char *names = (const char *)object + sections[header->e_shstrndx].sh_offset;

	for (unsigned int i = 0; i < header->e_shnum; i++)
		if (!strcmp(names + sections[i].sh_name, name))
			return &sections[i];
	errx(1, "no section %s", name);
}

int main(int argc, char *argv[])
{
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
	Elf64_Shdr *section;
	uint8_t *object;
	struct stat stat;

	if (argc != 2)
		errx(1, "usage: thin_lines OBJECT");
	if (fd < 0 || fstat(fd, &stat))
		err(1, "%s", argv[1]);
	object = mmap(NULL, stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (object == MAP_FAILED)
		err(1, "%s", argv[1]);
	if (stat.st_size < (off_t)sizeof(Elf64_Ehdr) || memcmp(object, ELFMAG, SELFMAG) != 0)
		errx(1, "%s is no object", argv[1]);
	section = find_section(object, ".BTF.ext");
	section->sh_size = thin(object + section->sh_offset, section->sh_size);
	return 0;
}
