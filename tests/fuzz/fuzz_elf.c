// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A file that a process maps as code: its headers, and the end of an xz section. */
#include "host/elf_image.h"
#include "host/elf_sections.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	int fd = input_file(data, size);
	struct elf_image image;
	uint64_t vaddr;
	uint8_t *end;
	size_t len;

	if (!elf_image_read(&image, fd)) {
		CHECK(image.load_count <= ELF_IMAGE_LOADS);
		CHECK(image.build_id_bytes <= BUILD_ID_BYTES);
		for (unsigned int i = 0; i < image.load_count; i++)
			CHECK(!image.loads[i].bytes ||
			      elf_image_vaddr(&image, image.loads[i].offset, &vaddr));
	}
	CHECK(elf_sections_check(fd) < ELF_SECTIONS_COUNT);
	end = input_rest(&input, &len);
	elf_sections_xz_bytes(end, len);
	free(end);
	return 0;
}
