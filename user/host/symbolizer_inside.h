/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the symbolizer share: symbolizer.c, which resolves stacks, and
 * symbol_modules.c, which has the files of code that the worker knows.
 */
#ifndef TCPDWELL_SYMBOLIZER_INSIDE_H
#define TCPDWELL_SYMBOLIZER_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/elf_image.h"
#include "host/procfs_maps.h"
#include "host/symbol_wire.h"
#include "host/symbolizer.h"

/*
 * Build ids of files that were closed to make room. They tell when names are missing for that
 * reason.
 */
#define EVICTED_MAX 1024

/* A file of code. Its index in the table is its slot in the worker. */
struct module {
	uint64_t device, inode;	 /* 0: the slot is free */
	uint64_t used;		 /* a larger number is later */
	int fd;			 /* negative: the file could not be opened */
	unsigned int generation; /* of the worker that has the file; 0: none has */
	bool known;		 /* its image is known */
	bool unreadable;	 /* there is nothing in it, or reading it does harm */
	struct elf_image image;
};

struct symbolizer {
	struct stacks *stacks;
	const char *root;
	struct symbol_client *client;
	struct steward *steward; /* NULL: none */
	symbolizer_say *say;
	void *context;

	struct module modules[SYMBOLIZER_MODULES];
	uint64_t uses;
	uint8_t evicted[EVICTED_MAX][BUILD_ID_BYTES];
	size_t evicted_count; /* also counts those that were overwritten */

	struct {
		uint64_t device, inode;
	} said[SYMBOLIZER_SAID_MAX];
	size_t said_count;
	bool said_more, said_dead, said_evicted;

	bool later;   /* something of the present stack could not be looked up in time */
	uint32_t pid; /* the process of these maps; 0: none */
	struct procfs_maps maps;
	int perf; /* the process's map of names; negative: it has none, or was not asked */
	bool perf_asked;
	char perf_path[64];
};

/*
 * Says why a file has no names, once for each file. Users of the host decide how many files there
 * are, so not all are named.
 */
void symbolizer_say_of(struct symbolizer *s, uint64_t device, uint64_t inode, const char *path,
		       const char *why);

/* Says it unless *@said, and sets that. */
void symbolizer_say_once(struct symbolizer *s, bool *said, const char *why);

/*
 * Returns the file behind a mapping of s->pid, or NULL if there is none. It is valid until the next
 * call.
 */
struct module *symbolizer_module_of(struct symbolizer *s, const struct procfs_map *map);

/* Returns the file with a build id of BUILD_ID_BYTES; NULL: it is not open. */
struct module *symbolizer_module_by_id(struct symbolizer *s, const uint8_t *id);

/* Asks the worker about @value in a file. Returns true if there is an answer. */
bool symbolizer_ask(struct symbolizer *s, struct module *module, const char *path,
		    enum symbol_op op, uint64_t value, struct symbol_answer *answer);

#endif /* TCPDWELL_SYMBOLIZER_INSIDE_H */
