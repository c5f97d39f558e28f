// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The path of an end: the states that were seen, those that it must have passed, and bounds of
 * when.
 */
#include "address.h"
#include "end.h"
#include "table.h"

#include <errno.h>
#include <sys/syscall.h>

/*
 * Longer than the retransmissions of a SYN and a SYN-ACK with one retry (3 s), on a slow machine.
 */
static const uint64_t PATIENCE_NS = 20ULL * 1000 * 1000 * 1000;

static int info_state(struct end *end)
{
	struct puppet_memory *memory = puppet_memory(end->puppet);
	long err;

	memory->len = sizeof(memory->info);
	err = puppet_call(end->puppet, SYS_getsockopt, end->fd, IPPROTO_TCP, TCP_INFO,
			  (long)&memory->info, (long)&memory->len);
	return err ? (int)err : memory->info.tcpi_state;
}

int end_state(struct end *end)
{
	int state = TCP_CLOSE, table;

	if (end->fd >= 0)
		state = info_state(end);
	/* The descriptor of a connection that became a timewait socket reports CLOSE. */
	if (state != TCP_CLOSE || !address_port(&end->local))
		return state;
	table = puppet_table(end->puppet, end->local.ss_family == AF_INET6);
	return table_state(table, address_port(&end->local), address_port(&end->remote));
}

void end_passes(struct end *end, int state)
{
	if (stage_error(end->stage))
		return;
	if (end->steps == END_STEPS) {
		stage_fail(end->stage, -ENOSPC, "%s: path too long", end->role);
		return;
	}
	end->path[end->steps++] = (struct end_step){ .state = state, .lo_ns = end->verified_ns };
}

/* Returns the index of the first step that has not been seen. */
static unsigned int first_unseen(const struct end *end)
{
	unsigned int i = end->steps;

	while (i && !end->path[i - 1].hi_ns)
		i--;
	return i;
}

/* Takes a look and narrows the bounds. Returns the state, or -errno. */
static int look(struct end *end)
{
	uint64_t before_ns = now_ns();
	int state = end_state(end);
	uint64_t after_ns = now_ns();
	unsigned int unseen = first_unseen(end), at;

	for (at = unseen ? unseen - 1 : 0; at < end->steps; at++)
		if (end->path[at].state == state)
			break;
	if (at == end->steps)
		return state;
	end->verified_ns = before_ns;
	for (unsigned int i = unseen; i <= at; i++)
		end->path[i].hi_ns = after_ns;
	for (unsigned int i = at + 1; i < end->steps; i++)
		end->path[i].lo_ns = before_ns;
	return state;
}

static void wait_for_last(struct end *end)
{
	uint64_t begin_ns = now_ns();
	int state;

	while (!stage_error(end->stage)) {
		state = look(end);
		if (state < 0) {
			stage_fail(end->stage, state, "%s: read the state", end->role);
		} else if (first_unseen(end) == end->steps) {
			return;
		} else if (now_ns() - begin_ns > PATIENCE_NS) {
			stage_fail(end->stage, -ETIMEDOUT, "%s: waited for %s, is %s", end->role,
				   state_name(end->path[end->steps - 1].state), state_name(state));
		} else {
			wait_a_little(begin_ns);
		}
	}
}

void end_look(struct end *end)
{
	if (!stage_error(end->stage))
		look(end);
}

void end_goes_(struct end *end, const int *states)
{
	for (; *states; states++)
		end_passes(end, *states);
	wait_for_last(end);
}

void end_over_(struct end *end, const char *reason, int error, const int *states)
{
	end_goes_(end, states);
	end->reason = reason;
	end->error = error;
}

void end_expires(struct end *end, const char *reason)
{
	end_passes(end, TCP_CLOSE);
	end->reason = reason;
}

/* A look cannot see it, because @to has taken its place in the table. */
void end_gave_way(struct end *end, const struct end *to, const char *reason)
{
	if (stage_error(end->stage))
		return;
	end->verified_ns = to->path[1].lo_ns;
	end_passes(end, TCP_CLOSE);
	end->path[end->steps - 1].hi_ns = now_ns();
	end->reason = reason;
}

void end_still(struct end *end)
{
	unsigned int unseen = first_unseen(end);
	int state;

	/*
	 * A state that was not seen yet moves on by itself, and a closed end has nothing to hold.
	 */
	if (stage_error(end->stage) || unseen != end->steps || !unseen ||
	    end->path[unseen - 1].state == TCP_CLOSE)
		return;
	state = look(end);
	if (state != end->path[unseen - 1].state)
		stage_fail(end->stage, -EPROTO, "%s: left %s for %s by itself", end->role,
			   state_name(end->path[unseen - 1].state), state_name(state));
}
