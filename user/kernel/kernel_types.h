/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An index of the kernel's types (BTF) by name. libbpf takes half a millisecond to look for one
 * name, and a start asks for some forty.
 *
 * The index owns the BTF. It does not change once it is made, so any thread may read it.
 */
#ifndef TCPDWELL_KERNEL_TYPES_H
#define TCPDWELL_KERNEL_TYPES_H

struct btf;
struct kernel_types;

/*
 * Makes an index, which takes over @btf and frees it with itself. Returns NULL if there is no
 * memory, and has then freed @btf.
 */
struct kernel_types *kernel_types_new(struct btf *btf);

/* NULL-safe. */
void kernel_types_free(struct kernel_types *types);

const struct btf *kernel_types_btf(const struct kernel_types *types);

/*
 * Returns the id of the first type of this name and kind, or -ENOENT. The kind is a function,
 * structure, typedef, enumeration or variable.
 */
int kernel_types_find(const struct kernel_types *types, const char *name, int kind);

#endif /* TCPDWELL_KERNEL_TYPES_H */
