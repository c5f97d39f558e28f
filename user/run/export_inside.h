/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `export` is made of, for the files that it is made of: export.c has what a session asks of a
 * command, export_groups.c whom something is of, export_look.c what a look adds, export_sockets.c
 * what of that is of the sockets that exist, export_show.c what becomes of it.
 */
#ifndef TCPDWELL_EXPORT_INSIDE_H
#define TCPDWELL_EXPORT_INSIDE_H

#include "host/host_name.h"
#include "host/listener.h"
#include "model/export.h"
#include "model/findings.h"
#include "run/export.h"
#include "run/survey.h"

struct http_server;
struct textfile;

struct exporter {
	struct export *export;
	struct odometer *odometer;
	struct gather *gather;
	struct once *once;	   /* the sockets of a look, NULL: there is none */
	struct textfile *textfile; /* NULL: not asked for */
	struct facts facts;
	struct finding_ports ports[FINDING_PORTS]; /* of the last look */
	struct survey survey;
	uint32_t netns;		    /* the one that is looked at, 0: all */
	uint64_t looked_ns;	    /* 0: there was no look */
	int file_err;		    /* of the last write, so that it is said once */
	int listener;		    /* until the server has it, -1: there is none */
	struct http_server *server; /* NULL: not asked for */
	char address[LISTENER_TEXT_BYTES];
	char host[HOST_NAME_BYTES];
	int ready; /* where the first page is waited for, -1: nobody does */
};

/* What a group can be made of: those of a transition, a socket, or a call. */
struct whose {
	const char *comm;
	uint64_t cgroup_id;
	uint32_t netns;
	uint16_t port; /* the service's, 0: not known */
	bool no_addr;
	uint8_t addr[16]; /* v4-mapped */
};

/* Fills the session's failure. Returns -1. */
int exporter_fail(struct session *session, int err);

/* ---- export_groups.c ---- */

extern const char *const exporter_labels[][EXPORT_LABELS];
extern const enum tcpdwell_stat_by exporter_kernel_by[];

bool exporter_by_cgroup(const struct session *session);
uint32_t exporter_group(const struct session *session, const struct whose *whose);

/* Of a call; a process that has ended is nobody's. */
uint32_t exporter_group_of_call(struct session *session, const struct tcpdwell_failed_call *call,
				const char *comm);

/* Of an address of family 4 or 6. */
void whose_set_address(struct whose *whose, uint8_t family, const uint8_t *addr);

/* What a cgroup is called, NULL: not known. */
const struct named_cgroup *exporter_cgroup(void *session, uint64_t cgroup_id);

/* ---- export_sockets.c ---- */

/* Those that exist are in the model and in the gather. Returns 0, or -1 with the failure filled. */
int exporter_walk(struct session *session);

/* ---- export_look.c ---- */

/* Returns 0, or -1 with the failure filled. */
int exporter_look(struct session *session);

/* ---- export_show.c ---- */

/* What the last look has found, to all who ask. Returns 0, or -1 with the failure filled. */
int exporter_show(struct session *session);

#endif /* TCPDWELL_EXPORT_INSIDE_H */
