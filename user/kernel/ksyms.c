// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "host/procfs.h"
#include "kernel/insn.h"
#include "kernel/ksyms.h"

#define NAME_BYTES (KSYM_NAME_MAX + 1)
#define NAME_WORDS (NAME_BYTES / 4)
#define NAME_STACK (-NAME_BYTES)
#define ADDR_STACK (NAME_STACK - 8)

/*
 * Loads a program that asks the kernel for one symbol (bpf_kallsyms_lookup_name(), 5.16) and writes
 * its address to the 8 bytes of its context. Returns its descriptor or -errno.
 */
static int load_lookup(const char *name)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = BPF_F_SLEEPABLE);
	struct bpf_insn insns[NAME_WORDS + 16];
	int32_t words[NAME_WORDS] = {};
	size_t n = 0;
	int fd;

	if (strlen(name) > KSYM_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(words, name, strlen(name));
	insns[n++] = (struct bpf_insn)MOV_REG(BPF_REG_6, BPF_REG_1);
	for (int i = 0; i < NAME_WORDS; i++)
		insns[n++] = (struct bpf_insn)INSN(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0,
						   NAME_STACK + 4 * i, words[i]);
	insns[n++] = (struct bpf_insn)INSN(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, ADDR_STACK, 0);
	insns[n++] = (struct bpf_insn)MOV_REG(BPF_REG_1, BPF_REG_10);
	insns[n++] = (struct bpf_insn)ADD_IMM(BPF_REG_1, NAME_STACK);
	insns[n++] = (struct bpf_insn)MOV_IMM(BPF_REG_2, NAME_BYTES);
	insns[n++] = (struct bpf_insn)MOV_IMM(BPF_REG_3, 0);
	insns[n++] = (struct bpf_insn)MOV_REG(BPF_REG_4, BPF_REG_10);
	insns[n++] = (struct bpf_insn)ADD_IMM(BPF_REG_4, ADDR_STACK);
	insns[n++] = (struct bpf_insn)CALL(BPF_FUNC_kallsyms_lookup_name);
	insns[n++] = (struct bpf_insn)INSN(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_10,
					   ADDR_STACK, 0);
	insns[n++] = (struct bpf_insn)INSN(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_6, BPF_REG_1, 0, 0);
	insns[n++] = (struct bpf_insn)MOV_IMM(BPF_REG_0, 0);
	insns[n++] = (struct bpf_insn)EXIT();
	fd = bpf_prog_load(BPF_PROG_TYPE_SYSCALL, "symbol", "GPL", insns, n, &opts);
	return fd < 0 ? -errno : fd;
}

static int look_up(const char *name, uint64_t *address)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = address, .ctx_size_in = sizeof(*address));
	int fd = load_lookup(name), err;

	if (fd < 0)
		return fd;
	*address = 0;
	err = bpf_prog_test_run_opts(fd, &opts) ? -errno : 0;
	close(fd);
	return err;
}

/*
 * Asks the kernel first, and reads /proc/kallsyms only if that fails. The kernel finds a name by
 * bisection (6.2), or at least without formatting all names, for which /proc/kallsyms takes 50 ms.
 */
int ksyms_find(const char *const names[], uint64_t addresses[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (look_up(names[i], &addresses[i]) || !addresses[i])
			return procfs_symbols("", names, addresses, count);
	return 0;
}

uint64_t ksyms_ask(const char *name)
{
	uint64_t address;

	return look_up(name, &address) ? 0 : address;
}
