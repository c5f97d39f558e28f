/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What people call where a row came from: the path, unit, container and pod of a cgroup, by the id
 * that the kernel side reports, and the name of a network namespace, by its inode.
 *
 * What is known is remembered by cgroup, so that a row costs a look into a table. What is not known
 * is looked for again: a path after a tenth of a second, names after two seconds; names that are
 * known after a minute. With a steward it is that one who looks, with its rights. Memory is
 * bounded. One thread at a time.
 */
#ifndef TCPDWELL_NAME_BOOK_H
#define TCPDWELL_NAME_BOOK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "host/container.h"

struct name_book;
struct steward;

struct named_cgroup {
	uint64_t serial;		    /* never 0: another one, other names */
	const char *path;		    /* in the version 2 hierarchy */
	const char *texts[CONTAINER_TEXTS]; /* NULL: not known, or there is none */
	const char *pod_uid;		    /* likewise */
	size_t bytes;			    /* of path and texts together */
};

struct names {
	const struct named_cgroup *cgroup; /* NULL: not known */
	const char *netns;		   /* NULL: it has none, or it is not known */
};

/* What is known of the cgroup, NULL: nothing. @names may be NULL. */
static inline const char *names_path(const struct names *names)
{
	return names && names->cgroup ? names->cgroup->path : NULL;
}

static inline const char *names_text(const struct names *names, enum container_text which)
{
	return names && names->cgroup ? names->cgroup->texts[which] : NULL;
}

/* Of all texts together. */
static inline size_t names_bytes(const struct names *names)
{
	if (!names)
		return 0;
	return (names->cgroup ? names->cgroup->bytes : 0) +
	       (names->netns ? strlen(names->netns) : 0);
}

/*
 * @root stands for `/`, "" for the real one. @steward (steward.h) is not owned; NULL: the process
 * looks for itself. Returns NULL with errno set if there is no memory. The caller frees it.
 */
struct name_book *name_book_new(const char *root, struct steward *steward);

/* NULL-safe. */
void name_book_free(struct name_book *book);

/*
 * Sets @names to what is known at @time_ns of CLOCK_MONOTONIC, a row's will do. The cgroup's are
 * valid until name_book_tidy(), the namespace's until the next call. @book may be NULL: then
 * nothing is known.
 */
void name_book_find(struct name_book *book, uint64_t cgroup_id, uint32_t netns, uint64_t time_ns,
		    struct names *names);

/* Frees what nobody needs any more: to be called between rows. NULL-safe. */
void name_book_tidy(struct name_book *book);

#endif /* TCPDWELL_NAME_BOOK_H */
