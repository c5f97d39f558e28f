/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Initializers of struct bpf_insn for the small programs that are written by hand. The kernel has
 * such macros, but not in its UAPI headers.
 */
#ifndef TCPDWELL_INSN_H
#define TCPDWELL_INSN_H

#include <linux/bpf.h>

#define INSN(c, d, s, o, i)                                                         \
	{                                                                           \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) \
	}
#define MOV_IMM(dst, imm) INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define MOV_REG(dst, src) INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define ADD_IMM(dst, imm) INSN(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, imm)
#define CALL(helper)	  INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define EXIT()		  INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

#endif /* TCPDWELL_INSN_H */
