/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's types (BTF), by name. To look for one name in them takes libbpf half a millisecond,
 * and a start asks for some forty.
 *
 * They own the BTF. Once made they stand still, for any thread.
 */
#ifndef TCPDWELL_KERNEL_TYPES_H
#define TCPDWELL_KERNEL_TYPES_H

struct btf;
struct kernel_types;

/* Takes @btf, which is freed with them or, where there is no memory, at once: then NULL. */
struct kernel_types *kernel_types_new(struct btf *btf);

/* NULL-safe. */
void kernel_types_free(struct kernel_types *types);

const struct btf *kernel_types_btf(const struct kernel_types *types);

/* The first function, structure, typedef, enumeration or variable of that name, or -ENOENT. */
int kernel_types_find(const struct kernel_types *types, const char *name, int kind);

#endif /* TCPDWELL_KERNEL_TYPES_H */
