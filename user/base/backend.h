/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ways to see the states that the tracepoint hides: what the command line may ask for, and what
 * the kernel may allow.
 */
#ifndef TCPDWELL_BACKEND_H
#define TCPDWELL_BACKEND_H

enum backend {
	BACKEND_AUTO, /* the best that there is */
	BACKEND_FENTRY,
	BACKEND_KPROBE,
	BACKEND_TIMER,
	BACKEND_NONE,
};

#endif /* TCPDWELL_BACKEND_H */
