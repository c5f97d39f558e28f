/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ways to see the states that the tracepoint hides. The command line may ask for one of them,
 * and the kernel may refuse it.
 */
#ifndef TCPDWELL_BACKEND_H
#define TCPDWELL_BACKEND_H

enum backend {
	BACKEND_AUTO, /* the best one that the kernel allows */
	BACKEND_FENTRY,
	BACKEND_KPROBE,
	BACKEND_TIMER,
	BACKEND_NONE,
};

#endif /* TCPDWELL_BACKEND_H */
