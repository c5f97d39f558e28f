// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/elf_sections.h"
#include "host/steward.h"
#include "host/symbol_client.h"
#include "host/symbolizer_inside.h"
#include "host/untrusted.h"

/* Where distributions install what was stripped from a file, by its build id. */
#define DEBUG_PATH "/usr/lib/debug/.build-id"

/* Closes the file that was unused for longest. */
static struct module *evict(struct symbolizer *s)
{
	struct module *oldest = &s->modules[0];

	for (size_t i = 1; i < SYMBOLIZER_MODULES; i++)
		if (s->modules[i].used < oldest->used)
			oldest = &s->modules[i];
	if (oldest->inode && oldest->image.build_id_bytes == BUILD_ID_BYTES)
		memcpy(s->evicted[s->evicted_count++ % EVICTED_MAX], oldest->image.build_id,
		       BUILD_ID_BYTES);
	if (oldest->inode && oldest->fd >= 0)
		close(oldest->fd);
	*oldest = (struct module){ 0 };
	return oldest;
}

static bool was_evicted(const struct symbolizer *s, const uint8_t *id)
{
	size_t count = s->evicted_count < EVICTED_MAX ? s->evicted_count : EVICTED_MAX;

	for (size_t i = 0; i < count; i++)
		if (!memcmp(s->evicted[i], id, BUILD_ID_BYTES))
			return true;
	return false;
}

/* Gives up a file, because the worker or the file is at fault: it has no names from now on. */
static void blame(struct symbolizer *s, struct module *module, const char *path, const char *why)
{
	module->unreadable = true;
	symbolizer_say_of(s, module->device, module->inode, path, why);
}

static int ask(struct symbolizer *s, struct module *module, enum symbol_op op, uint64_t value,
	       int fd, const char *path, struct symbol_answer *answer)
{
	struct symbol_request request = {
		.op = op,
		.slot = module - s->modules,
		.value = value,
	};
	int err = symbol_client_ask(s->client, &request, fd, answer);

	if (err == -EIO)
		blame(s, module, path, symbol_client_reason(s->client));
	s->later |= err == -ECANCELED;
	return err;
}

/*
 * Hands the worker what a distribution has stripped from a file. Only the distribution writes
 * there.
 */
static void hand_over_debug(struct symbolizer *s, struct module *module)
{
	char name[sizeof(DEBUG_PATH) + 2 * BUILD_ID_BYTES + sizeof("//.debug")], *p = name;
	const struct elf_image *image = &module->image;
	struct symbol_answer answer;
	struct stat st;
	int fd;

	if (image->build_id_bytes < 2)
		return;
	p += sprintf(p, "%s/%02x/", DEBUG_PATH, image->build_id[0]);
	for (int i = 1; i < image->build_id_bytes; i++)
		p += sprintf(p, "%02x", image->build_id[i]);
	strcpy(p, ".debug");
	fd = untrusted_open_file(name, 0);
	if (fd < 0 || fstat(fd, &st))
		return;
	if (!ask(s, module, SYMBOL_DEBUG, 0, fd, name, &answer) && answer.large != ELF_SECTIONS_ALL)
		symbolizer_say_of(s, st.st_dev, st.st_ino, name, "it unpacks to more than 24 MB");
	close(fd);
}

static void take_image(struct symbolizer *s, struct module *module, const char *path,
		       const struct symbol_answer *answer)
{
	if (answer->status) {
		blame(s, module, path,
		      answer->status == -ENOEXEC ? "it is no ELF file" : "it cannot be read");
		return;
	}
	module->image = answer->image;
	module->known = true;
	if (answer->large == ELF_SECTIONS_SYMBOLS)
		symbolizer_say_of(s, module->device, module->inode, path,
				  "its debugging information unpacks to more than 24 MB");
	else if (answer->large == ELF_SECTIONS_NONE)
		symbolizer_say_of(s, module->device, module->inode, path,
				  "its sections make no sense, or unpack to more than 24 MB");
}

/* Makes sure that the worker has the file. Returns 0 if the worker may be asked about it. */
static int hand_over(struct symbolizer *s, struct module *module, const char *path)
{
	struct symbol_answer answer;
	unsigned int generation;
	int err;

	if (module->fd < 0 || module->unreadable)
		return -ENOENT;
	err = symbol_client_begin(s->client, &generation);
	s->later |= err == -ECANCELED;
	if (err == -EPIPE)
		symbolizer_say_once(s, &s->said_dead, "the process that looks for them has ended");
	if (err || module->generation == generation)
		return err;
	err = ask(s, module, SYMBOL_OPEN, 0, module->fd, path, &answer);
	if (err)
		return err;
	module->generation = generation;
	take_image(s, module, path, &answer);
	/* A worker may retire after any answer. */
	if (!module->unreadable && !symbol_client_begin(s->client, &generation) &&
	    module->generation == generation)
		hand_over_debug(s, module);
	return module->unreadable ? -ENOENT : 0;
}

bool symbolizer_ask(struct symbolizer *s, struct module *module, const char *path,
		    enum symbol_op op, uint64_t value, struct symbol_answer *answer)
{
	unsigned int generation;
	int err;

	/*
	 * Between the two calls there may be a new worker, which has to be told of the file. Once
	 * is enough.
	 */
	for (unsigned int tries = 0; tries < 2; tries++) {
		err = hand_over(s, module, path);
		if (err)
			return false;
		err = symbol_client_begin(s->client, &generation);
		s->later |= err == -ECANCELED;
		if (err)
			return false;
		if (generation == module->generation)
			return !ask(s, module, op, value, -1, path, answer);
	}
	return false;
}

static int open_map_once(struct symbolizer *s, const struct procfs_map *map)
{
	return s->steward ? steward_open_mapped(s->steward, s->pid, map->start) :
			    procfs_map_open(s->root, s->pid, map);
}

static int open_map(struct symbolizer *s, const struct procfs_map *map)
{
	int fd = open_map_once(s, map);

	if (fd == -EMFILE || fd == -ENFILE) {
		evict(s);
		fd = open_map_once(s, map);
	}
	if (fd == -EWOULDBLOCK)
		symbolizer_say_of(s, map->device, map->inode, map->path,
				  "a process holds a lease on it");
	else if (fd == -EMFILE || fd == -ENFILE)
		symbolizer_say_of(s, map->device, map->inode, map->path, "too many files are open");
	return fd;
}

struct module *symbolizer_module_of(struct symbolizer *s, const struct procfs_map *map)
{
	struct module *module = NULL;
	int fd;

	if (!map || !map->inode)
		return NULL;
	for (size_t i = 0; i < SYMBOLIZER_MODULES && !module; i++)
		if (s->modules[i].inode == map->inode && s->modules[i].device == map->device)
			module = &s->modules[i];
	if (!module) {
		fd = open_map(s, map);
		module = evict(s);
		*module = (struct module){
			.device = map->device,
			.inode = map->inode,
			.fd = fd,
		};
	}
	module->used = ++s->uses;
	if (!module->known)
		hand_over(s, module, map->path);
	return module;
}

struct module *symbolizer_module_by_id(struct symbolizer *s, const uint8_t *id)
{
	for (size_t i = 0; i < SYMBOLIZER_MODULES; i++)
		if (s->modules[i].image.build_id_bytes == BUILD_ID_BYTES &&
		    !memcmp(s->modules[i].image.build_id, id, BUILD_ID_BYTES))
			return &s->modules[i];
	if (was_evicted(s, id))
		symbolizer_say_once(
			s, &s->said_evicted,
			"some files of code were closed for others, as there are more than 256");
	return NULL;
}
