/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Starts workers (symbol_worker.h) for the tracer, which may have no right to fork any more, and is
 * too large to. The keeper is forked while neither is so, and has no rights from then on. All that
 * it gets from the tracer is one byte for each worker. When it starts one, it kills the worker
 * before.
 */
#ifndef TCPDWELL_SYMBOL_KEEPER_H
#define TCPDWELL_SYMBOL_KEEPER_H

#include <stdint.h>
#include <sys/types.h>

/* How the worker before ended, as waitpid(2) has it; negative: there was none, or it still runs. */
struct symbol_keeper_reply {
	int32_t before;
};

/*
 * Starts the keeper. Returns a socket, or -errno. Each byte on the socket asks for a worker, and
 * closing it ends all. Each reply is a struct symbol_keeper_reply, with the worker's socket beside
 * it. The caller closes the socket and waits for @pid.
 */
int symbol_keeper_start(pid_t *pid);

#endif /* TCPDWELL_SYMBOL_KEEPER_H */
