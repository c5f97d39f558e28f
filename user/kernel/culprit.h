/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What libbpf says on standard error, and which program or map it says it of: bpf_object__load()
 * returns an errno alone, and closes what it has loaded.
 */
#ifndef TCPDWELL_CULPRIT_H
#define TCPDWELL_CULPRIT_H

#include <stdbool.h>

/* libbpf's messages are read from here on, and shown if @verbose. */
void culprit_listen(bool verbose);

/* What was last blamed is forgotten. */
void culprit_forget(void);

/*
 * The program or map that the calling thread's last warning of libbpf was of: empty if that named
 * none.
 */
const char *culprit_name(void);

#endif /* TCPDWELL_CULPRIT_H */
