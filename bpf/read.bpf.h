/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Members of kernel structures, whatever kind of pointer leads to them.
 *
 * A BTF pointer, as tp_btf and fentry programs have it, is read by plain loads. Any other pointer
 * is made one where the kernel has bpf_rdonly_cast() (6.2), which costs no instruction; else each
 * member takes a call of bpf_probe_read_kernel(), some 20 ns. Either way a bad address reads as 0.
 */
#ifndef TCPDWELL_READ_BPF_H
#define TCPDWELL_READ_BPF_H

#include "config.bpf.h"

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

/* A BTF pointer to what lies at @ptr; to be used behind cfg_has_cast alone. */
#define CAST(type, ptr) ((type *)bpf_rdonly_cast(ptr, bpf_core_type_id_kernel(type)))

/* One member of the structure of @type at @ptr, which may be any pointer. */
#define PEEK(type, ptr, member) \
	(cfg_has_cast ? CAST(type, ptr)->member : BPF_CORE_READ((type *)(ptr), member))

/*
 * A pointer behind a BTF pointer, by a plain load. For each such load the verifier looks through
 * all of the kernel's BTF four times (btf_nested_type_is_trusted(), 6.4), 2 ms, unless the pointer
 * is one that it trusts no more.
 */
#define FOLLOW(type, ptr, member) (cfg_has_cast ? CAST(type, ptr)->member : (ptr)->member)

/* One member behind a pointer that is a BTF pointer if @direct says so. */
#define READ(direct, ptr, member) ((direct) ? (ptr)->member : BPF_CORE_READ(ptr, member))

#endif /* TCPDWELL_READ_BPF_H */
