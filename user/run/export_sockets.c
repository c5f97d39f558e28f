// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>

#include "model/ages.h"
#include "model/export.h"
#include "model/gather.h"
#include "model/odometer.h"
#include "model/once.h"
#include "run/export_inside.h"

/*
 * Returns the service's port as the kernel side decides it, so that counters and gauges of a port
 * are about the same sockets.
 */
static uint16_t service_of(const struct exporter *x, const struct tcpdwell_socket *info)
{
	if (info->state == TCPDWELL_LISTEN || info->state == TCPDWELL_SYN_RECV || !info->rport ||
	    info->flags & TCPDWELL_SOCKET_QUEUED)
		return info->lport;
	return service_port(service_side(info->owner, 0, info->lport, info->rport,
					 gather_port_range(x->gather, info->netns)),
			    info->lport, info->rport);
}

/*
 * Returns true if the process that has the connection was to close it long ago. Nobody has one that
 * waits for accept().
 */
static bool is_leaked(const struct session *session, const struct tcpdwell_socket *info,
		      struct age age)
{
	uint64_t leak_ns = session->options->leak_ns;
	const struct exporter *x = session->model;

	return !(info->flags & TCPDWELL_SOCKET_QUEUED) && age_class(age, leak_ns) == AGE_OLDER &&
	       !age_is_at_work(info, leak_ns, x->looked_ns);
}

static void add_age(const struct session *session, uint32_t group,
		    const struct tcpdwell_socket *info)
{
	const struct exporter *x = session->model;
	const struct age age = age_in_state(info, x->looked_ns);

	if (info->state == TCPDWELL_CLOSE_WAIT)
		export_add(x->export, EXPORT_LEAKED, group, info->state,
			   is_leaked(session, info, age));
	if (info->since != TCPDWELL_DWELL_UNKNOWN)
		export_max(x->export, EXPORT_OLDEST, group, info->state, age.least_ns / 1e9);
}

static void add_listener(const struct exporter *x, uint32_t group,
			 const struct tcpdwell_socket *info)
{
	uint64_t key = odometer_key(EXPORT_LISTEN_DROPS, &info->key, sizeof(info->key));

	export_add(x->export, EXPORT_QUEUE, group, 0, info->queued);
	export_add(x->export, EXPORT_QUEUE_LIMIT, group, 0, info->queue_max);
	export_add(x->export, EXPORT_LISTEN_DROPS, group, 0,
		   odometer_grew(x->odometer, key, info->drops));
}

static void add_socket(const struct session *session, const struct tcpdwell_socket *info)
{
	const struct exporter *x = session->model;
	struct whose whose = {
		.comm = info->comm,
		.cgroup_id = info->cgroup_id,
		.netns = info->netns,
		.port = service_of(x, info),
	};
	uint32_t group;

	whose_set_address(&whose, info->family, info->raddr);
	group = exporter_group(session, &whose);
	export_add(x->export, EXPORT_CONNECTIONS, group, info->state, 1);
	add_age(session, group, info);
	if (info->state == TCPDWELL_LISTEN)
		add_listener(x, group, info);
}

static int take_socket(void *context, const struct tcpdwell_socket *info)
{
	const struct session *session = context;
	struct exporter *x = session->model;
	int err = info->pid ? gather_holder(x->gather, info->pid, info->comm) : 0;

	add_socket(session, info);
	return err ?: gather_socket(x->gather, info);
}

/* Takes a record. No socket is kept, only sums and facts: a host may have a million sockets. */
static int take_record(void *context, const struct tcpdwell_socket *record)
{
	const struct session *session = context;
	const struct exporter *x = session->model;

	return x->once ? once_add(x->once, record) : -ENOMEM;
}

static void begin_sockets(void *context)
{
	struct session *session = context;
	struct exporter *x = session->model;

	once_free(x->once);
	x->once = once_new(&session->options->filters, exporter_cgroup, take_socket, session);
	export_look(x->export, x->looked_ns);
	gather_begin(x->gather, x->looked_ns);
}

int exporter_walk(struct session *session)
{
	struct exporter *x = session->model;
	int err = session_walk_each(session, take_record, begin_sockets, session);

	if (!err && once_finish(x->once))
		err = exporter_fail(session, -ENOMEM);
	once_free(x->once);
	x->once = NULL;
	return err;
}
