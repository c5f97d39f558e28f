/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the renderings have in common that say all there is to say, a row of fields by the names of
 * the contract: JSON lines and CSV, which differ in what stands around a value. For sinks alone.
 *
 * A field may be added at the end, none may go or change its name or meaning.
 */
#ifndef TCPDWELL_SINK_FIELDS_H
#define TCPDWELL_SINK_FIELDS_H

#include <stddef.h>

#include "view/sink.h"

/* How fields are written. Constant, and outlives the sink. */
struct fields_form {
	struct sink_ops ops;
	bool names;	   /* each value has its name with it; else a first line has them all */
	const char *quote; /* around names and texts that need no escaping */
	const char *null;  /* what is not known */
	const char *end;   /* of a row */
	/* Appends text that others chose, with quotes. */
	char *(*put_text)(char *p, const char *text, size_t len);
	size_t text_bytes; /* the most that a byte of it becomes */
	/* Appends the last line, at most FIELDS_SUMMARY_BYTES. NULL: there is none. */
	char *(*put_summary)(char *p, const struct summary *summary);
};

#define FIELDS_SUMMARY_BYTES 512

extern const struct fields_form fields_json;
extern const struct fields_form fields_csv;

int fields_start(struct sink *sink);
int fields_event(struct sink *sink, const struct tcpdwell_transition *t, const struct names *names);
int fields_tick(struct sink *sink);
int fields_finish(struct sink *sink, const struct summary *summary);
void fields_free(struct sink *sink);

#define FIELDS_OPS                                                                 \
	{                                                                          \
		.start = fields_start, .event = fields_event, .tick = fields_tick, \
		.finish = fields_finish, .free = fields_free,                      \
	}

/* Returns NULL with errno set. The caller frees it by ops->free. */
struct sink *sink_fields_new(const struct style *style, const struct fields_form *form);

#endif /* TCPDWELL_SINK_FIELDS_H */
