/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of `export` share: export.c has the callbacks of the session, export_groups.c
 * decides which group something counts for, export_look.c takes a look, export_sockets.c adds the
 * sockets that exist to it, export_show.c publishes the result.
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
	struct once *once;	   /* collects the sockets of a look; NULL between looks */
	struct textfile *textfile; /* NULL: not asked for */
	struct facts facts;
	struct finding_ports ports[FINDING_PORTS]; /* local ports, as the last look found them */
	struct survey survey;
	uint32_t netns;		    /* the namespace that is looked at; 0: all */
	uint64_t looked_ns;	    /* when the last look began; 0: there was none */
	unsigned int more_failures; /* looks that may fail in a row from here on */
	uint64_t start_wall_ns;	    /* when counters began, as the wall clock was then */
	uint64_t unfound;	    /* sockets of the last look that findings had no room for */
	int file_err;		    /* the error of the last write, which is reported once */
	int listener;		    /* until the server takes it over; -1: none */
	struct http_server *server; /* NULL: not asked for */
	char address[LISTENER_TEXT_BYTES];
	char host[HOST_NAME_BYTES];
	int ready; /* where sd_notify(3) sends the readiness; -1: nobody waits */
};

/* What a group can be made from. It describes a transition, a socket or a call. */
struct whose {
	const char *comm;
	uint64_t cgroup_id;
	uint32_t netns;
	uint16_t port;	  /* the service's port; 0: not known */
	uint8_t addr[16]; /* v4-mapped */
};

/* Fills the session's failure from @err, a -errno. Returns -1. */
int exporter_fail(struct session *session, int err);

/* ---- export_groups.c ---- */

extern const char *const exporter_labels[][EXPORT_LABELS];
extern const enum tcpdwell_stat_by exporter_kernel_by[];

bool exporter_by_cgroup(const struct session *session);

/* Returns whether processes of a group belong together: by name, unit, container, … */
bool exporter_by_programs(const struct session *session);

uint32_t exporter_group(const struct session *session, const struct whose *whose);

/* Returns the group of a failed call. If its process has ended, the cgroup is not known. */
uint32_t exporter_group_of_call(struct session *session, const struct tcpdwell_failed_call *call,
				const char *comm);

/* Sets the address from one of family 4 or 6. */
void whose_set_address(struct whose *whose, uint8_t family, const uint8_t *addr);

/* Returns what the cgroup is called, or NULL if that is not known. @session is a struct session. */
const struct named_cgroup *exporter_cgroup(void *session, uint64_t cgroup_id);

/* ---- export_sockets.c ---- */

/*
 * Walks over the sockets that exist and adds them to the model and to the gather. Returns 0, or -1
 * with the failure filled.
 */
int exporter_walk(struct session *session);

/* ---- export_look.c ---- */

/* Takes a look. Returns 0, or -1 with the failure filled. */
int exporter_look(struct session *session);

/* ---- export_show.c ---- */

/*
 * Publishes what the last look found wherever options ask for it. Returns 0, or -1 with the failure
 * filled.
 */
int exporter_show(struct session *session);

#endif /* TCPDWELL_EXPORT_INSIDE_H */
