/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs the program after `--`. It is forked first, and started only when the tracer is attached.
 */
#ifndef TCPDWELL_PROGRAM_H
#define TCPDWELL_PROGRAM_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/failure.h"

struct program;

/*
 * Forks a child that will run @argv once it is let go, with the caller's privileges and the signal
 * mask @mask. The strings of @argv must outlive it. Returns NULL with errno set. The caller frees
 * it.
 */
struct program *program_new(char *argv[], const sigset_t *mask);

/* A child that was never let go ends without running the program. NULL-safe. */
void program_free(struct program *program);

pid_t program_pid(const struct program *program);

/* Lets the program run. Returns 0, or -1 with @failure filled if execvp(3) fails. */
int program_go(struct program *program, struct failure *failure);

/* Returns true if the program has ended. Does not wait. */
bool program_ended(struct program *program);

#endif /* TCPDWELL_PROGRAM_H */
