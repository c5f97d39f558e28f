/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Starts workers (symbol_worker.h) for a tracer that may have no right to fork any more, and is too
 * large to. It is forked before the tracer is either, has no rights from then on, and sees nothing
 * but one byte a worker from the tracer: whatever ran before is killed.
 */
#ifndef TCPDWELL_SYMBOL_KEEPER_H
#define TCPDWELL_SYMBOL_KEEPER_H

#include <stdint.h>
#include <sys/types.h>

/* How the worker before ended: as waitpid(2) has it; negative: there was none, or it lives on. */
struct symbol_keeper_reply {
	int32_t before;
};

/*
 * Returns the socket that workers are asked for over, each by one byte, and that is closed to end
 * all; or -errno. Each reply is a struct symbol_keeper_reply with the socket of the worker beside
 * it. The caller closes the socket and waits for @pid.
 */
int symbol_keeper_start(pid_t *pid);

#endif /* TCPDWELL_SYMBOL_KEEPER_H */
