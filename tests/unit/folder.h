/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A folder of the test below /tmp, which stands for the root of a host. There is one at a time.
 */
#ifndef TCPDWELL_TEST_FOLDER_H
#define TCPDWELL_TEST_FOLDER_H

#include <stddef.h>

extern char folder_root[64];

/* cmocka calls these before and after a test; they leave @state alone. */
int folder_make(void **state);
int folder_remove(void **state);

/* Runs @command in the folder, with a umask of 022. If it fails, the test fails; so for the others.
 * */
void folder_shell(const char *command);

/* Writes the file @name below the root, and makes its folders. */
void folder_put(const char *name, const char *data, size_t len);
void folder_put_text(const char *name, const char *text);

#endif /* TCPDWELL_TEST_FOLDER_H */
