/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A folder of the test's own below /tmp, which stands for the root of a host. One at a time.
 */
#ifndef TCPDWELL_TEST_FOLDER_H
#define TCPDWELL_TEST_FOLDER_H

#include <stddef.h>

extern char folder_root[64];

/* As cmocka calls them, before and after: they leave @state alone. */
int folder_make(void **state);
int folder_remove(void **state);

/* Runs it there, with a umask of 022. Fails the test if it fails, as the others do. */
void folder_shell(const char *command);

/* Writes the file @name below the root, and makes the folders that it is in. */
void folder_put(const char *name, const char *data, size_t len);
void folder_put_text(const char *name, const char *text);

#endif /* TCPDWELL_TEST_FOLDER_H */
