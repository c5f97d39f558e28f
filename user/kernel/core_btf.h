/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's types, as few of them as CO-RE relocations are about.
 *
 * For each type that a relocation starts from, libbpf goes through all types that it is given for
 * candidates: a millisecond of a start in those of a kernel, none in these (btf_custom_path).
 */
#ifndef TCPDWELL_CORE_BTF_H
#define TCPDWELL_CORE_BTF_H

struct btf;

/*
 * Writes to @fd, as raw BTF, what @kernel has of the names of @object's types, and what those are
 * made of. Types behind pointers are not among them, unless by their own name.
 *
 * As ids are other ones here than in the kernel, those that a program needs are told by an
 * enumeration, enum tcpdwell_btf_id (bpf/read.bpf.h): each BTF_ID_x of it that @object has becomes
 * the id that struct x has in @kernel, if it is there.
 *
 * Returns 0 or -errno.
 */
int core_btf_write(int fd, const struct btf *kernel, const struct btf *object);

#endif /* TCPDWELL_CORE_BTF_H */
