// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/put.h"
#include "base/tcpstate.h"
#include "base/text.h"
#include "host/name_book.h"
#include "model/listing.h"
#include "view/print.h"
#include "view/socket_fields.h"
#include "view/socket_report.h"

/* A kernel address, which stands for a socket where it has no cookie, is no number for people. */
#define IS_COOKIE(key) (!((key) >> 63))

enum field {
	FIELD_TYPE,
	FIELD_TIME,
	FIELD_COOKIE,
	FIELD_NETNS,
	FIELD_NETNS_NAME,
	FIELD_FAMILY,
	FIELD_LADDR,
	FIELD_LPORT,
	FIELD_RADDR,
	FIELD_RPORT,
	FIELD_STATE,
	FIELD_AGE_NS,
	FIELD_AGE,
	FIELD_AGE_MAX_NS,
	FIELD_IDLE_NS,
	FIELD_IDLE_MAX_NS,
	FIELD_SILENT_NS,
	FIELD_PID,
	FIELD_COMM,
	FIELD_FD,
	FIELD_UID,
	FIELD_CGROUP,
	FIELD_INODE,
	FIELD_HOLDERS,
	FIELD_QUEUED,
	FIELD_ORPHAN,
	FIELD_RECV_Q,
	FIELD_SEND_Q,
	FIELD_TIMER,
	FIELD_TIMER_NS,
	FIELD_RETRANSMITS,
	FIELD_PROBES_OUT,
	FIELD_BACKOFF,
	FIELD_RTO_NS,
	FIELD_RETRANSMITTED,
	FIELD_KEEPALIVE,
	FIELD_KEEPALIVE_TIME_S,
	FIELD_KEEPALIVE_INTERVAL_S,
	FIELD_KEEPALIVE_PROBES,
	FIELD_USER_TIMEOUT_MS,
	FIELD_SYN_RETRIES,
	FIELD_LINGER2_S,
	FIELD_SOFT_ERRNO,
	FIELD_ENDS,
	FIELD_ENDS_NS,
	FIELD_ENDS_BY,
	FIELD_TEXTS, /* enum container_text */
	FIELD_MAX = FIELD_TEXTS + CONTAINER_TEXTS,
};

static const char *const names[FIELD_MAX] = {
	"type",
	"time",
	"cookie",
	"netns",
	"netns_name",
	"family",
	"laddr",
	"lport",
	"raddr",
	"rport",
	"state",
	"age_ns",
	"age",
	"age_max_ns",
	"idle_ns",
	"idle_max_ns",
	"silent_ns",
	"pid",
	"comm",
	"fd",
	"uid",
	"cgroup",
	"inode",
	"holders",
	"queued",
	"orphan",
	"recv_q",
	"send_q",
	"timer",
	"timer_ns",
	"retransmits",
	"probes_out",
	"backoff",
	"rto_ns",
	"retransmitted",
	"keepalive",
	"keepalive_time_s",
	"keepalive_interval_s",
	"keepalive_probes",
	"user_timeout_ms",
	"syn_retries",
	"linger2_s",
	"soft_errno",
	"ends",
	"ends_ns",
	"ends_by",
	"unit",
	"container",
	"container_id",
	"pod",
	"pod_namespace",
};

/* ---- Values ---- */

enum kind { VALUE_NULL, VALUE_NUMBER, VALUE_SIGNED, VALUE_BOOL, VALUE_TEXT, VALUE_HOLDERS };

struct value {
	enum kind kind;
	uint64_t number;
	const char *text; /* not owned */
};

/* A row, with what its texts are kept in. */
struct fields {
	const struct listing *listing;
	const struct listing_row *row;
	char time[32 + TEXT_SLACK_BYTES];
	char laddr[40 + TEXT_SLACK_BYTES];
	char raddr[40 + TEXT_SLACK_BYTES];
	struct value values[FIELD_MAX];
};

static void set_number(struct fields *f, enum field field, bool known, uint64_t number)
{
	if (known)
		f->values[field] = (struct value){ VALUE_NUMBER, number, NULL };
}

static void set_bool(struct fields *f, enum field field, bool known, bool yes)
{
	if (known)
		f->values[field] = (struct value){ VALUE_BOOL, yes, NULL };
}

static void set_text(struct fields *f, enum field field, const char *text)
{
	if (text && *text)
		f->values[field] = (struct value){ VALUE_TEXT, 0, text };
}

static const char *set_addr(char *text, unsigned int family, const uint8_t *addr)
{
	*put_addr(text, family, addr) = '\0';
	return text;
}

static void set_ends(struct fields *f, const struct tcpdwell_socket *info)
{
	set_number(f, FIELD_COOKIE, IS_COOKIE(info->key), info->key);
	set_number(f, FIELD_NETNS, info->netns, info->netns);
	set_text(f, FIELD_NETNS_NAME, f->row->netns ? f->row->netns->name : NULL);
	set_text(f, FIELD_FAMILY, info->family == 6 ? "ipv6" : "ipv4");
	set_text(f, FIELD_LADDR, set_addr(f->laddr, info->family, info->laddr));
	set_number(f, FIELD_LPORT, info->lport, info->lport);
	set_number(f, FIELD_RPORT, info->rport, info->rport);
	if (info->rport) /* a listener has no other end */
		set_text(f, FIELD_RADDR, set_addr(f->raddr, info->family, info->raddr));
}

static void set_ages(struct fields *f, const struct tcpdwell_socket *info)
{
	struct age age = f->row->age, idle = age_idle(info, f->listing->now_ns);
	uint8_t worth = age_worth(age);

	set_number(f, FIELD_AGE_NS, worth != TCPDWELL_DWELL_UNKNOWN, age.least_ns);
	set_text(f, FIELD_AGE, dwell_name(worth));
	set_number(f, FIELD_AGE_MAX_NS, age.most_ns != AGE_UNBOUNDED, age.most_ns);
	set_number(f, FIELD_IDLE_NS, info->active_ns, idle.least_ns);
	set_number(f, FIELD_IDLE_MAX_NS, idle.most_ns != AGE_UNBOUNDED, idle.most_ns);
	set_number(f, FIELD_SILENT_NS, info->detail.silent_ns, info->detail.silent_ns);
}

static void set_names(struct fields *f, const struct names *names)
{
	set_text(f, FIELD_CGROUP, names_path(names));
	for (unsigned int i = 0; i < CONTAINER_TEXTS; i++)
		set_text(f, FIELD_TEXTS + i, names_text(names, i));
}

static void set_owner(struct fields *f, const struct tcpdwell_socket *info)
{
	bool held = sockets_first_holder(f->listing->sockets, f->row->socket);

	set_number(f, FIELD_PID, info->pid, info->pid);
	set_text(f, FIELD_COMM, info->comm);
	set_number(f, FIELD_FD, held && info->fd != TCPDWELL_NO_FD, info->fd);
	set_number(f, FIELD_UID, info->uid != UINT32_MAX, info->uid);
	set_number(f, FIELD_INODE, info->inode, info->inode);
	f->values[FIELD_HOLDERS].kind = VALUE_HOLDERS;
	set_bool(f, FIELD_QUEUED, true, info->flags & TCPDWELL_SOCKET_QUEUED);
	set_bool(f, FIELD_ORPHAN, info->detail.known & TCPDWELL_KNOWN_ORPHAN,
		 info->detail.flags & TCPDWELL_DETAIL_ORPHAN);
}

static void set_timer(struct fields *f, const struct tcpdwell_detail *detail)
{
	bool known = detail->known & TCPDWELL_KNOWN_TIMER;
	uint32_t recv, send;
	bool queues = listing_queues(f->row, &recv, &send);

	set_number(f, FIELD_RECV_Q, queues, recv);
	set_number(f, FIELD_SEND_Q, queues, send);
	if (known)
		set_text(f, FIELD_TIMER, socket_timer_name(detail->timer));
	set_number(f, FIELD_TIMER_NS, known && detail->timer, detail->expires_ns);
	set_number(f, FIELD_RETRANSMITS, known, detail->retransmits);
	set_number(f, FIELD_PROBES_OUT, known, detail->probes_out);
	set_number(f, FIELD_BACKOFF, known, detail->backoff);
	set_number(f, FIELD_RTO_NS, detail->rto_ns, detail->rto_ns);
	set_number(f, FIELD_RETRANSMITTED, known, detail->total_retransmits);
}

/* Those of keep-alive are what holds, the socket's own or the namespace's. */
static void set_options(struct fields *f, const struct tcpdwell_detail *detail)
{
	bool known = detail->known & TCPDWELL_KNOWN_OPTIONS &&
		     detail->known & TCPDWELL_KNOWN_KEEPALIVE;
	const struct deadline_socket *timers = &f->row->timers;
	bool alive = known && detail->flags & TCPDWELL_DETAIL_KEEPALIVE && f->row->netns;

	set_bool(f, FIELD_KEEPALIVE, detail->known & TCPDWELL_KNOWN_KEEPALIVE,
		 detail->flags & TCPDWELL_DETAIL_KEEPALIVE);
	set_number(f, FIELD_KEEPALIVE_TIME_S, alive, timers->keepalive_time_s);
	set_number(f, FIELD_KEEPALIVE_INTERVAL_S, alive, timers->keepalive_intvl_s);
	set_number(f, FIELD_KEEPALIVE_PROBES, alive, timers->keepalive_probes);
	set_number(f, FIELD_USER_TIMEOUT_MS, known && detail->user_timeout_ms,
		   detail->user_timeout_ms);
	set_number(f, FIELD_SYN_RETRIES, known && detail->syn_retries, detail->syn_retries);
	if (known && detail->linger2_s)
		f->values[FIELD_LINGER2_S] = (struct value){ VALUE_SIGNED, detail->linger2_s,
							     NULL };
	if (detail->err_soft)
		set_text(f, FIELD_SOFT_ERRNO, errno_name(detail->err_soft) ?: "E");
}

static void set_deadline(struct fields *f, const struct deadline *end)
{
	bool timed = end->kind == DEADLINE_AT || end->kind == DEADLINE_IF_SILENT;

	set_text(f, FIELD_ENDS, deadline_kind_name(end->kind));
	set_number(f, FIELD_ENDS_NS, timed, end->ns);
	set_text(f, FIELD_ENDS_BY, timed ? deadline_setting(end->by) : NULL);
}

static void set_all(struct fields *f, const struct listing *listing, const struct listing_row *row)
{
	const struct names names = { .cgroup = row->socket->cgroup };
	const struct tcpdwell_socket *info = &row->socket->info;

	memset(f->values, 0, sizeof(f->values));
	f->listing = listing;
	f->row = row;
	set_text(f, FIELD_TYPE, "socket");
	set_text(f, FIELD_TIME, f->time);
	set_text(f, FIELD_STATE, tcpstate_name(info->state));
	set_ends(f, info);
	set_ages(f, info);
	set_owner(f, info);
	set_names(f, &names);
	set_timer(f, &info->detail);
	set_options(f, &info->detail);
	set_deadline(f, &row->end);
}

static void set_time(struct fields *f, uint64_t wall_ns)
{
	struct stamp stamp = {};

	*put_rfc3339(f->time, &stamp, wall_ns) = '\0';
}

/* ---- JSON ---- */

static void json_holders(FILE *out, const struct fields *f)
{
	const struct sockets *sockets = f->listing->sockets;
	const struct socket_holder *holder = sockets_first_holder(sockets, f->row->socket);

	fputc('[', out);
	for (bool first = true; holder; first = false) {
		fprintf(out, "%s{\"pid\":%" PRIu32 ",\"comm\":", first ? "" : ",", holder->pid);
		print_json_string(out, holder->comm[0] ? holder->comm : NULL);
		print_json_number(out, "fd", holder->fd != TCPDWELL_NO_FD, holder->fd);
		fputc('}', out);
		holder = sockets_next_holder(sockets, holder);
	}
	fputc(']', out);
}

static void json_value(FILE *out, const struct fields *f, const struct value *value)
{
	switch (value->kind) {
	case VALUE_NUMBER:
		fprintf(out, "%" PRIu64, value->number);
		break;
	case VALUE_SIGNED:
		fprintf(out, "%" PRId64, (int64_t)value->number);
		break;
	case VALUE_BOOL:
		fputs(value->number ? "true" : "false", out);
		break;
	case VALUE_HOLDERS:
		json_holders(out, f);
		break;
	default:
		print_json_string(out, value->text);
	}
}

void socket_fields_json(FILE *out, const struct listing *listing, uint64_t wall_ns)
{
	struct fields f;

	set_time(&f, wall_ns);
	for (size_t i = 0; i < listing->count; i++) {
		set_all(&f, listing, &listing->rows[i]);
		for (int field = 0; field < FIELD_MAX; field++) {
			fprintf(out, "%c\"%s\":", field ? ',' : '{', names[field]);
			json_value(out, &f, &f.values[field]);
		}
		fputs("}\n", out);
	}
}

/* ---- CSV ---- */

/* One cell: a holder is COMM/PID/FD, and a blank stands between two. */
static void csv_holders(FILE *out, const struct fields *f)
{
	const struct sockets *sockets = f->listing->sockets;
	const struct socket_holder *holder = sockets_first_holder(sockets, f->row->socket);
	char *text = NULL;
	size_t len;
	FILE *memory = open_memstream(&text, &len);

	if (!memory)
		return;
	for (bool first = true; holder; first = false) {
		fprintf(memory, "%s%s/%" PRIu32 "/", first ? "" : " ", holder->comm, holder->pid);
		if (holder->fd == TCPDWELL_NO_FD)
			fputc('-', memory);
		else
			fprintf(memory, "%" PRIu32, holder->fd);
		holder = sockets_next_holder(sockets, holder);
	}
	fclose(memory);
	print_csv_text(out, text);
	free(text);
}

static void csv_value(FILE *out, const struct fields *f, const struct value *value)
{
	switch (value->kind) {
	case VALUE_NULL:
		break;
	case VALUE_TEXT:
		print_csv_text(out, value->text);
		break;
	case VALUE_HOLDERS:
		csv_holders(out, f);
		break;
	default:
		json_value(out, f, value);
	}
}

void socket_fields_csv(FILE *out, const struct listing *listing, uint64_t wall_ns)
{
	struct fields f;

	set_time(&f, wall_ns);
	for (int field = 0; field < FIELD_MAX; field++)
		fprintf(out, "%s%s", field ? "," : "", names[field]);
	fputc('\n', out);
	for (size_t i = 0; i < listing->count; i++) {
		set_all(&f, listing, &listing->rows[i]);
		for (int field = 0; field < FIELD_MAX; field++) {
			fputs(field ? "," : "", out);
			csv_value(out, &f, &f.values[field]);
		}
		fputc('\n', out);
	}
}
