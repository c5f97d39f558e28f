/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looks up addresses of kernel symbols. One thread.
 */
#ifndef TCPDWELL_KSYMS_H
#define TCPDWELL_KSYMS_H

#include <stddef.h>
#include <stdint.h>

/* The longest name that can be asked for, without its NUL. */
#define KSYM_NAME_MAX 31

/*
 * Puts the address of each of @count kernel symbols into @addresses, or 0 if there is no such
 * symbol or the kernel hides it (kernel.kptr_restrict). Returns 0 or -errno.
 */
int ksyms_find(const char *const names[], uint64_t addresses[], size_t count);

/*
 * Returns the address of one symbol, which may be data, if the kernel answers at once. Returns 0
 * otherwise.
 */
uint64_t ksyms_ask(const char *name);

#endif /* TCPDWELL_KSYMS_H */
