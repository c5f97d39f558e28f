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

/*
 * Ids in the kernel's BTF of the structures that pointers are made to: BTF_ID_x is struct x. What
 * libbpf makes relocations against has them as an enumeration, and types that are fewer than the
 * kernel's, and so have other ids, which bpf_core_type_id_kernel() would tell
 * (user/kernel/core_btf.h).
 */
enum tcpdwell_btf_id {
	BTF_ID_cgroup,
	BTF_ID_fdtable,
	BTF_ID_file,
	BTF_ID_files_struct,
	BTF_ID_inet_connection_sock,
	BTF_ID_inet_hashinfo,
	BTF_ID_inet_sock,
	BTF_ID_inet_timewait_sock,
	BTF_ID_inode,
	BTF_ID_net,
	BTF_ID_request_sock,
	BTF_ID_sock,
	BTF_ID_sock_common,
	BTF_ID_socket,
	BTF_ID_task_struct,
	BTF_ID_tcp_request_sock,
	BTF_ID_tcp_sock,
};

#define BTF_ID(type) ((__u32)bpf_core_enum_value(enum tcpdwell_btf_id, BTF_ID_##type))

/* A BTF pointer to struct @type at @ptr; to be used behind cfg_has_cast alone. */
#define CAST(type, ptr) ((struct type *)bpf_rdonly_cast(ptr, BTF_ID(type)))

/* One member of struct @type at @ptr, which may be any pointer. */
#define PEEK(type, ptr, member) \
	(cfg_has_cast ? CAST(type, ptr)->member : BPF_CORE_READ((struct type *)(ptr), member))

/*
 * A pointer behind a BTF pointer to struct @type, by a plain load. For each such load the verifier
 * looks through all of the kernel's BTF four times (btf_nested_type_is_trusted(), 6.4), 2 ms,
 * unless the pointer is one that it trusts no more.
 */
#define FOLLOW(type, ptr, member) (cfg_has_cast ? CAST(type, ptr)->member : (ptr)->member)

/* One member behind a pointer that is a BTF pointer if @direct says so. */
#define READ(direct, ptr, member) ((direct) ? (ptr)->member : BPF_CORE_READ(ptr, member))

#endif /* TCPDWELL_READ_BPF_H */
