/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs that the kernel takes long to verify, on threads of their own while libbpf goes on with
 * the rest: the verifier takes one processor for each. The transition's two are most of what a
 * start waits for.
 */
#ifndef TCPDWELL_LOAD_ASIDE_H
#define TCPDWELL_LOAD_ASIDE_H

struct load_aside;

/*
 * From here on programs in @section, of tracing programs at a tracepoint, are loaded like that: to
 * be called before the object is opened. @license is theirs. Returns NULL with errno set.
 *
 * libbpf is given an empty program in place of each (prog_prepare_load_fn, libbpf 1.0), whose
 * descriptor then becomes that of the program itself: whoever attaches it need not know.
 */
struct load_aside *load_aside_new(const char *section, const char *license);

/*
 * Waits for those that are being loaded. To be called when libbpf is done with the object, whether
 * it has loaded it or not. Returns 0, or -errno of bpf(2) for one of them, whose name @refused
 * gets.
 */
int load_aside_wait(struct load_aside *aside, const char **refused);

/* After the object is closed. NULL-safe. */
void load_aside_free(struct load_aside *aside);

#endif /* TCPDWELL_LOAD_ASIDE_H */
