/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tracer's end of symbol_worker.h: asks, waits for as long as it may, and starts another worker
 * where one has ended. A signal that ends the tracer ends the wait. One thread.
 */
#ifndef TCPDWELL_SYMBOL_CLIENT_H
#define TCPDWELL_SYMBOL_CLIENT_H

#include "host/symbol_wire.h"

/*
 * How long a worker may take for one answer, on a machine that is busy with others; and how long
 * the tracer waits between two calls of symbol_client_refresh(), but for the request that it is at.
 */
#define SYMBOL_REQUEST_NS 3000000000ULL
#define SYMBOL_LOOK_NS	  1000000000ULL

struct symbol_client;

/*
 * To be called while the process is small and may fork. @stop_fd is the caller's, and readable once
 * nobody waits for answers any more; negative: never. Returns NULL with errno set.
 */
struct symbol_client *symbol_client_new(int stop_fd);

/* NULL-safe. */
void symbol_client_free(struct symbol_client *client);

/* Another look begins, with all of its time. */
void symbol_client_refresh(struct symbol_client *client);

/*
 * Sees that there is a worker. @generation gets its number: one that is new knows no file yet.
 * Returns 0, -ECANCELED if there is no time left, -EPIPE if there will never be a worker again.
 */
int symbol_client_begin(struct symbol_client *client, unsigned int *generation);

/*
 * Asks the worker that symbol_client_begin() saw; @fd goes along where it is not negative. Returns
 * 0 with an answer that was checked, -ECANCELED as above, or -EIO if the worker ended over it, or
 * made no sense: symbol_client_reason() says how.
 */
int symbol_client_ask(struct symbol_client *client, struct symbol_request *request, int fd,
		      struct symbol_answer *answer);

/* In words, to follow "no names: ". A literal. */
const char *symbol_client_reason(const struct symbol_client *client);

#endif /* TCPDWELL_SYMBOL_CLIENT_H */
