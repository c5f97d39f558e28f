// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>

#include "base/compare.h"
#include "model/notes.h"

struct notes {
	struct note *list;
	size_t count, room;
	bool sorted;
};

struct notes *notes_new(void)
{
	return calloc(1, sizeof(struct notes));
}

void notes_free(struct notes *notes)
{
	if (!notes)
		return;
	free(notes->list);
	free(notes);
}

void notes_add(struct notes *notes, const struct note *note)
{
	if (notes->count == NOTES_MAX)
		return;
	if (notes->count == notes->room) {
		size_t room = notes->room ? 2 * notes->room : 1024;
		struct note *list = reallocarray(notes->list, room, sizeof(*list));

		if (!list)
			return;
		notes->list = list;
		notes->room = room;
	}
	notes->list[notes->count++] = *note;
	notes->sorted = false;
}

/* By connection; the notes that name a process come first. */
static int compare_notes(const void *left, const void *right)
{
	const struct note *a = left, *b = right;

	return compare(a->ends, b->ends) ?: compare(!a->pid, !b->pid);
}

static uint64_t ends_of(const void *item)
{
	return ((const struct note *)item)->ends;
}

const struct note *notes_find(struct notes *notes, uint64_t ends)
{
	size_t at;

	if (!notes->sorted && notes->count)
		qsort(notes->list, notes->count, sizeof(*notes->list), compare_notes);
	notes->sorted = true;
	at = count_below(notes->list, notes->count, sizeof(*notes->list), ends_of, ends);
	return at < notes->count && notes->list[at].ends == ends ? &notes->list[at] : NULL;
}

void notes_forget(struct notes *notes)
{
	free(notes->list);
	*notes = (struct notes){};
}
