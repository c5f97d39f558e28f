/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A terminal that writes cannot be held up by.
 *
 * One that takes a little is writable for poll(2), and yet holds a write of more until someone
 * reads it. To make the descriptor not block would make it so for the shell, too,
 * which has the same one.
 */
#ifndef TCPDWELL_TERMINAL_H
#define TCPDWELL_TERMINAL_H

/*
 * Opens the terminal behind @fd once more, for writing, as one that does not block. Returns a
 * descriptor, which the caller closes, or -1 if it is no terminal or may not be opened.
 */
int terminal_reopen(int fd);

#endif /* TCPDWELL_TERMINAL_H */
