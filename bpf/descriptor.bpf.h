/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tables of descriptors, and the sockets in them.
 *
 * A thread may have a table of its own (clone() without CLONE_FILES), so a table belongs to a task
 * and not to its process. When a task is looked at, its memory may be another's already. So a
 * caller that has its address from earlier also compares the process's number.
 */
#ifndef TCPDWELL_DESCRIPTOR_BPF_H
#define TCPDWELL_DESCRIPTOR_BPF_H

#include "current.bpf.h"
#include "lifecycle.h"
#include "read.bpf.h"

#define S_IFMT	 0170000
#define S_IFSOCK 0140000

/*
 * The most descriptors that are looked at for a file. Sockets that a daemon listens on were opened
 * early and so have low numbers.
 */
#define PROCESS_FDS 1024

/* Returns the socket that a file stands for, or NULL. */
static __always_inline const struct socket *file_socket(const struct file *file)
{
	const struct inode *inode;

	if (!file)
		return NULL;
	inode = PEEK(file, file, f_inode);
	if ((PEEK(inode, inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	return PEEK(file, file, private_data);
}

/*
 * Returns the struct sock behind a file, or NULL. The caller finds out whether it is a known one.
 */
static __always_inline struct sock *file_sock(const struct file *file)
{
	const struct socket *socket = file_socket(file);

	return socket ? PEEK(socket, socket, sk) : NULL;
}

/* Returns how many references a file has; 0: the last one is gone, and the file is being closed. */
static __always_inline __s64 file_references(const struct file *file)
{
	__s64 count;

	if (bpf_core_field_exists(file->f_ref))
		count = PEEK(file, file, f_ref.refcnt.counter) +
			1; /* the first reference counts 0 */
	else
		count = PEEK(file, file, f_count.counter);
	return count > 0 ? count : 0;
}

static __always_inline struct file *fdtable_file(const struct fdtable *fdt, __u32 fd)
{
	struct file **files = PEEK(fdtable, fdt, fd), *file = NULL;

	if (fd < PEEK(fdtable, fdt, max_fds))
		bpf_probe_read_kernel(&file, sizeof(file), &files[fd]);
	return file;
}

/* Returns the file behind a descriptor in the table of @task, or NULL. */
static __always_inline struct file *task_file(const struct task_struct *task, __u32 fd)
{
	const struct files_struct *files = PEEK(task_struct, task, files);

	return files ? fdtable_file(PEEK(files_struct, files, fdt), fd) : NULL;
}

/* Returns the socket behind a descriptor of the running process, or NULL. */
static __always_inline struct sock *current_sock(__u32 fd)
{
	return file_sock(task_file((const void *)bpf_get_current_task(), fd));
}

/*
 * Returns the task by which the table of @task is to be found again. That is the first thread of
 * its process, which stays as long as the process, unless the thread has a table of its own or the
 * first thread has ended.
 */
static __always_inline __u64 task_of_table(const struct task_struct *task)
{
	const struct task_struct *leader = PEEK(task_struct, task, group_leader);

	return PEEK(task_struct, leader, files) == PEEK(task_struct, task, files) ? (__u64)leader :
										    (__u64)task;
}

/* Returns whether the entry at @place of an array of files is @file. */
__noinline int has_file(__u64 place, __u64 file)
{
	__u64 at = 0;

	return !bpf_probe_read_kernel(&at, sizeof(at), (void *)place) && at == file;
}

/*
 * Descriptors that one call looks at. The verifier walks through each turn of a loop, but through a
 * function of numbers once. With two loops it walks through the square root of PROCESS_FDS twice,
 * instead of through PROCESS_FDS turns.
 */
#define FD_STRETCH 32

/* Returns the first descriptor of @file in the stretch that begins at @first, or -1. */
__noinline int stretch_fd(__u64 fdt, __u32 first, __u64 file)
{
	const struct fdtable *table = (const struct fdtable *)fdt;
	/* A pointer read through a cast stays one since 7.x, and has_file() takes numbers. */
	__u64 place = (__u64)BPF_CORE_READ(table, fd) + first * sizeof(file);
	__u32 max_fds = PEEK(fdtable, table, max_fds);

	for (__u32 i = 0; i < FD_STRETCH && first < max_fds; i++, first++, place += sizeof(file))
		if (has_file(place, file))
			return first;
	return -1;
}

/* Returns the descriptor of @file among the first PROCESS_FDS in the table of @task, or -1. */
__noinline int task_fd(__u64 task, __u64 file)
{
	const struct fdtable *fdt = BPF_CORE_READ((struct task_struct *)task, files, fdt);
	__u32 max_fds = BPF_CORE_READ(fdt, max_fds);
	int fd = -1;

	for (__u32 first = 0; first < PROCESS_FDS && first < max_fds && fd < 0; first += FD_STRETCH)
		fd = stretch_fd((__u64)fdt, first, file);
	return fd;
}

/* Descriptors with the same lowest bits that are looked at: of the first 2048. */
#define FDS_NEAR 32

/*
 * Returns the descriptor of @file in the table of @task whose lowest bits are @bits; -1 if there is
 * none, FD_BEYOND if there may be one that is not looked at.
 */
#define FD_BEYOND (-2)

__noinline int near_fd(__u64 task, __u32 bits, __u64 file)
{
	const struct fdtable *fdt = BPF_CORE_READ((struct task_struct *)task, files, fdt);
	__u32 max_fds = BPF_CORE_READ(fdt, max_fds), fd = bits & LIFECYCLE_FD_BITS;
	__u64 place = (__u64)BPF_CORE_READ(fdt, fd) + fd * sizeof(file), at;

	for (int i = 0; i < FDS_NEAR && fd < max_fds; i++, fd += LIFECYCLE_FD_BITS + 1) {
		/* This sets what it cannot read to 0. The stack has no room for has_file(). */
		bpf_probe_read_kernel(&at, sizeof(at), (void *)place);
		if (at == file)
			return fd;
		place += (LIFECYCLE_FD_BITS + 1) * sizeof(file);
	}
	return fd < max_fds ? FD_BEYOND : -1;
}

#endif /* TCPDWELL_DESCRIPTOR_BPF_H */
