/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A file that is replaced as a whole again and again, by a process that has given up its
 * privileges: a small one of its own does it, which has none either. It becomes the owner of the
 * folder, has no capability, knows nothing but the folder and the name, and takes bytes alone.
 *
 * The new file is written beside the old one as `.NAME.tcpdwell`, mode 0644, and takes its name
 * then: whoever reads finds a whole one. A link is replaced, not followed. One thread.
 */
#ifndef TCPDWELL_TEXTFILE_H
#define TCPDWELL_TEXTFILE_H

#include <stddef.h>

#include "base/failure.h"

struct textfile;

/*
 * Forks it, to be called while the process is small and has its privileges. Returns NULL with
 * @failure filled: of use, if @path cannot be such a file, or of the host, if it may not be
 * written. The caller frees it.
 */
struct textfile *textfile_new(const char *path, struct failure *failure);

/* Ends the process; the file stays. NULL-safe. */
void textfile_free(struct textfile *textfile);

/*
 * Replaces the file. Returns 0, or -errno of the file system; then the old one stays. -EOWNERDEAD:
 * the process has ended, or does not answer.
 */
int textfile_write(struct textfile *textfile, const char *bytes, size_t len);

#endif /* TCPDWELL_TEXTFILE_H */
