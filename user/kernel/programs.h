/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The BPF programs of a run: which of the skeleton's programs are shown to the kernel, and their
 * links. This is a part of the loader: no other module uses it.
 *
 * It owns the links. The skeleton and the features belong to the loader, and must outlive it. One
 * thread.
 */
#ifndef TCPDWELL_BPF_PROGRAMS_H
#define TCPDWELL_BPF_PROGRAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/notice.h"
#include "kernel/feature.h"
#include "wire.h"

/* The tracepoint that tells each transition. */
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
 * Marks the programs that will be loaded and the maps that will be made: those of the features that
 * the run wants and the kernel has. To be called after the knobs are set and before the skeleton is
 * loaded. A program or map that is not chosen is not even shown to the kernel.
 */
void programs_choose(struct programs *programs);

/*
 * Runs once each program that is loaded but never attached, while it has nothing to do: a kernel
 * may load a program and refuse to run it. @table is a map of connections, or negative. Returns 0,
 * or -errno with @refused, the name of the program.
 */
int programs_try(const struct programs *programs, int table, const char **refused);

/*
 * Attaches the programs that are loaded. They see events only after all are attached. Returns 0, or
 * -errno with @refused, the name of the program, and has then attached none.
 */
int programs_attach(struct programs *programs, const struct notice *notice, const char **refused);

/* Detaches all programs: none of them runs by itself after that. */
void programs_detach(struct programs *programs);

/*
 * Returns the program that tells a transition. It is either attached to the tracepoint itself, or
 * entered by tail call from the programs there.
 */
struct bpf_program *programs_told(const struct tcpdwell_bpf *skel);

/*
 * The first returns the first program at the tracepoint. The second returns the one that lets rows
 * go that are held, which may not be loaded.
 */
struct bpf_program *programs_transition(const struct programs *programs);
struct bpf_program *programs_flush(const struct programs *programs);

/*
 * Open an iterator over all descriptors, or over the sockets of the calling thread's network
 * namespace. The caller closes it. They return -errno if there is none.
 */
int programs_open_descriptors(const struct programs *programs);
int programs_open_sockets(const struct programs *programs);

/*
 * Gives back the programs and maps that only a look at sockets needs. There must be no look after
 * that.
 */
void programs_look_no_more(struct programs *programs);

/*
 * Makes the links that these iterators come from, once for all of them, and hands them to @steward,
 * which opens iterators where the process may not. What the kernel refuses stays as it is.
 */
void programs_hand_over(struct programs *programs, struct steward *steward);

/*
 * Runs the walk over the table of connections once, from @bucket on. Its results are in the
 * variable `walk` of the kernel side. Returns 0 or -errno.
 */
int programs_walk(const struct programs *programs, uint64_t bucket, enum tcpdwell_walk_for what);

/*
 * programs_can_sweep() returns true if the run looks for connections that are gone (sweep.h). The
 * others look once through the connections of a table, or of a map of slots of recent ones, which
 * has this number and descriptor. They return 0 or -errno.
 */
bool programs_can_sweep(const struct programs *programs);
int programs_sweep_table(const struct programs *programs, unsigned int number, int fd);
int programs_sweep_recent(const struct programs *programs, unsigned int number, int fd);

#endif /* TCPDWELL_BPF_PROGRAMS_H */
