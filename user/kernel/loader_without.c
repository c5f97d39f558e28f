// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "kernel/knobs.h"
#include "kernel/loader_inside.h"
#include "kernel/programs.h"
#include "tcpdwell.skel.h"

/* A smaller ring is of no use. */
#define RING_BYTES_MIN (64 * 1024)

/*
 * Fails if the kernel refuses a feature that the user asked for by name: such a feature is not left
 * out silently.
 */
int loader_check_asked_for(const struct loader *loader, struct failure *failure)
{
	static const enum feature_id asked_for[] = { FEATURE_PIDS, FEATURE_ADDRESSES, FEATURE_SUMS,
						     FEATURE_LIVES };
	char text[OBSTACLE_TEXT_LEN];

	for (unsigned int i = 0; i < sizeof(asked_for) / sizeof(*asked_for); i++) {
		enum feature_id id = asked_for[i];

		if (features_want(&loader->features, id) && !features_have(&loader->features, id))
			return failure_set(failure, STATUS_HOST, "%s: %s", feature_table[id].lost,
					   obstacle_text(features_why(&loader->features, id),
							 text));
	}
	return 0;
}

/*
 * Says that no more files can be opened. Programs and maps are files, and so are other files of the
 * host: if there are too many of them, the kernel refuses another one.
 */
static int files_ran_out(struct failure *failure)
{
	struct rlimit limit = {};

	getrlimit(RLIMIT_NOFILE, &limit);
	return failure_set(failure, STATUS_HOST,
			   "no more files can be opened: RLIMIT_NOFILE is %" PRIu64
			   " (ulimit -n), %d will do",
			   (uint64_t)limit.rlim_cur, LOADER_FILES);
}

static int cannot_do_without(const struct refusal *refusal, struct failure *failure)
{
	char what[128] = "the program";

	if (refusal->name && refusal->name[0])
		snprintf(what, sizeof(what), "%s, which nothing works without", refusal->name);
	return capability_refused(failure, what, refusal->err);
}

static bool is_transition(const char *name)
{
	static const char tracepoint[] = "inet_sock_set_state";

	return !strncmp(name, tracepoint, sizeof(tracepoint) - 1);
}

/* Asks for rows where the kernel refuses sums and the caller can sum up rows itself. */
static void ask_for_rows_instead(struct loader *loader)
{
	struct capture *capture = &loader->capture;

	if (!capture->sums.wanted || !capture->sums.or_rows ||
	    features_have(&loader->features, FEATURE_SUMS))
		return;
	capture->sums.wanted = false;
	capture->rows = true;
	loader->features.wanted = loader->wanted = knobs_wanted(capture);
}

/* Closes the ways that the refusal affects. Returns 0 if there is another way to go on, or -1. */
static int do_without(struct loader *loader, const struct refusal *refusal, struct failure *failure)
{
	const char *name = refusal->name ?: "";
	int given_up;

	if (refusal->err == EMFILE || refusal->err == ENFILE)
		return files_ran_out(failure);
	notice_print(loader->notice, NOTICE_DETAIL, "refused: %s: %s", name,
		     capability_error(refusal->err));
	if (loader->make_bss && !loader->own_bss && !strcmp(name, ".bss"))
		return 0;
	if (!strcmp(name, "ring") && loader->capture.ring_bytes > RING_BYTES_MIN) {
		loader->capture.ring_bytes /= 4;
		if (loader->capture.ring_bytes < RING_BYTES_MIN)
			loader->capture.ring_bytes = RING_BYTES_MIN;
		return 0;
	}
	if (!features_refused(&loader->features, name, refusal->err)) {
		if (refusal->attaching || (name[0] && !is_transition(name)))
			return cannot_do_without(refusal, failure);
		given_up = features_give_up_one(&loader->features, refusal->err);
		if (given_up == FEATURE_NONE)
			return cannot_do_without(refusal, failure);
		notice_print(loader->notice, NOTICE_DETAIL, "without %s",
			     feature_table[given_up].name);
	} else if (features_want(&loader->features, FEATURE_TRANSITIONS) &&
		   !features_have(&loader->features, FEATURE_TRANSITIONS)) {
		return cannot_do_without(refusal, failure);
	}
	ask_for_rows_instead(loader);
	return loader->probes ? 0 : loader_check_asked_for(loader, failure);
}

static int reopen(struct loader *loader, struct failure *failure)
{
	loader_close_programs(loader);
	if (loader_open_programs(loader))
		return failure_errno(failure, "cannot open the program", errno);
	return 0;
}

/*
 * Loads all that the kernel takes. The object is open. It is opened again without what the kernel
 * refuses, until it is loaded.
 */
int loader_load_what_can_be(struct loader *loader, struct failure *failure)
{
	for (;;) {
		struct refusal refusal = {};
		int err = loader_prepare(loader, &refusal, failure);

		if (err < 0)
			return -1;
		if (!err && !loader_load(loader, &refusal))
			return 0;
		if (do_without(loader, &refusal, failure) || reopen(loader, failure))
			return -1;
	}
}

/* Warns of what the user does not get. */
void loader_warn_missing(const struct loader *loader)
{
	char text[OBSTACLE_TEXT_LEN];

	if (loader->probes)
		return;
	for (int id = 0; id < FEATURE_COUNT; id++) {
		if (!features_miss(&loader->features, id))
			continue;
		/* A caller that looks in another way says so itself. */
		if (loader->capture.sockets_otherwise &&
		    (id == FEATURE_DESCRIPTORS || id == FEATURE_SOCKETS))
			continue;
		notice_print(loader->notice, NOTICE_WARNING, "%s: %s (see `tcpdwell probe`)",
			     feature_table[id].lost,
			     obstacle_text(features_why(&loader->features, id), text));
	}
	if (loader->capture.sums.or_rows && !loader->capture.sums.wanted)
		notice_print(
			loader->notice, NOTICE_WARNING,
			"rows are summed up outside the kernel, which takes more time, and waits "
			"for accept() are not known: %s (see `tcpdwell probe`)",
			obstacle_text(features_why(&loader->features, FEATURE_SUMS), text));
	if (!loader->rodata->cfg_has_cookie)
		notice_print(loader->notice, NOTICE_DETAIL,
			     "no socket cookies in tracing programs (Linux 5.12): "
			     "identities are the tracer's own");
}

/* Tries until all programs that are loaded are attached, too. */
int loader_attach_what_can_be(struct loader *loader, struct failure *failure)
{
	for (;;) {
		struct refusal refusal = { .attaching = true };
		int err = programs_attach(loader->programs, loader->notice, &refusal.name);

		if (!err)
			return 0;
		refusal.err = -err;
		if (do_without(loader, &refusal, failure) || reopen(loader, failure) ||
		    loader_load_what_can_be(loader, failure))
			return -1;
	}
}
