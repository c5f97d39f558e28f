/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tracer's end of symbol_worker.h. It asks, waits for as long as it may, and starts another
 * worker if one has ended. A signal that ends the tracer also ends the wait. One thread.
 */
#ifndef TCPDWELL_SYMBOL_CLIENT_H
#define TCPDWELL_SYMBOL_CLIENT_H

#include "host/symbol_wire.h"

/*
 * How long a worker may take for one answer, on a machine that is busy with other work. And how
 * long the tracer waits in total between two calls of symbol_client_refresh(), not counting the
 * request that it is at.
 */
#define SYMBOL_REQUEST_NS 3000000000ULL
#define SYMBOL_LOOK_NS	  1000000000ULL

struct symbol_client;

/*
 * To be called while the process is small and may fork. @stop_fd is the caller's. It is readable
 * once nobody waits for answers any more; negative: never. Returns NULL with errno set.
 */
struct symbol_client *symbol_client_new(int stop_fd);

/* NULL-safe. */
void symbol_client_free(struct symbol_client *client);

/* Says that another look begins, which has all of its time again. */
void symbol_client_refresh(struct symbol_client *client);

/*
 * Makes sure that there is a worker. @generation gets its number: a worker with a new number knows
 * no file yet. Returns 0, -ECANCELED if there is no time left, or -EPIPE if there will never be a
 * worker again.
 */
int symbol_client_begin(struct symbol_client *client, unsigned int *generation);

/*
 * Asks the worker that symbol_client_begin() made sure of. @fd goes along if it is not negative.
 * Returns 0 with an answer that was checked, or -ECANCELED as above. Returns -EIO if the worker
 * ended, or made no sense: symbol_client_reason() says how.
 */
int symbol_client_ask(struct symbol_client *client, struct symbol_request *request, int fd,
		      struct symbol_answer *answer);

/* Returns the reason in words that follow "no names: ". A string literal. */
const char *symbol_client_reason(const struct symbol_client *client);

#endif /* TCPDWELL_SYMBOL_CLIENT_H */
