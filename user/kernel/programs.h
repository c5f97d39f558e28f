/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The BPF programs of a run: which of the skeleton's are shown to the kernel, and their links. The
 * loader's part: no one else asks for them.
 *
 * They own the links; the skeleton and the features are the loader's, which must outlive them.
 * One thread.
 */
#ifndef TCPDWELL_BPF_PROGRAMS_H
#define TCPDWELL_BPF_PROGRAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/notice.h"
#include "kernel/feature.h"
#include "wire.h"

/* Where each transition comes by. */
#define TRANSITION_TRACEPOINT "inet_sock_set_state"

struct bpf_program;
struct programs;
struct steward;
struct tcpdwell_bpf;

/* @skel is open and not loaded. Returns NULL with errno set. */
struct programs *programs_new(struct tcpdwell_bpf *skel, const struct features *features);

/* Detaches and frees. NULL-safe. */
void programs_free(struct programs *programs);

/*
 * Marks the programs that will be loaded and the maps that will be made: those of what the run
 * wants and the kernel has. To be called before the skeleton is loaded and after its knobs are set.
 * What is not chosen here is not even shown to the kernel.
 */
void programs_choose(struct programs *programs);

/*
 * Runs once those that are loaded and are not attached, where nothing is to be done yet: a kernel
 * may load what it will not run. @table is a map of connections, or negative. Returns 0, or -errno
 * with @refused, the name of the program.
 */
int programs_try(const struct programs *programs, int table, const char **refused);

/*
 * Attaches those that are loaded, and lets them see once all are. Returns 0, or -errno with
 * @refused, the name of the program; then none is attached.
 */
int programs_attach(struct programs *programs, const struct notice *notice, const char **refused);

/* From here on none of them runs by itself. */
void programs_detach(struct programs *programs);

/* The one that tells a transition, at the tracepoint itself or gone on into. */
struct bpf_program *programs_told(const struct tcpdwell_bpf *skel);

/* The first at the tracepoint, and the one that lets waiting rows go, which may not be loaded. */
struct bpf_program *programs_transition(const struct programs *programs);
struct bpf_program *programs_flush(const struct programs *programs);

/*
 * Open an iterator over all descriptors, or over the sockets of the calling thread's network
 * namespace. The caller closes it. -errno: there is none.
 */
int programs_open_descriptors(const struct programs *programs);
int programs_open_sockets(const struct programs *programs);

/*
 * Makes the links that such iterators come from, once for all of them, and hands them to @steward,
 * who opens them where the process may not. What the kernel refuses stays as it is.
 */
void programs_hand_over(struct programs *programs, struct steward *steward);

/*
 * One run of the walk over the table of connections, from this bucket on, if it was loaded: what it
 * finds is in the variable `walk`. Returns 0 or -errno.
 */
int programs_walk(const struct programs *programs, uint64_t bucket, enum tcpdwell_walk_for what);

/*
 * One pass over the connections in a table, or over the places of recent ones, of this number and
 * descriptor, for the sake of those that are gone (sweep.h): if it can be done, and there is
 * something to be found. They return 0 or -errno.
 */
bool programs_can_sweep(const struct programs *programs);
int programs_sweep_table(const struct programs *programs, unsigned int number, int fd);
int programs_sweep_recent(const struct programs *programs, unsigned int number, int fd);

#endif /* TCPDWELL_BPF_PROGRAMS_H */
