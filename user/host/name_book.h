/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds what people call the place that a row came from. It has the path, unit, container and pod
 * of a cgroup, by the id that the kernel side reports, and the name of a network namespace, by its
 * inode.
 *
 * What is known is remembered by cgroup, so a row costs a look into a table. A path that is not
 * known is looked for again after a tenth of a second, and names that are not known after two
 * seconds. Names that are known are looked up again after a minute. With a steward it is the
 * steward that looks, with its rights. If the steward is lost, paths of cgroups are still found,
 * but no name that takes a file of a runtime. Memory is bounded. One thread at a time.
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
	uint64_t serial;		    /* never 0; a new serial means other names */
	const char *path;		    /* in the version 2 hierarchy */
	const char *texts[CONTAINER_TEXTS]; /* NULL: not known, or there is none */
	const char *pod_uid;		    /* likewise */
	size_t bytes;			    /* of path and texts together */
};

struct names {
	const struct named_cgroup *cgroup; /* NULL: not known */
	const char *netns;		   /* NULL: it has none, or it is not known */
};

/* Returns the path of the cgroup, or NULL if it is not known. @names may be NULL. */
static inline const char *names_path(const struct names *names)
{
	return names && names->cgroup ? names->cgroup->path : NULL;
}

static inline const char *names_text(const struct names *names, enum container_text which)
{
	return names && names->cgroup ? names->cgroup->texts[which] : NULL;
}

/* Returns the bytes of all texts together. */
static inline size_t names_bytes(const struct names *names)
{
	if (!names)
		return 0;
	return (names->cgroup ? names->cgroup->bytes : 0) +
	       (names->netns ? strlen(names->netns) : 0);
}

/*
 * @root stands for `/`, "" for the real one. @steward (steward.h) is not owned. If it is NULL, the
 * process looks itself. Returns NULL with errno set if there is no memory. The caller frees it.
 */
struct name_book *name_book_new(const char *root, struct steward *steward);

/* NULL-safe. */
void name_book_free(struct name_book *book);

/*
 * Sets @names to what is known at @time_ns of CLOCK_MONOTONIC, such as a row's time. The cgroup's
 * names are valid until name_book_tidy(), and the namespace's until the next call. @book may be
 * NULL: nothing is known then.
 */
void name_book_find(struct name_book *book, uint64_t cgroup_id, uint32_t netns, uint64_t time_ns,
		    struct names *names);

/* Frees names that nobody needs any more. To be called between rows. NULL-safe. */
void name_book_tidy(struct name_book *book);

#endif /* TCPDWELL_NAME_BOOK_H */
