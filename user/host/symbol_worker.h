/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The process that reads the files of others. It answers the requests of symbol_wire.h, one at a
 * time, and has nothing but its socket and the descriptors that come with them. Whatever a file
 * makes it do harms only itself: another worker is started.
 *
 * It ends itself if a request takes too much, with a status that says what there was too much of.
 */
#ifndef TCPDWELL_SYMBOL_WORKER_H
#define TCPDWELL_SYMBOL_WORKER_H

/* How a worker ends that was not killed. A library would not choose any of these statuses. */
enum symbol_worker_end {
	SYMBOL_WORKER_DONE = 100, /* nobody asks any more */
	SYMBOL_WORKER_UNCONFINED, /* the kernel would not take its rights away: nothing was read */
	SYMBOL_WORKER_LARGE,
	SYMBOL_WORKER_SLOW,
};

/* Gives up all rights, and answers over @fd until the other end is closed. Does not return. */
_Noreturn void symbol_worker_run(int fd);

#endif /* TCPDWELL_SYMBOL_WORKER_H */
