/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What constants leave of a BPF program.
 *
 * The kernel, too, takes out what the constants of a run switch off: piece by piece, each time
 * moving all that comes behind it, in which a fifth of a start went by. Here it is done at once.
 * What is not understood stays in: to the kernel the program does the same.
 *
 * No host, no allocation that outlives a call, any thread.
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
	const void *constants; /* its one value */
	size_t constant_bytes;
	void *functions; /* struct bpf_func_info and whatever follows in each, by place */
	uint32_t function_count;
	uint32_t function_bytes; /* of one */
};

/*
 * Takes out of @prune's instructions what is never reached, and of its functions those that are
 * never called, both in place. Returns 0, or -ENOMEM or -ENOTSUP with nothing changed.
 */
int prune(struct prune *prune);

#endif /* TCPDWELL_PRUNE_H */
