// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/spread.h"
#include "host/cgroup.h"
#include "host/container_files.h"
#include "host/name_book.h"
#include "host/netns_names.h"
#include "host/steward.h"

/*
 * How many cgroups are remembered, with some 400 bytes each. Beyond that all are forgotten: pods
 * that come and go add up over days. That many leave room for a look of `export` within 16 MiB.
 */
#define CGROUPS_MAX 4096
#define SLOTS	    (2 * CGROUPS_MAX)

#define NO_PATH_NS 100000000ULL
#define NO_NAME_NS 2000000000ULL
#define RENAMED_NS 60000000000ULL

struct entry {
	struct entry *next; /* for entries that are out of the table */
	uint64_t id;
	uint64_t due_ns; /* when it is looked for again */
	struct named_cgroup named;
	char text[]; /* the texts of named */
};

struct name_book {
	struct steward *steward;
	struct cgroup_names *cgroups;
	struct container_files *files;
	struct netns_names *netns;
	uint64_t serial;
	size_t count;
	struct entry *old; /* entries that are out of the table, and perhaps in use */
	struct entry *slots[SLOTS];
};

/* ---- Entries --------------------------------------------------------------------------------- */

static size_t length(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

/* Copies @text to @p, if there is one, and moves @p behind it. Returns the copy, or NULL. */
static const char *keep(char **p, const char *text)
{
	char *to = *p;

	if (!text)
		return NULL;
	*p = stpcpy(to, text) + 1;
	return to;
}

/* Returns NULL if there is no memory. */
static struct entry *entry_new(uint64_t id, const struct named_cgroup *from)
{
	size_t bytes = length(from->path) + length(from->pod_uid);
	struct entry *entry;
	char *p;

	for (unsigned int i = 0; i < CONTAINER_TEXTS; i++)
		bytes += length(from->texts[i]);
	entry = calloc(1, sizeof(*entry) + bytes);
	if (!entry)
		return NULL;
	p = entry->text;
	entry->id = id;
	entry->named.bytes = bytes;
	entry->named.path = keep(&p, from->path);
	entry->named.pod_uid = keep(&p, from->pod_uid);
	for (unsigned int i = 0; i < CONTAINER_TEXTS; i++)
		entry->named.texts[i] = keep(&p, from->texts[i]);
	return entry;
}

static bool is_same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool is_same(const struct named_cgroup *a, const struct named_cgroup *b)
{
	for (unsigned int i = 0; i < CONTAINER_TEXTS; i++)
		if (!is_same_text(a->texts[i], b->texts[i]))
			return false;
	return is_same_text(a->path, b->path) && is_same_text(a->pod_uid, b->pod_uid);
}

/* Returns the slot of @id, or the free one that it would have. Half of all slots are free. */
static struct entry **slot_of(struct name_book *book, uint64_t id)
{
	size_t i = spread(id) >> 32;

	while (book->slots[i % SLOTS] && book->slots[i % SLOTS]->id != id)
		i++;
	return &book->slots[i % SLOTS];
}

static void put_aside(struct name_book *book, struct entry *entry)
{
	entry->next = book->old;
	book->old = entry;
}

static void put_all_aside(struct name_book *book)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (book->slots[i])
			put_aside(book, book->slots[i]);
	memset(book->slots, 0, sizeof(book->slots));
	book->count = 0;
}

/* ---- What the host says ---------------------------------------------------------------------- */

/* Asks for a cgroup, and fills @container. Returns the path, or NULL if it is not known. */
static const char *ask(struct name_book *book, uint64_t id, uint64_t time_ns, char path[PATH_MAX],
		       struct container *container)
{
	const char *found;
	int err = STEWARD_LOST;

	if (book->steward)
		err = steward_cgroup(book->steward, id, path, PATH_MAX, container);
	if (err != STEWARD_LOST)
		return err ? NULL : path;
	found = cgroup_names_path(book->cgroups, id, time_ns);
	if (!found)
		return NULL;
	container_of_path(container, found);
	/* A steward may have been lost to these very files. */
	if (!book->steward)
		container_files_name(book->files, container, time_ns);
	return found;
}

static uint64_t rest_ns(const char *path, const struct container *container)
{
	if (!path)
		return NO_PATH_NS;
	if (container->foreign || (!container->id[0] && !container->pod_uid[0]))
		return UINT64_MAX / 2;
	if ((container->id[0] && !container->name[0]) ||
	    (container->pod_uid[0] && !container->pod[0]))
		return NO_NAME_NS;
	return RENAMED_NS;
}

static struct entry *look_up(struct name_book *book, uint64_t id, uint64_t time_ns)
{
	struct container container = { 0 };
	struct named_cgroup now = { 0 };
	char path[PATH_MAX];
	struct entry **slot, *entry;

	now.path = ask(book, id, time_ns, path, &container);
	container_texts(&container, now.texts);
	now.pod_uid = container.pod_uid[0] ? container.pod_uid : NULL;
	slot = slot_of(book, id);
	entry = *slot;
	/* A cgroup that was removed keeps its names. */
	if (entry && (!now.path || is_same(&entry->named, &now))) {
		entry->due_ns = time_ns + rest_ns(now.path, &container);
		return entry;
	}
	entry = entry_new(id, &now);
	if (!entry)
		return *slot;
	if (!*slot && book->count == CGROUPS_MAX) {
		put_all_aside(book);
		slot = slot_of(book, id);
	}
	if (*slot)
		put_aside(book, *slot);
	else
		book->count++;
	entry->named.serial = ++book->serial;
	entry->due_ns = time_ns + rest_ns(now.path, &container);
	*slot = entry;
	return entry;
}

void name_book_find(struct name_book *book, uint64_t cgroup_id, uint32_t netns, uint64_t time_ns,
		    struct names *names)
{
	const struct entry *entry;

	*names = (struct names){ 0 };
	if (!book)
		return;
	names->netns = netns_names_find(book->netns, netns, time_ns);
	if (!cgroup_id)
		return;
	entry = *slot_of(book, cgroup_id);
	if (!entry || time_ns >= entry->due_ns)
		entry = look_up(book, cgroup_id, time_ns);
	if (entry && entry->named.path)
		names->cgroup = &entry->named;
}

/* ---- The book -------------------------------------------------------------------------------- */

struct name_book *name_book_new(const char *root, struct steward *steward)
{
	struct name_book *book = calloc(1, sizeof(*book));

	if (!book)
		return NULL;
	book->steward = steward;
	/* If one of these cannot be made, what it would tell is not known. */
	book->cgroups = cgroup_names_new(root);
	book->files = container_files_new(root);
	book->netns = netns_names_new(root);
	return book;
}

void name_book_tidy(struct name_book *book)
{
	struct entry *next;

	for (; book && book->old; book->old = next) {
		next = book->old->next;
		free(book->old);
	}
}

void name_book_free(struct name_book *book)
{
	if (!book)
		return;
	put_all_aside(book);
	name_book_tidy(book);
	cgroup_names_free(book->cgroups);
	container_files_free(book->files);
	netns_names_free(book->netns);
	free(book);
}
