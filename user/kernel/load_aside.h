/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs are loaded on threads of their own, as many as there are processors, while libbpf goes
 * on with the rest: the verifier takes one processor for each, and is most of what a start waits
 * for. What the constants of the run switch off is taken out of them before (base/prune.h).
 */
#ifndef TCPDWELL_LOAD_ASIDE_H
#define TCPDWELL_LOAD_ASIDE_H

struct bpf_map;
struct kernel_types;
struct load_aside;

/*
 * From here on all but kprobes are loaded like that: to be called before the object is opened.
 * @license is theirs. Returns NULL with errno set.
 *
 * libbpf is given an empty program in place of each (prog_prepare_load_fn, libbpf 1.0), whose
 * descriptor then becomes that of the program itself: whoever attaches it need not know.
 */
struct load_aside *load_aside_new(const char *license);

/* The kernel's types, in which is found what programs attach to: as long as any are loaded. */
void load_aside_set_types(struct load_aside *aside, const struct kernel_types *kernel);

/*
 * The map of constants of the object that is about to be loaded, which are final: what they switch
 * off is not shown to the kernel.
 */
void load_aside_set_constants(struct load_aside *aside, struct bpf_map *map);

/*
 * Waits for those that are being loaded. To be called when libbpf is done with the object, whether
 * it has loaded it or not. Returns 0, or -errno of bpf(2) for one of them, whose name @refused
 * gets.
 */
int load_aside_wait(struct load_aside *aside, const char **refused);

/* After the object is closed. NULL-safe. */
void load_aside_free(struct load_aside *aside);

#endif /* TCPDWELL_LOAD_ASIDE_H */
