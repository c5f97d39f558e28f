/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Removes from a BPF program the instructions that the constants of a run switch off.
 *
 * The kernel removes them, too, but piece by piece, and moves all that follows each time. That took
 * a fifth of a start. Here it is done in one go. Code that this module does not understand stays,
 * and then the program still does the same in the kernel.
 *
 * It does not touch the host, frees all that it allocates, and may run in any thread.
 */
#ifndef TCPDWELL_PRUNE_H
#define TCPDWELL_PRUNE_H

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

struct prune {
	struct bpf_insn *insns;
	size_t count;
	int map;	       /* the descriptor by which @insns name the map of constants */
	const void *constants; /* the only value of that map */
	size_t constant_bytes;
	void *functions; /* struct bpf_func_info and what follows in each, sorted by place */
	uint32_t function_count;
	uint32_t function_bytes; /* of one element */
};

/*
 * Removes instructions of @prune that are never reached, and functions that are never called, both
 * in place. Returns 0, or -ENOMEM or -ENOTSUP with nothing changed.
 */
int prune(struct prune *prune);

#endif /* TCPDWELL_PRUNE_H */
