// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/prune.h"

#define REGISTERS 11

/* What a register holds: a number, a place among the constants, or something unknown. */
enum kind { UNKNOWN, NUMBER, PLACE };

struct value {
	uint64_t number;
	enum kind kind;
};

/* What is known before an instruction, by whichever way the program got there. */
struct state {
	struct value registers[REGISTERS];
};

/* What was found out about an instruction. */
enum mark {
	REACHED = 1,
	QUEUED = 2,
	FALLS = 4, /* a conditional jump may fall through */
	JUMPS = 8, /* a conditional jump may be taken */
	DROPPED = 16,
	SECOND = 32, /* the second half of the instruction before it */
};

struct pruning {
	struct prune *prune;
	struct state *states;
	uint8_t *marks;
	uint32_t *queue;
	size_t queued;
	uint32_t *places; /* for each instruction that stays: its new index */
};

/*
 * ---- Constants ----------------------------------------------------------------------------------
 */

static void forget(struct state *state, unsigned int first, unsigned int last)
{
	for (unsigned int i = first; i <= last; i++)
		state->registers[i] = (struct value){ .kind = UNKNOWN };
}

/* Adds a way that leads to the instruction at @at. Returns 0 or -ENOTSUP. */
static int reach(struct pruning *p, size_t at, const struct state *state)
{
	struct state *known;
	bool news;

	if (at >= p->prune->count)
		return -ENOTSUP;
	known = &p->states[at];
	news = !(p->marks[at] & REACHED);
	if (news)
		*known = *state;
	for (unsigned int i = 0; i < REGISTERS; i++) {
		struct value *value = &known->registers[i];

		if (value->kind == UNKNOWN || (value->kind == state->registers[i].kind &&
					       value->number == state->registers[i].number))
			continue;
		*value = (struct value){ .kind = UNKNOWN };
		news = true;
	}
	p->marks[at] |= REACHED;
	if (!news || p->marks[at] & QUEUED)
		return 0;
	p->marks[at] |= QUEUED;
	p->queue[p->queued++] = at;
	return 0;
}

/* Adds a call of a function, about which nothing is known: it may be called from anywhere. */
static int reach_function(struct pruning *p, size_t at)
{
	static const struct state nothing;

	return reach(p, at, &nothing);
}

static struct value operand(const struct state *state, const struct bpf_insn *insn)
{
	if (BPF_SRC(insn->code) == BPF_X)
		return state->registers[insn->src_reg];
	return (struct value){ .kind = NUMBER, .number = (uint64_t)(int64_t)insn->imm };
}

/* Loads a constant. A load that begins in the map's last seven bytes is left to the kernel. */
static struct value load(const struct prune *prune, const struct value *base,
			 const struct bpf_insn *insn)
{
	uint64_t at = base->number + (int64_t)insn->off;
	const char *from = (const char *)prune->constants + at;
	struct value value = { .kind = NUMBER };
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;

	if (base->kind != PLACE || BPF_MODE(insn->code) != BPF_MEM || at > prune->constant_bytes ||
	    prune->constant_bytes - at < sizeof(uint64_t))
		return (struct value){ .kind = UNKNOWN };
	switch (BPF_SIZE(insn->code)) {
	case BPF_B:
		memcpy(&u8, from, sizeof(u8));
		value.number = u8;
		break;
	case BPF_H:
		memcpy(&u16, from, sizeof(u16));
		value.number = u16;
		break;
	case BPF_W:
		memcpy(&u32, from, sizeof(u32));
		value.number = u32;
		break;
	default:
		memcpy(&value.number, from, sizeof(value.number));
	}
	return value;
}

static struct value calculate(const struct value *a, const struct value *b, uint8_t code)
{
	bool wide = BPF_CLASS(code) == BPF_ALU64;
	uint64_t x = wide ? a->number : (uint32_t)a->number;
	uint64_t y = wide ? b->number : (uint32_t)b->number, z;

	if (a->kind != NUMBER || b->kind != NUMBER)
		return (struct value){ .kind = UNKNOWN };
	switch (BPF_OP(code)) {
	case BPF_ADD:
		z = x + y;
		break;
	case BPF_SUB:
		z = x - y;
		break;
	case BPF_AND:
		z = x & y;
		break;
	case BPF_OR:
		z = x | y;
		break;
	case BPF_XOR:
		z = x ^ y;
		break;
	case BPF_LSH:
		z = x << (y & (wide ? 63 : 31));
		break;
	case BPF_RSH:
		z = x >> (y & (wide ? 63 : 31));
		break;
	default:
		return (struct value){ .kind = UNKNOWN };
	}
	return (struct value){ .kind = NUMBER, .number = wide ? z : (uint32_t)z };
}

static struct value move(const struct value *from, const struct bpf_insn *insn)
{
	struct value value = *from;

	if (insn->off) /* a move with sign extension, or to another address space */
		return (struct value){ .kind = UNKNOWN };
	if (BPF_CLASS(insn->code) == BPF_ALU64)
		return value;
	value.number = (uint32_t)value.number;
	if (value.kind != NUMBER)
		value.kind = UNKNOWN;
	return value;
}

static void alu(struct state *state, const struct bpf_insn *insn)
{
	struct value *to = &state->registers[insn->dst_reg], with = operand(state, insn);

	if (BPF_OP(insn->code) == BPF_MOV)
		*to = move(&with, insn);
	else
		*to = calculate(to, &with, insn->code);
}

/*
 * ---- Ways ---------------------------------------------------------------------------------------
 */

static bool holds(uint64_t x, uint64_t y, int64_t sx, int64_t sy, uint8_t op)
{
	switch (op) {
	case BPF_JEQ:
		return x == y;
	case BPF_JNE:
		return x != y;
	case BPF_JGT:
		return x > y;
	case BPF_JGE:
		return x >= y;
	case BPF_JLT:
		return x < y;
	case BPF_JLE:
		return x <= y;
	case BPF_JSET:
		return x & y;
	case BPF_JSGT:
		return sx > sy;
	case BPF_JSGE:
		return sx >= sy;
	case BPF_JSLT:
		return sx < sy;
	default:
		return sx <= sy;
	}
}

/* Returns which ways a conditional jump may go: FALLS and JUMPS. */
static int ways(const struct state *state, const struct bpf_insn *insn)
{
	const struct value *a = &state->registers[insn->dst_reg];
	struct value b = operand(state, insn);
	bool taken;

	if (a->kind != NUMBER || b.kind != NUMBER)
		return FALLS | JUMPS;
	if (BPF_CLASS(insn->code) == BPF_JMP)
		taken = holds(a->number, b.number, a->number, b.number, BPF_OP(insn->code));
	else
		taken = holds((uint32_t)a->number, (uint32_t)b.number, (int32_t)a->number,
			      (int32_t)b.number, BPF_OP(insn->code));
	return taken ? JUMPS : FALLS;
}

static int follow_call(struct pruning *p, size_t at, struct state *state)
{
	const struct bpf_insn *insn = &p->prune->insns[at];
	int err = 0;

	if (insn->src_reg == BPF_PSEUDO_CALL)
		err = reach_function(p, at + 1 + insn->imm);
	forget(state, BPF_REG_0, BPF_REG_5);
	return err ?: reach(p, at + 1, state);
}

static int follow_jump(struct pruning *p, size_t at, struct state *state)
{
	const struct bpf_insn *insn = &p->prune->insns[at];
	int may, err = 0;

	switch (BPF_OP(insn->code)) {
	case BPF_CALL:
		return follow_call(p, at, state);
	case BPF_EXIT:
		return 0;
	case BPF_JA:
		if (BPF_CLASS(insn->code) == BPF_JMP32)
			return -ENOTSUP;
		return reach(p, at + 1 + insn->off, state);
	case 0xe0: /* BPF_JCOND: it is unknown which way it goes */
		return -ENOTSUP;
	}
	may = ways(state, insn);
	p->marks[at] |= may;
	if (may & FALLS)
		err = reach(p, at + 1, state);
	if (may & JUMPS)
		err = err ?: reach(p, at + 1 + insn->off, state);
	return err;
}

/* Follows an instruction of two slots: a 64-bit number, a map, or a function. */
static int follow_wide(struct pruning *p, size_t at, struct state *state)
{
	const struct bpf_insn *insn = &p->prune->insns[at];
	struct value *to = &state->registers[insn->dst_reg];

	if (insn->code != (BPF_LD | BPF_IMM | BPF_DW) || at + 1 >= p->prune->count)
		return -ENOTSUP;
	p->marks[at + 1] |= SECOND;
	*to = (struct value){ .kind = UNKNOWN };
	if (!insn->src_reg)
		*to = (struct value){ .kind = NUMBER,
				      .number = (uint32_t)insn[0].imm | (uint64_t)insn[1].imm
										<< 32 };
	else if (insn->src_reg == BPF_PSEUDO_MAP_VALUE && insn->imm == p->prune->map)
		*to = (struct value){ .kind = PLACE, .number = (uint32_t)insn[1].imm };
	else if (insn->src_reg == BPF_PSEUDO_FUNC && reach_function(p, at + 1 + insn->imm))
		return -ENOTSUP;
	return reach(p, at + 2, state);
}

/* Follows the instruction at @at to those that may come after it. */
static int follow(struct pruning *p, size_t at)
{
	const struct bpf_insn *insn = &p->prune->insns[at];
	struct state state = p->states[at];

	if (insn->dst_reg >= REGISTERS || insn->src_reg >= REGISTERS)
		return -ENOTSUP;
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		return follow_wide(p, at, &state);
	case BPF_LDX:
		state.registers[insn->dst_reg] = load(p->prune, &state.registers[insn->src_reg],
						      insn);
		break;
	case BPF_STX:
		/* An atomic operation returns its result in one of these. */
		if (BPF_MODE(insn->code) == BPF_ATOMIC) {
			forget(&state, BPF_REG_0, BPF_REG_0);
			forget(&state, insn->src_reg, insn->src_reg);
			forget(&state, insn->dst_reg, insn->dst_reg);
		}
		break;
	case BPF_ALU:
	case BPF_ALU64:
		alu(&state, insn);
		break;
	case BPF_JMP:
	case BPF_JMP32:
		return follow_jump(p, at, &state);
	}
	return reach(p, at + 1, &state);
}

/*
 * ---- What stays ---------------------------------------------------------------------------------
 */

static bool stays(const struct pruning *p, size_t at)
{
	if (p->marks[at] & SECOND)
		at--;
	return p->marks[at] & REACHED && !(p->marks[at] & DROPPED);
}

static bool is_conditional(const struct bpf_insn *insn)
{
	uint8_t class = BPF_CLASS(insn->code), op = BPF_OP(insn->code);

	return (class == BPF_JMP || class == BPF_JMP32) && op != BPF_JA && op != BPF_CALL &&
	       op != BPF_EXIT;
}

static bool is_jump(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_JA);
}

/* Makes a conditional jump that goes only one way a plain jump, or drops it. */
static void decide(struct pruning *p)
{
	for (size_t i = 0; i < p->prune->count; i++) {
		struct bpf_insn *insn = &p->prune->insns[i];

		if (p->marks[i] & SECOND || !(p->marks[i] & REACHED) || !is_conditional(insn))
			continue;
		if (!(p->marks[i] & FALLS))
			*insn = (struct bpf_insn){ .code = BPF_JMP | BPF_JA, .off = insn->off };
		else if (!(p->marks[i] & JUMPS))
			p->marks[i] |= DROPPED;
	}
}

/*
 * Numbers the instructions that stay. An instruction that goes has the number of the next one that
 * stays.
 */
static void number(struct pruning *p)
{
	uint32_t place = 0;

	for (size_t i = 0; i < p->prune->count; i++) {
		p->places[i] = place;
		place += stays(p, i);
	}
	p->places[p->prune->count] = place;
}

/* Drops jumps to the instruction that comes next anyway. Returns true if there were any. */
static bool drop_jumps(struct pruning *p)
{
	bool any = false;

	for (size_t i = 0; i < p->prune->count; i++) {
		const struct bpf_insn *insn = &p->prune->insns[i];

		if (p->marks[i] & SECOND || !stays(p, i) || !is_jump(insn) ||
		    p->places[i + 1 + insn->off] != p->places[i + 1])
			continue;
		p->marks[i] |= DROPPED;
		any = true;
	}
	return any;
}

/* Sets where an instruction that stays leads, counted from the one behind it. */
static void retarget(const struct pruning *p, size_t at, struct bpf_insn *insn)
{
	uint32_t next = p->places[at] + 1;
	bool calls = insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == BPF_PSEUDO_CALL;
	bool names = insn->code == (BPF_LD | BPF_IMM | BPF_DW) && insn->src_reg == BPF_PSEUDO_FUNC;

	if (calls || names)
		insn->imm = (int32_t)(p->places[at + 1 + insn->imm] - next);
	else if (is_jump(insn) || is_conditional(insn))
		insn->off = (int16_t)(p->places[at + 1 + insn->off] - next);
}

static void move_together(struct pruning *p)
{
	struct bpf_insn *insns = p->prune->insns;

	for (size_t i = 0; i < p->prune->count; i++) {
		if (!stays(p, i))
			continue;
		if (!(p->marks[i] & SECOND))
			retarget(p, i, &insns[i]);
		insns[p->places[i]] = insns[i];
	}
}

static void move_functions(struct pruning *p)
{
	struct prune *prune = p->prune;
	char *to = prune->functions;
	uint32_t left = 0;

	for (uint32_t i = 0; i < prune->function_count; i++) {
		char *from = (char *)prune->functions + (size_t)i * prune->function_bytes;
		struct bpf_func_info *info = (struct bpf_func_info *)from;

		if (!(p->marks[info->insn_off] & REACHED))
			continue;
		info->insn_off = p->places[info->insn_off];
		memmove(to, from, prune->function_bytes);
		to += prune->function_bytes;
		left++;
	}
	prune->function_count = left;
}

static int find_ways(struct pruning *p)
{
	int err = reach_function(p, 0);

	while (p->queued && !err) {
		size_t at = p->queue[--p->queued];

		p->marks[at] &= ~QUEUED;
		err = follow(p, at);
	}
	return err;
}

static void cut(struct pruning *p)
{
	decide(p);
	do
		number(p);
	while (drop_jumps(p));
	move_together(p);
	move_functions(p);
	p->prune->count = p->places[p->prune->count];
}

int prune(struct prune *prune)
{
	struct pruning p = {
		.prune = prune,
		.states = calloc(prune->count + 1, sizeof(*p.states)),
		.marks = calloc(prune->count + 1, sizeof(*p.marks)),
		.queue = calloc(prune->count + 1, sizeof(*p.queue)),
		.places = calloc(prune->count + 1, sizeof(*p.places)),
	};
	int err = p.states && p.marks && p.queue && p.places ? 0 : -ENOMEM;

	if (!err)
		err = find_ways(&p);
	if (!err)
		cut(&p);
	free(p.states);
	free(p.marks);
	free(p.queue);
	free(p.places);
	return err;
}
