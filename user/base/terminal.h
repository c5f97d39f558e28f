/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A terminal on which a write cannot wait for ever.
 *
 * A terminal that has little room is writable for poll(2), but a write of more than fits waits
 * until someone reads it. The descriptor cannot simply be made not to block: the shell shares it,
 * and would get the same.
 */
#ifndef TCPDWELL_TERMINAL_H
#define TCPDWELL_TERMINAL_H

/*
 * Opens the terminal behind @fd once more, for writing and so that it does not block. Returns a
 * descriptor, which the caller closes, or -1 if @fd is no terminal or may not be opened.
 */
int terminal_reopen(int fd);

#endif /* TCPDWELL_TERMINAL_H */
