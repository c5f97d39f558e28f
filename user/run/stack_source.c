// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/notice.h"
#include "base/spread.h"
#include "host/symbolizer.h"
#include "kernel/loader.h"
#include "host/stacks.h"
#include "run/stack_source.h"

/*
 * The number of answers that are remembered, by the socket's key: slightly more than the kernel
 * side has stacks. An answer that is displaced is asked for again.
 */
#define ANSWERS_SHIFT 15
#define ANSWERS	      (1U << ANSWERS_SHIFT)

struct answer {
	uint64_t key;
	uint64_t time_ns; /* of the stack that the answer is about */
	const struct stack *stack;
};

struct stack_source {
	const struct loader *loader;
	struct stacks *stacks;
	struct symbolizer *symbolizer;
	const struct notice *notice;
	struct answer answers[ANSWERS];
};

static void say(void *context, const char *path, const char *why)
{
	const struct stack_source *source = context;
	struct shown shown;

	if (path)
		notice_print(source->notice, NOTICE_WARNING, "no names from %s: %s",
			     escape_shown(&shown, path), why);
	else
		notice_print(source->notice, NOTICE_WARNING, "names of code are missing: %s", why);
}

struct stack_source *stack_source_new(const char *root, int stop_fd, const struct notice *notice)
{
	struct stack_source *source = calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	source->notice = notice;
	source->stacks = stacks_new();
	if (source->stacks)
		source->symbolizer = symbolizer_new(source->stacks, root, stop_fd, say, source);
	if (source->symbolizer)
		return source;
	stack_source_free(source);
	return NULL;
}

void stack_source_free(struct stack_source *source)
{
	if (!source)
		return;
	symbolizer_free(source->symbolizer);
	stacks_free(source->stacks);
	free(source);
}

void stack_source_set_loader(struct stack_source *source, const struct loader *loader)
{
	source->loader = loader;
}

void stack_source_set_steward(struct stack_source *source, struct steward *steward)
{
	symbolizer_set_steward(source->symbolizer, steward);
}

void stack_source_refresh(struct stack_source *source)
{
	symbolizer_refresh(source->symbolizer);
}

/*
 * Returns why there is no stack for a socket. The way in which its owner is known tells whether its
 * birth was seen.
 */
static enum stack_none reason(const struct stack_source *source,
			      const struct tcpdwell_socket *socket)
{
	if (socket->flags & TCPDWELL_SOCKET_QUEUED)
		return STACK_UNACCEPTED;
	if (socket->owner == TCPDWELL_OWNER_SCAN)
		return STACK_OLDER;
	if ((socket->owner == TCPDWELL_OWNER_ACCEPT || socket->owner == TCPDWELL_OWNER_CONNECT) &&
	    loader_stacks_missed(source->loader))
		return STACK_NO_ROOM;
	return STACK_UNSEEN;
}

const struct stack *stack_source_find(void *context, const struct tcpdwell_socket *socket,
				      enum stack_none *none)
{
	struct stack_source *source = context;
	uint64_t slot = spread(socket->key) >> (64 - ANSWERS_SHIFT);
	struct answer *answer = &source->answers[slot];
	const struct stack *stack;
	struct tcpdwell_stack raw;
	bool later;

	if (loader_stack(source->loader, socket->key, &raw) || !raw.time_ns) {
		*none = reason(source, socket);
		return NULL;
	}
	*none = STACK_UNREADABLE;
	if (answer->key == socket->key && answer->time_ns == raw.time_ns)
		return answer->stack;
	stack = symbolizer_resolve(source->symbolizer, &raw, socket->pid, &later);
	if (later) {
		*none = STACK_LATER;
		return NULL;
	}
	*answer = (struct answer){ .key = socket->key, .time_ns = raw.time_ns, .stack = stack };
	return stack;
}
