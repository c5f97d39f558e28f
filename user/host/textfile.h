/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A file that is replaced as a whole again and again, although the process has given up its
 * privileges. A small process does that, which has no privileges either. It becomes the owner of
 * the folder, has no capability, knows nothing but the folder and the name, and receives only
 * bytes.
 *
 * The new file is written beside the old one as `.NAME.tcpdwell`, with mode 0644, and is then
 * renamed. So whoever reads it finds a whole file. A link is replaced, not followed. One thread.
 */
#ifndef TCPDWELL_TEXTFILE_H
#define TCPDWELL_TEXTFILE_H

#include <stddef.h>

#include "base/failure.h"

struct textfile;

/*
 * Forks that process. To be called while the caller is small and has its privileges. Returns NULL
 * with @failure filled: an error of use if @path cannot be such a file, one of the host if it may
 * not be written. The caller frees it.
 */
struct textfile *textfile_new(const char *path, struct failure *failure);

/* Ends the process. The file stays. NULL-safe. */
void textfile_free(struct textfile *textfile);

/*
 * Replaces the file. Returns 0, or -errno of the file system, and the old file stays then. Returns
 * -EOWNERDEAD if the process has ended or does not answer.
 */
int textfile_write(struct textfile *textfile, const char *bytes, size_t len);

#endif /* TCPDWELL_TEXTFILE_H */
