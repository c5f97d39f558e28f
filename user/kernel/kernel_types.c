// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>

#include "kernel/kernel_types.h"

struct kernel_types {
	struct btf *btf;
	__u32 *slots; /* ids, each at the hash of its name or behind; 0: free */
	__u32 mask;
};

static bool is_asked_for(const struct btf_type *type)
{
	return type->name_off && (btf_is_func(type) || btf_is_struct(type) ||
				  btf_is_typedef(type) || btf_is_enum(type) || btf_is_var(type));
}

/*
 * Returns a hash of the name, by eight bytes at a time: the kernel has a hundred thousand names.
 * The multiplier is an odd number near 2^64 divided by the golden ratio.
 */
static __u32 hash(const char *name)
{
	size_t left = strlen(name);
	__u64 hash = left, word;

	for (; left >= sizeof(word); name += sizeof(word), left -= sizeof(word)) {
		memcpy(&word, name, sizeof(word));
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	for (word = 0; left; left--)
		word = word << 8 | (__u8)name[left - 1];
	return ((hash ^ word) * 0x9e3779b97f4a7c15ULL) >> 32;
}

static __u32 slot_of(const struct kernel_types *types, const char *name)
{
	return hash(name) & types->mask;
}

static const char *name_of(const struct kernel_types *types, __u32 id)
{
	return btf__name_by_offset(types->btf, btf__type_by_id(types->btf, id)->name_off);
}

static void fill(struct kernel_types *types, __u32 count)
{
	for (__u32 id = 1; id < count; id++) {
		__u32 slot;

		if (!is_asked_for(btf__type_by_id(types->btf, id)))
			continue;
		slot = slot_of(types, name_of(types, id));
		while (types->slots[slot])
			slot = (slot + 1) & types->mask;
		types->slots[slot] = id;
	}
}

struct kernel_types *kernel_types_new(struct btf *btf)
{
	struct kernel_types *types = calloc(1, sizeof(*types));
	__u32 count = btf__type_cnt(btf), size = 2;

	while (size < 2 * count) /* so that some slots are free */
		size *= 2;
	if (types)
		types->slots = calloc(size, sizeof(*types->slots));
	if (!types || !types->slots) {
		btf__free(btf);
		free(types);
		return NULL;
	}
	types->btf = btf;
	types->mask = size - 1;
	fill(types, count);
	return types;
}

void kernel_types_free(struct kernel_types *types)
{
	if (!types)
		return;
	btf__free(types->btf);
	free(types->slots);
	free(types);
}

const struct btf *kernel_types_btf(const struct kernel_types *types)
{
	return types->btf;
}

int kernel_types_find(const struct kernel_types *types, const char *name, int kind)
{
	for (__u32 slot = slot_of(types, name); types->slots[slot];
	     slot = (slot + 1) & types->mask) {
		__u32 id = types->slots[slot];

		if (btf_kind(btf__type_by_id(types->btf, id)) == kind &&
		    !strcmp(name_of(types, id), name))
			return id;
	}
	return -ENOENT;
}
