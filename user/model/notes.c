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

/* Of one connection, the notes that name a process come first. */
static int compare_notes(const void *left, const void *right)
{
	const struct note *a = left, *b = right;

	return compare(a->ends, b->ends) ?: compare(!a->pid, !b->pid);
}

const struct note *notes_find(struct notes *notes, uint64_t ends)
{
	size_t low = 0, high = notes->count;

	if (!notes->sorted && notes->count)
		qsort(notes->list, notes->count, sizeof(*notes->list), compare_notes);
	notes->sorted = true;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (notes->list[middle].ends < ends)
			low = middle + 1;
		else
			high = middle;
	}
	return low < notes->count && notes->list[low].ends == ends ? &notes->list[low] : NULL;
}

void notes_forget(struct notes *notes)
{
	free(notes->list);
	*notes = (struct notes){};
}
