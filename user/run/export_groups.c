// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/v4mapped.h"
#include "run/export_inside.h"

const char *const exporter_labels[][EXPORT_LABELS] = {
	[EXPORT_BY_COMM] = { "comm" },		 [EXPORT_BY_UNIT] = { "unit" },
	[EXPORT_BY_CONTAINER] = { "container" }, [EXPORT_BY_POD] = { "pod", "namespace" },
	[EXPORT_BY_PORT] = { "port" },		 [EXPORT_BY_NETNS] = { "netns" },
	[EXPORT_BY_CGROUP] = { "cgroup" },	 [EXPORT_BY_PEER] = { "peer" },
};

const enum tcpdwell_stat_by exporter_kernel_by[] = {
	[EXPORT_BY_COMM] = TCPDWELL_BY_COMM,	    [EXPORT_BY_UNIT] = TCPDWELL_BY_CGROUP,
	[EXPORT_BY_CONTAINER] = TCPDWELL_BY_CGROUP, [EXPORT_BY_POD] = TCPDWELL_BY_CGROUP,
	[EXPORT_BY_PORT] = TCPDWELL_BY_PORT,	    [EXPORT_BY_NETNS] = TCPDWELL_BY_NETNS,
	[EXPORT_BY_CGROUP] = TCPDWELL_BY_CGROUP,    [EXPORT_BY_PEER] = TCPDWELL_BY_PREFIX,
};

bool exporter_by_cgroup(const struct session *session)
{
	return exporter_kernel_by[session->options->export_by.by] == TCPDWELL_BY_CGROUP;
}

bool exporter_by_programs(const struct session *session)
{
	return exporter_by_cgroup(session) || session->options->export_by.by == EXPORT_BY_COMM;
}

static uint32_t group_by_comm(const struct exporter *x, const char *comm)
{
	char name[TCPDWELL_COMM_LEN + 1] = "";

	memcpy(name, comm, strnlen(comm, TCPDWELL_COMM_LEN));
	return export_group(x->export, name, NULL);
}

/*
 * Returns the group by unit, container or pod. If a pod's name is not known, its UID stands for it.
 */
static uint32_t group_by_texts(const struct exporter *x, enum export_by by,
			       const char *const texts[CONTAINER_TEXTS], const char *pod_uid)
{
	const char *pod = texts[CONTAINER_POD];

	if (by == EXPORT_BY_UNIT)
		return export_group(x->export, texts[CONTAINER_UNIT] ?: "", NULL);
	if (by == EXPORT_BY_CONTAINER)
		return export_group(x->export, texts[CONTAINER_LABEL] ?: "", NULL);
	return export_group(x->export,
			    pod		    ?:
				    pod_uid ?:
					      "",
			    pod ? texts[CONTAINER_POD_NAMESPACE] : "");
}

static uint32_t group_by_cgroup(const struct session *session, uint64_t id)
{
	enum export_by by = session->options->export_by.by;
	const struct exporter *x = session->model;
	struct names names;

	session_names(session, id, 0, clock_now_ns(), &names);
	if (by == EXPORT_BY_CGROUP || !names.cgroup)
		return export_group(x->export, names_path(&names) ?: "", "");
	return group_by_texts(x, by, names.cgroup->texts, names.cgroup->pod_uid);
}

/* Returns the group by network namespace: by its name, or by its inode number if it has no name. */
static uint32_t group_by_netns(const struct exporter *x, uint32_t inode)
{
	const struct fact_netns *netns = facts_netns(&x->facts, inode);
	char number[16];

	if (netns && netns->name[0])
		return export_group(x->export, netns->name, NULL);
	snprintf(number, sizeof(number), "%" PRIu32, inode);
	return export_group(x->export, inode ? number : "", NULL);
}

static uint32_t group_by_port(const struct session *session, uint16_t port)
{
	const struct exporter *x = session->model;
	const struct port_set *wanted = &session->options->export_ports;
	char number[8];

	if (port && wanted->any && !port_set_has(wanted, port))
		return EXPORT_OTHER;
	snprintf(number, sizeof(number), "%u", port);
	return export_group(x->export, port ? number : "", NULL);
}

static void keep_bits(uint8_t *addr, unsigned int bytes, unsigned int bits)
{
	for (unsigned int i = 0; i < bytes; i++, bits -= bits < 8 ? bits : 8)
		addr[i] &= bits < 8 ? 0xff00 >> bits : 0xff;
}

/* Returns the group by prefix of the peer; without a peer, as of a listener, that with no name. */
static uint32_t group_by_peer(const struct session *session, const uint8_t *from)
{
	const struct exporter *x = session->model;
	const struct options *options = session->options;
	char text[INET6_ADDRSTRLEN + 8];
	uint8_t addr[16];
	bool v4 = v4mapped_is(from);
	unsigned int bytes = v4 ? 4 : 16;
	unsigned int bits = v4 ? options->export_by.bits : options->prefix6;

	memcpy(addr, v4 ? from + V4MAPPED_PREFIX_BYTES : from, bytes);
	if (bits && addr_is_any(addr, bytes))
		return export_group(x->export, "", NULL);
	keep_bits(addr, bytes, bits);
	inet_ntop(v4 ? AF_INET : AF_INET6, addr, text, INET6_ADDRSTRLEN);
	snprintf(text + strlen(text), 8, "/%u", bits);
	return export_group(x->export, text, NULL);
}

uint32_t exporter_group(const struct session *session, const struct whose *whose)
{
	const struct exporter *x = session->model;
	enum export_by by = session->options->export_by.by;

	switch (by) {
	case EXPORT_BY_COMM:
		return group_by_comm(x, whose->comm);
	case EXPORT_BY_PORT:
		return group_by_port(session, whose->port);
	case EXPORT_BY_NETNS:
		return group_by_netns(x, whose->netns);
	case EXPORT_BY_PEER:
		return group_by_peer(session, whose->addr);
	default:
		return group_by_cgroup(session, whose->cgroup_id);
	}
}

void whose_set_address(struct whose *whose, uint8_t family, const uint8_t *addr)
{
	if (family == 6) {
		memcpy(whose->addr, addr, sizeof(whose->addr));
		return;
	}
	v4mapped_set(whose->addr, addr);
}

const struct named_cgroup *exporter_cgroup(void *context, uint64_t cgroup_id)
{
	struct names names;

	session_names(context, cgroup_id, 0, clock_now_ns(), &names);
	return names.cgroup;
}

uint32_t exporter_group_of_call(struct session *session, const struct tcpdwell_failed_call *call,
				const char *comm)
{
	const struct exporter *x = session->model;
	const char *texts[CONTAINER_TEXTS];
	struct procfs_process process;
	struct whose whose = { .comm = comm, .netns = call->netns, .port = call->port };

	whose_set_address(&whose, call->family, call->addr);
	if (!exporter_by_cgroup(session))
		return exporter_group(session, &whose);
	/* A process that has ended has no cgroup any more, so the group is not known. */
	session_process(session, call->pid, comm, &process);
	if (session->options->export_by.by == EXPORT_BY_CGROUP || !process.cgroup[0])
		return export_group(x->export, process.cgroup, "");
	container_texts(&process.container, texts);
	return group_by_texts(x, session->options->export_by.by, texts, process.container.pod_uid);
}
