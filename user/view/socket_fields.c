// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "base/text.h"
#include "model/listing.h"
#include "view/field_lists.h"
#include "view/socket_fields.h"
#include "view/socket_report.h"

/*
 * The longest row without names and holders: 51 fields with names of 22 and values of 40 bytes, and
 * comm: < 4000.
 */
#define ROW_BYTES 4096

/* A holder with the longest comm. */
#define HOLDER_BYTES (64 + ESCAPE_MOST * TCPDWELL_COMM_LEN)
#define ESCAPE_MOST  6

/* Without a cookie, a kernel address stands for the socket; that is no number to show. */
#define IS_COOKIE(key) (!((key) >> 63))

/* What a row needs that takes more than reading a member. */
struct view {
	const struct listing *listing;
	const struct listing_row *row;
	const struct tcpdwell_socket *info;
	const struct tcpdwell_detail *detail;
	struct names names;
	struct age idle;
	bool held; /* a descriptor leads to the socket */
	bool queues;
	uint32_t recv, send;
	bool timer;   /* the timer is known */
	bool options; /* the options are known */
	bool alive;   /* keep-alive is on, and its settings are known */
	bool ends;    /* it ends by itself at some time */
};

/* ---- The fields, in their order ---- */

/* A listener has no remote end. */
#define SOCKET_ENDS(F, v, s, wall_ns)                          \
	F(type, constant, "socket")                            \
	F(time, time, 0, wall_ns)                              \
	F(cookie, number, IS_COOKIE((s)->key), (s)->key)       \
	F(netns, number, (s)->netns, (s)->netns)               \
	FIELDS_NETNS_NAME(F, &(v)->names)                      \
	FIELDS_LOCAL(F, s)                                     \
	F(raddr, addr_if, (s)->rport, (s)->family, (s)->raddr) \
	F(rport, number, (s)->rport, (s)->rport)               \
	F(state, choice, tcpstate_name, TCPDWELL_STATE_MAX, (s)->state)

#define SOCKET_AGES(F, v, s, row, detail)                                              \
	F(age_ns, number, age_worth((row)->age), (row)->age.least_ns)                  \
	F(age, word, dwell_name(age_worth((row)->age)))                                \
	F(age_max_ns, number, (row)->age.most_ns != AGE_UNBOUNDED, (row)->age.most_ns) \
	F(idle_ns, number, (s)->active_ns, (v)->idle.least_ns)                         \
	F(idle_max_ns, number, (v)->idle.most_ns != AGE_UNBOUNDED, (v)->idle.most_ns)  \
	F(silent_ns, number, (detail)->known &TCPDWELL_KNOWN_SILENT, (detail)->silent_ns)

#define SOCKET_OWNER(F, v, s, detail)                                  \
	F(pid, number, (s)->pid, (s)->pid)                             \
	F(comm, text, (s)->comm[0] ? (s)->comm : NULL)                 \
	F(fd, number, (v)->held && (s)->fd != TCPDWELL_NO_FD, (s)->fd) \
	FIELDS_USER(F, s)                                              \
	F(cgroup, text, names_path(&(v)->names))                       \
	F(inode, number, (s)->inode, (s)->inode)                       \
	F(holders, holders, v)                                         \
	F(queued, boolean, true, (s)->flags &TCPDWELL_SOCKET_QUEUED)   \
	F(orphan, boolean, (detail)->known &TCPDWELL_KNOWN_ORPHAN,     \
	  (detail)->flags &TCPDWELL_DETAIL_ORPHAN)                     \
	F(kernel, boolean, true, (s)->flags &TCPDWELL_SOCKET_KERNEL)

#define SOCKET_TIMER(F, v, detail)                                               \
	F(recv_q, number, (v)->queues, (v)->recv)                                \
	F(send_q, number, (v)->queues, (v)->send)                                \
	F(timer, word, (v)->timer ? socket_timer_name((detail)->timer) : NULL)   \
	F(timer_ns, number, (v)->timer && (detail)->timer, (detail)->expires_ns) \
	F(retransmits, number, (v)->timer, (detail)->retransmits)                \
	F(probes_out, number, (v)->timer, (detail)->probes_out)                  \
	F(backoff, number, (v)->timer, (detail)->backoff)                        \
	F(rto_ns, number, (detail)->rto_ns, (detail)->rto_ns)                    \
	F(retransmitted, number, (v)->timer, (detail)->total_retransmits)

/* The keep-alive settings in effect: the socket's own or the namespace's. */
#define SOCKET_OPTIONS(F, v, detail, timers)                                                 \
	F(keepalive, boolean, (detail)->known &TCPDWELL_KNOWN_KEEPALIVE,                     \
	  (detail)->flags &TCPDWELL_DETAIL_KEEPALIVE)                                        \
	F(keepalive_time_s, number, (v)->alive, (timers)->keepalive_time_s)                  \
	F(keepalive_interval_s, number, (v)->alive, (timers)->keepalive_intvl_s)             \
	F(keepalive_probes, number, (v)->alive, (timers)->keepalive_probes)                  \
	F(user_timeout_ms, number, (v)->options && (detail)->user_timeout_ms,                \
	  (detail)->user_timeout_ms)                                                         \
	F(syn_retries, number, (v)->options && (detail)->syn_retries, (detail)->syn_retries) \
	F(linger2_s, signed, (v)->options && (detail)->linger2_s, (detail)->linger2_s)       \
	F(soft_errno, errno, (detail)->err_soft)

#define SOCKET_DEADLINE(F, v, end)                                           \
	F(ends, choice, deadline_kind_name, DEADLINE_NEVER + 1, (end)->kind) \
	F(ends_ns, number, (v)->ends, (end)->ns)                             \
	F(ends_by, word,                                                     \
	  (v)->ends &&*deadline_setting((end)->by) ? deadline_setting((end)->by) : NULL)

#define SOCKET_FIELDS(F, v, wall_ns)                         \
	SOCKET_ENDS(F, v, (v)->info, wall_ns)                \
	SOCKET_AGES(F, v, (v)->info, (v)->row, (v)->detail)  \
	SOCKET_OWNER(F, v, (v)->info, (v)->detail)           \
	SOCKET_TIMER(F, v, (v)->detail)                      \
	SOCKET_OPTIONS(F, v, (v)->detail, &(v)->row->timers) \
	SOCKET_DEADLINE(F, v, &(v)->row->end)                \
	FIELDS_NAMES(F, &(v)->names)

#define FIELD_IS_holders(...)

FIELDS_DEFINE(socket_table, SOCKET_FIELDS, , );

/* ---- Holders ---- */

/* Appends an array of objects. */
static char *put_holders_json(char *p, const struct view *v)
{
	const struct sockets *sockets = v->listing->sockets;
	const struct socket_holder *holder = sockets_first_holder(sockets, v->row->socket);

	p = put_char(p, '[');
	for (bool first = true; holder; first = false) {
		p = put_string(p, first ? "{\"pid\":" : ",{\"pid\":");
		p = put_literal(put_u64(p, holder->pid), ",\"comm\":");
		if (holder->comm[0])
			p = fields_json.put_text(p, holder->comm, strlen(holder->comm));
		else
			p = put_string(p, fields_json.null);
		p = put_literal(p, ",\"fd\":");
		if (holder->fd != TCPDWELL_NO_FD)
			p = put_u64(p, holder->fd);
		else
			p = put_string(p, fields_json.null);
		p = put_char(p, '}');
		holder = sockets_next_holder(sockets, holder);
	}
	return put_char(p, ']');
}

/* Appends one cell, where each holder is COMM/PID/FD, separated by blanks. */
static char *put_holders_csv(char *p, const struct view *v)
{
	const struct sockets *sockets = v->listing->sockets;
	const struct socket_holder *holder = sockets_first_holder(sockets, v->row->socket);
	char *text = NULL;
	size_t len;
	FILE *memory = open_memstream(&text, &len);

	if (!memory)
		return p;
	for (bool first = true; holder; first = false) {
		fprintf(memory, "%s%s/%u/", first ? "" : " ", holder->comm, holder->pid);
		if (holder->fd == TCPDWELL_NO_FD)
			fputc('-', memory);
		else
			fprintf(memory, "%u", holder->fd);
		holder = sockets_next_holder(sockets, holder);
	}
	if (!fclose(memory) && len)
		p = fields_csv.put_text(p, text, len);
	free(text);
	return p;
}

static char *field_holders(const struct fields *f, char *p, int field, const struct view *v)
{
	p = put_word(p, &f->before[field]);
	return f->form->names ? put_holders_json(p, v) : put_holders_csv(p, v);
}

static size_t holders_bytes(const struct listing *listing, const struct listing_row *row)
{
	const struct socket_holder *holder = sockets_first_holder(listing->sockets, row->socket);
	size_t bytes = 0;

	for (; holder; holder = sockets_next_holder(listing->sockets, holder))
		bytes += HOLDER_BYTES;
	return bytes;
}

/* ---- Rows ---- */

static struct view view_of(const struct listing *listing, const struct listing_row *row)
{
	const struct tcpdwell_socket *info = &row->socket->info;
	const struct tcpdwell_detail *detail = &info->detail;
	struct view v = {
		.listing = listing,
		.row = row,
		.info = info,
		.detail = detail,
		.names = { .cgroup = row->socket->cgroup },
		.idle = age_idle(info, listing->now_ns),
		.held = sockets_first_holder(listing->sockets, row->socket),
		.timer = detail->known & TCPDWELL_KNOWN_TIMER,
		.options = detail->known & TCPDWELL_KNOWN_OPTIONS &&
			   detail->known & TCPDWELL_KNOWN_KEEPALIVE,
		.ends = row->end.kind == DEADLINE_AT || row->end.kind == DEADLINE_IF_SILENT,
	};

	if (row->netns && row->netns->name[0])
		v.names.netns = row->netns->name;
	v.queues = listing_queues(row, &v.recv, &v.send);
	v.alive = v.options && detail->flags & TCPDWELL_DETAIL_KEEPALIVE && row->netns;
	return v;
}

static int print_row(FILE *out, struct fields *f, const struct view *v, uint64_t wall_ns)
{
	char *row = malloc(ROW_BYTES + f->form->text_bytes * names_bytes(&v->names) +
			   holders_bytes(v->listing, v->row) + TEXT_SLACK_BYTES);
	char *p = row;

	if (!row)
		return -ENOMEM;
	SOCKET_FIELDS(FIELD_PUT, v, wall_ns);
	p = put_word(p, &f->end);
	fwrite(row, 1, p - row, out);
	free(row);
	return 0;
}

int socket_fields(FILE *out, const struct fields_form *form, const struct listing *listing,
		  uint64_t wall_ns)
{
	char head[FIELDS_NAMES_BYTES + TEXT_SLACK_BYTES];
	struct fields f;
	int err = fields_init(&f, form, socket_table, FIELD_MAX);

	if (!err)
		fwrite(head, 1, fields_put_names(&f, head) - head, out);
	for (size_t i = 0; !err && i < listing->count; i++) {
		const struct view v = view_of(listing, &listing->rows[i]);

		err = print_row(out, &f, &v, wall_ns);
	}
	fields_free(&f);
	return err;
}
