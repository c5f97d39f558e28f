/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Loads programs on threads of its own, as many as there are processors, while libbpf goes on with
 * the rest. The verifier uses one processor for each program, and a start waits mostly for it. Code
 * that the constants of the run switch off is removed from the programs before (base/prune.h).
 */
#ifndef TCPDWELL_LOAD_ASIDE_H
#define TCPDWELL_LOAD_ASIDE_H

#include <stdbool.h>

struct bpf_map;
struct kernel_types;
struct load_aside;

/*
 * Has all programs but kprobes loaded on threads from here on, or by libbpf one after the other
 * unless @aside_of_libbpf. It must be called before the object is opened. @license is the programs'
 * licence. Returns NULL with errno set.
 *
 * libbpf gets an empty program in place of each (prog_prepare_load_fn, libbpf 1.0). The descriptor
 * of that one then becomes the descriptor of the real program, so whoever attaches it need not
 * know.
 */
struct load_aside *load_aside_new(const char *license, bool aside_of_libbpf);

/*
 * Sets the kernel's types, by which programs find what they attach to. They must live as long as
 * any program is loaded.
 */
void load_aside_set_types(struct load_aside *aside, const struct kernel_types *kernel);

/*
 * Sets the map of constants of the object that is about to be loaded. The constants must be final:
 * code that they switch off is not shown to the kernel.
 */
void load_aside_set_constants(struct load_aside *aside, struct bpf_map *map);

/*
 * Waits for the programs that are being loaded. It must be called when libbpf is done with the
 * object, whether it has loaded it or not. Returns 0, or -errno of bpf(2) for one of the programs,
 * and sets @refused to its name.
 */
int load_aside_wait(struct load_aside *aside, const char **refused);

/*
 * Returns whether the object was not loaded because its type information was refused. libbpf goes
 * on without it.
 */
bool load_aside_untyped(const struct load_aside *aside);

/* Frees; to be called after the object is closed. NULL-safe. */
void load_aside_free(struct load_aside *aside);

#endif /* TCPDWELL_LOAD_ASIDE_H */
