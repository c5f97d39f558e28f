// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "host/elf_sections.h"
#include "host/symbol_wire.h"

static bool is_text(const char text[SYMBOL_TEXT_BYTES])
{
	return memchr(text, 0, SYMBOL_TEXT_BYTES);
}

static bool is_image(const struct elf_image *image)
{
	return image->build_id_bytes <= BUILD_ID_BYTES && image->load_count <= ELF_IMAGE_LOADS;
}

/* Compares the enums as numbers, because a compiler may assume that an enum is in range. */
static bool is_rule(const struct unwind_rule *rule)
{
	unsigned int base, ra, fp;

	memcpy(&base, &rule->base, sizeof(base));
	memcpy(&ra, &rule->ra, sizeof(ra));
	memcpy(&fp, &rule->fp, sizeof(fp));
	return base <= UNWIND_FP && ra <= UNWIND_RA_NONE && fp <= UNWIND_FP_LOST;
}

bool symbol_answer_is_good(const struct symbol_answer *answer, size_t len,
			   const struct symbol_request *request)
{
	return len == sizeof(*answer) && answer->serial == request->serial && answer->status <= 0 &&
	       answer->known <= 1 && answer->retire <= 1 && answer->large < ELF_SECTIONS_COUNT &&
	       is_image(&answer->image) && is_rule(&answer->rule) && is_text(answer->function) &&
	       is_text(answer->file);
}

bool symbol_request_is_good(const struct symbol_request *request, size_t len, size_t fds)
{
	bool carries;

	if (len != sizeof(*request) || request->op >= SYMBOL_OPS || request->slot >= SYMBOL_SLOTS)
		return false;
	carries = request->op == SYMBOL_OPEN || request->op == SYMBOL_DEBUG ||
		  request->op == SYMBOL_PERF;
	return fds == carries;
}
