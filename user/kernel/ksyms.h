/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the kernel's functions are. One thread.
 */
#ifndef TCPDWELL_KSYMS_H
#define TCPDWELL_KSYMS_H

#include <stddef.h>
#include <stdint.h>

/* The longest name that can be asked for, without its end. */
#define KSYM_NAME_MAX 31

/*
 * The address of each of @count kernel symbols, 0 where there is none or where the kernel hides it
 * (kernel.kptr_restrict). Returns 0 or -errno.
 */
int ksyms_find(const char *const names[], uint64_t addresses[], size_t count);

/* The address of one symbol, data too, if the kernel tells it at once; else 0. */
uint64_t ksyms_ask(const char *name);

#endif /* TCPDWELL_KSYMS_H */
