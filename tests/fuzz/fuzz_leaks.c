// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Snapshots, stacks and rows, as the report of `leaks` and as its JSON. */
#include <string.h>

#include "cli/options.h"
#include "host/procfs_process.h"
#include "host/symbol.h"
#include "model/leaks.h"
#include "rows.h"
#include "view/leaks_report.h"

#define START_NS 1000000000000ULL
#define STEPS	 64

/* A few stacks, whose names come from the input. */
struct scene {
	struct input input;
	struct sockets *sockets;
	struct leaks *leaks;
	struct stacks *stacks;
	uint64_t now_ns;
};

static struct stack_place *take_place(struct scene *scene)
{
	char module[16] = "", function[24] = "", file[16] = "";
	struct symbol symbol = { .into = input_u8(&scene->input) };
	uint8_t what = input_u8(&scene->input), id[BUILD_ID_BYTES];
	struct stack_place *place;

	input_take(&scene->input, module, sizeof(module) - 1);
	input_take(&scene->input, function, sizeof(function) - 1);
	input_take(&scene->input, file, sizeof(file) - 1);
	input_take(&scene->input, id, sizeof(id));
	symbol.function = what & 1 ? function : NULL;
	symbol.file = what & 2 ? file : NULL;
	symbol.line = input_u32(&scene->input);
	if (symbol.function && what & 4)
		return stacks_place_made(scene->stacks, module, symbol.line, &symbol);
	place = stacks_place(scene->stacks, what & 8 ? module : NULL, id,
			     what & 16 ? sizeof(id) : 0, symbol.line);
	if (place && !place->named && what & 32)
		stacks_name(place, &symbol);
	return place;
}

static const struct stack *stack_of(void *context, const struct tcpdwell_socket *socket,
				    enum stack_none *none)
{
	struct scene *scene = context;
	struct stack stack = {
		.how = socket->key & 1 ? TCPDWELL_OWNER_ACCEPT : TCPDWELL_OWNER_CONNECT,
		.end = input_below(&scene->input, UNWIND_CUT + 1),
		.gone = input_u8(&scene->input) & 1,
		.count = input_below(&scene->input, TCPDWELL_STACK_FRAMES + 1),
	};

	*none = input_below(&scene->input, STACK_NONE_COUNT);
	for (unsigned int i = 0; i < stack.count; i++) {
		stack.frames[i] = take_place(scene);
		if (!stack.frames[i])
			return NULL;
	}
	stack.guessed = stack.count ? input_below(&scene->input, stack.count) : 0;
	return stack.count ? stacks_keep(scene->stacks, &stack) : NULL;
}

/* What /proc says about a process. */
static void process_of(void *context, uint32_t pid, const char *comm,
		       struct procfs_process *process)
{
	struct scene *scene = context;

	(void)pid, (void)comm;
	memset(process, 0, sizeof(*process));
	input_take(&scene->input, process->command, 24);
	input_take(&scene->input, process->cgroup, 96);
	container_of_path(&process->container, process->cgroup);
	process->fds = input_u64(&scene->input);
	process->fd_limit = input_u64(&scene->input);
}

static void look(struct scene *scene)
{
	static const struct filters no_filters;
	struct leaks_scope scope = {
		.states = input_u16(&scene->input) & 0xffe,
		.older_ns = input_time_ns(&scene->input, 0),
		.top = input_u8(&scene->input),
		.pids_are_proc = true,
		.process = input_u8(&scene->input) & 1 ? process_of : NULL,
		.context = scene,
	};
	char *text = NULL;
	size_t len;
	FILE *out;

	scene->now_ns = input_time_ns(&scene->input, scene->now_ns);
	CHECK(!leaks_look(scene->leaks, scene->sockets, &no_filters, scene->now_ns));
	out = open_memstream(&text, &len);
	CHECK(out);
	leaks_report(out, scene->leaks, &scope);
	CHECK(!fclose(out) && is_clean(text, len));
	free(text);
	out = open_memstream(&text, &len);
	CHECK(out);
	leaks_json(out, scene->leaks, &scope, input_u64(&scene->input));
	CHECK(!fclose(out) && is_clean(text, len) && is_json_lines(text, len));
	free(text);
	sockets_clear(scene->sockets);
}

static void step(struct scene *scene)
{
	struct tcpdwell_transition t;
	struct tcpdwell_socket socket;

	switch (input_below(&scene->input, 8)) {
	case 0:
		look(scene);
		break;
	case 1:
		rows_take(&scene->input, &t);
		t.time_ns = input_time_ns(&scene->input, scene->now_ns);
		t.pid %= 4;
		leaks_event(scene->leaks, &t);
		break;
	default:
		rows_take_socket(&scene->input, &socket);
		if (input_u8(&scene->input) & 1)
			socket.since_ns = scene->now_ns - input_u32(&scene->input) * 1000ULL;
		CHECK(!sockets_add(scene->sockets, &socket));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene scene = {
		.input = { data, size },
		.sockets = sockets_new(),
		.stacks = stacks_new(),
		.now_ns = START_NS,
	};
	uint16_t states = input_u16(&scene.input) | 1 << TCPDWELL_CLOSE_WAIT;

	scene.leaks = leaks_new(states & 0xffe, input_time_ns(&scene.input, 0));
	CHECK(scene.sockets && scene.stacks && scene.leaks);
	if (input_u8(&scene.input) & 1)
		leaks_set_stacks(scene.leaks, stack_of, &scene);
	for (unsigned int i = 0; i < STEPS && scene.input.left; i++)
		step(&scene);
	look(&scene);
	leaks_free(scene.leaks);
	sockets_free(scene.sockets);
	stacks_free(scene.stacks);
	return 0;
}
