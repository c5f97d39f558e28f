/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads libbpf's messages, and finds out which program or map a warning is about. That is needed
 * because bpf_object__load() returns only an errno, and closes what it has loaded.
 */
#ifndef TCPDWELL_CULPRIT_H
#define TCPDWELL_CULPRIT_H

#include <stdbool.h>

/* Has libbpf's messages read from here on. They are shown on standard error if @verbose. */
void culprit_listen(bool verbose);

/* Forgets the name that culprit_name() would return. */
void culprit_forget(void);

/*
 * Returns the name of the program or map that the last warning of libbpf on the calling thread was
 * about. It is empty if that warning named none.
 */
const char *culprit_name(void);

/* Returns the errno with which the calling thread's type information was refused, or 0. */
int culprit_types_refused(void);

/* Returns the errno with which the kernel refused libbpf's trial of variables of programs, or 0. */
int culprit_variables_refused(void);

#endif /* TCPDWELL_CULPRIT_H */
