/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Members of kernel structures, whatever kind of pointer leads to them.
 *
 * Plain loads read through a BTF pointer, such as tp_btf and fentry programs get. Any other pointer
 * is made into one if the kernel has bpf_rdonly_cast() (6.2), which costs no instruction. Otherwise
 * each member takes a call of bpf_probe_read_kernel(), some 20 ns. In either case a bad address
 * reads as 0.
 */
#ifndef TCPDWELL_READ_BPF_H
#define TCPDWELL_READ_BPF_H

#include "config.bpf.h"

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

/*
 * Ids, in the kernel's BTF, of the structures to which pointers are cast: BTF_ID_x is struct x. The
 * BTF that libbpf relocates against has them as an enumeration. It has fewer types than the
 * kernel's BTF, so its type ids differ, and those are what bpf_core_type_id_kernel() would return
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

/* A BTF pointer to struct @type at @ptr. It may be used only behind cfg_has_cast. */
#define CAST(type, ptr) ((struct type *)bpf_rdonly_cast(ptr, BTF_ID(type)))

/* One member of struct @type at @ptr, which may be any pointer. */
#define PEEK(type, ptr, member) \
	(cfg_has_cast ? CAST(type, ptr)->member : BPF_CORE_READ((struct type *)(ptr), member))

/*
 * A pointer behind a BTF pointer to struct @type, by a plain load. For each such load the verifier
 * looks through all of the kernel's BTF four times (btf_nested_type_is_trusted(), 6.4), which takes
 * 2 ms. It does not do so for a pointer that it does not trust any more, and so the pointer is cast
 * first.
 */
#define FOLLOW(type, ptr, member) (cfg_has_cast ? CAST(type, ptr)->member : (ptr)->member)

/* One member behind a pointer, which is a BTF pointer if @direct is true. */
#define READ(direct, ptr, member) ((direct) ? (ptr)->member : BPF_CORE_READ(ptr, member))

#endif /* TCPDWELL_READ_BPF_H */
