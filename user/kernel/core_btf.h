/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The part of the kernel's types that CO-RE relocations need.
 *
 * For each type that a relocation starts from, libbpf searches all types that it is given for
 * candidates. Among all types of a kernel that takes a millisecond of a start. Among these few it
 * takes none (btf_custom_path).
 */
#ifndef TCPDWELL_CORE_BTF_H
#define TCPDWELL_CORE_BTF_H

struct btf;

/*
 * Writes to @fd, as raw BTF, each type of @kernel that has the name of a type of @object, and the
 * types that those consist of. A type behind a pointer is left out, unless its own name is wanted.
 *
 * Ids in this BTF differ from those in the kernel. A program that needs the id of a kernel type
 * gets it from an enumeration, enum tcpdwell_btf_id (bpf/read.bpf.h): each BTF_ID_x of it that
 * @object has gets the id that struct x has in @kernel, if the kernel has that structure.
 *
 * Returns 0 or -errno.
 */
int core_btf_write(int fd, const struct btf *kernel, const struct btf *object);

#endif /* TCPDWELL_CORE_BTF_H */
