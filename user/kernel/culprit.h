/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What libbpf says on standard error, and which program or map it says it of: bpf_object__load()
 * returns an errno alone, and closes what it has loaded.
 */
#ifndef TCPDWELL_CULPRIT_H
#define TCPDWELL_CULPRIT_H

#include <stdbool.h>

struct bpf_object;

/* libbpf's messages are read from here on, and shown if @verbose. */
void culprit_listen(bool verbose);

/* What was last blamed is forgotten. */
void culprit_forget(void);

/*
 * The program or map that the calling thread's last warning of libbpf was of: empty if that named
 * none.
 */
const char *culprit_name(void);

/*
 * From here on, until the next call, @object loads no program if the kernel refuses its type
 * information: libbpf takes that for something that can be done without, but the verifier would
 * look at each function for each of its calls, and take minutes.
 */
void culprit_guard(struct bpf_object *object);

/* Whether that has happened: the errno, 0: it has not. */
int culprit_types_refused(void);

#endif /* TCPDWELL_CULPRIT_H */
