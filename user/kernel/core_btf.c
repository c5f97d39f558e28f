// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "base/compare.h"
#include "kernel/core_btf.h"

#define IDS	  "tcpdwell_btf_id"
#define ID_PREFIX "BTF_ID_"

/* Separates a type's name from its flavour, which CO-RE ignores. */
#define FLAVOUR "___"

/* The name of a type of the object, without its flavour. It is not ended by a NUL. */
struct name {
	const char *text;
	size_t length;
	__u32 kernel_id; /* the id of the kernel's structure of that name; 0 if it has none */
};

struct copier {
	const struct btf *kernel, *object;
	struct btf *few;
	__u32 *copies;	    /* the id of the copy, by the kernel's id; 0 if there is none yet */
	struct name *names; /* sorted */
	size_t name_count;
	__u32 ids; /* the id of the object's enum tcpdwell_btf_id; 0 if it has none */
};

/*
 * ---- Names --------------------------------------------------------------------------------------
 */

static int name_compare(const void *left, const void *right)
{
	const struct name *a = left, *b = right;
	int order = memcmp(a->text, b->text, a->length < b->length ? a->length : b->length);

	return order ?: compare(a->length, b->length);
}

static bool is_root(const struct btf_type *type)
{
	return type->name_off && (btf_is_composite(type) || btf_is_any_enum(type));
}

static int collect_names(struct copier *copier)
{
	__u32 count = btf__type_cnt(copier->object);

	copier->names = calloc(count, sizeof(*copier->names));
	if (!copier->names)
		return -ENOMEM;
	for (__u32 id = 1; id < count; id++) {
		const struct btf_type *type = btf__type_by_id(copier->object, id);
		struct name *name = &copier->names[copier->name_count];
		const char *flavour;

		if (!is_root(type))
			continue;
		name->text = btf__name_by_offset(copier->object, type->name_off);
		flavour = strstr(name->text, FLAVOUR);
		name->length = flavour ? (size_t)(flavour - name->text) : strlen(name->text);
		copier->name_count++;
		if (!strcmp(name->text, IDS))
			copier->ids = id;
	}
	qsort(copier->names, copier->name_count, sizeof(*copier->names), name_compare);
	return 0;
}

static struct name *find_name(const struct copier *copier, const char *text)
{
	struct name key = { .text = text, .length = strlen(text) };

	return bsearch(&key, copier->names, copier->name_count, sizeof(key), name_compare);
}

/*
 * ---- Types --------------------------------------------------------------------------------------
 */

/*
 * Returns where @type has the id of the @i-th type that it consists of, or NULL after the last one.
 */
static __u32 *part(const struct btf_type *type, unsigned int i)
{
	if (btf_is_composite(type))
		return i < btf_vlen(type) ? &btf_members(type)[i].type : NULL;
	if (btf_is_array(type))
		return i == 0 ? &btf_array(type)->type :
		       i == 1 ? &btf_array(type)->index_type :
				NULL;
	if (btf_is_mod(type) || btf_is_typedef(type) || btf_is_type_tag(type) || btf_is_ptr(type))
		return i == 0 ? (__u32 *)&type->type : NULL;
	return NULL;
}

/* Copies a type and all types that it consists of. Returns the id of the copy or -errno. */
static int copy(struct copier *copier, __u32 id)
{
	const struct btf_type *original = btf__type_by_id(copier->kernel, id);
	const __u32 *inner;
	int copied, inner_copied;

	if (!id || copier->copies[id])
		return copier->copies[id];
	copied = btf__add_type(copier->few, copier->kernel, original);
	if (copied < 0)
		return copied;
	copier->copies[id] = copied;
	for (unsigned int i = 0; (inner = part(original, i)); i++) {
		/* A pointer leads to void in the copy: CO-RE does not compare what is behind it. */
		inner_copied = btf_is_ptr(original) ? 0 : copy(copier, *inner);
		if (inner_copied < 0)
			return inner_copied;
		/* Each type that is added may move the others in memory. */
		*part(btf__type_by_id(copier->few, copied), i) = inner_copied;
	}
	return copied;
}

static int copy_named(struct copier *copier)
{
	__u32 count = btf__type_cnt(copier->kernel);
	int err = 0;

	for (__u32 id = 1; id < count && err >= 0; id++) {
		const struct btf_type *type = btf__type_by_id(copier->kernel, id);
		struct name *name;

		if (!is_root(type))
			continue;
		name = find_name(copier, btf__name_by_offset(copier->kernel, type->name_off));
		if (!name)
			continue;
		if (btf_is_struct(type) && !name->kernel_id)
			name->kernel_id = id;
		err = copy(copier, id);
	}
	return err < 0 ? err : 0;
}

/*
 * ---- Ids ----------------------------------------------------------------------------------------
 */

static int add_ids(struct copier *copier)
{
	const struct btf_type *ids = btf__type_by_id(copier->object, copier->ids);
	int err = copier->ids ? btf__add_enum(copier->few, IDS, sizeof(__u32)) : 0;

	for (int i = 0; copier->ids && i < btf_vlen(ids) && err >= 0; i++) {
		const char *text = btf__name_by_offset(copier->object, btf_enum(ids)[i].name_off);
		const struct name *name = find_name(copier, text + strlen(ID_PREFIX));

		if (name && name->kernel_id)
			err = btf__add_enum_value(copier->few, text, name->kernel_id);
	}
	return err < 0 ? err : 0;
}

static int write_all(int fd, const struct btf *btf)
{
	__u32 size;
	const char *data = btf__raw_data(btf, &size);
	ssize_t written;

	if (!data)
		return -ENOMEM;
	for (; size; data += written, size -= written) {
		written = write(fd, data, size);
		if (written < 0)
			return -errno;
	}
	return 0;
}

int core_btf_write(int fd, const struct btf *kernel, const struct btf *object)
{
	struct copier copier = { .kernel = kernel, .object = object };
	int err = -ENOMEM;

	copier.few = btf__new_empty();
	copier.copies = calloc(btf__type_cnt(kernel), sizeof(*copier.copies));
	if (copier.few && copier.copies) {
		err = collect_names(&copier);
		err = err ?: copy_named(&copier);
		err = err ?: add_ids(&copier);
		err = err ?: write_all(fd, copier.few);
	}
	free(copier.names);
	free(copier.copies);
	btf__free(copier.few);
	return err;
}
