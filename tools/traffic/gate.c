// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "gate.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

enum { TCP_ACK_OFFSET = 8, TCP_FLAGS_OFFSET = 13, SYN_AND_ACK = 0x12, SYN = 0x02 };

/* A filter returns how many bytes of a segment it keeps: 0 drops it, all of them let it pass. */
#define PASS BPF_STMT(BPF_RET | BPF_K, 0xffffffff)
#define DROP BPF_STMT(BPF_RET | BPF_K, 0)

static void attach(struct end *end, const struct sock_filter *filter, unsigned short count)
{
	struct puppet_memory *memory = puppet_memory(end->puppet);
	long err;

	if (stage_error(end->stage))
		return;
	memcpy(memory->filter, filter, count * sizeof(*filter));
	memory->program = (struct sock_fprog){ .len = count, .filter = memory->filter };
	err = puppet_call(end->puppet, SYS_setsockopt, end->fd, SOL_SOCKET, SO_ATTACH_FILTER,
			  (long)&memory->program, sizeof(memory->program));
	if (err)
		stage_fail(end->stage, err, "%s: attach a filter", end->role);
}

void gate_shut(struct end *end)
{
	static const struct sock_filter filter[] = { DROP };

	attach(end, filter, 1);
}

void gate_shut_but_syn(struct end *end)
{
	static const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_FLAGS_OFFSET),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN_AND_ACK),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYN, 0, 1),
		PASS,
		DROP,
	};

	attach(end, filter, sizeof(filter) / sizeof(filter[0]));
}

void gate_shut_but_ack(struct end *end, uint32_t ack)
{
	const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, TCP_ACK_OFFSET),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ack, 0, 1),
		PASS,
		DROP,
	};

	attach(end, filter, sizeof(filter) / sizeof(filter[0]));
}

void gate_open(struct end *end)
{
	struct puppet_memory *memory = puppet_memory(end->puppet);
	long err;

	if (stage_error(end->stage))
		return;
	err = puppet_call(end->puppet, SYS_setsockopt, end->fd, SOL_SOCKET, SO_DETACH_FILTER,
			  (long)&memory->value, sizeof(memory->value));
	if (err)
		stage_fail(end->stage, err, "%s: detach the filter", end->role);
}
