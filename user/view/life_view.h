/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lives as rows: of a table, of named fields (JSON lines and CSV), or of OTLP/JSON.
 *
 * Calls follow the rules of sink.h: start once, then row any number of times, then finish once, in
 * one thread. Each call returns 0 or the -errno of the text. The caller flushes the text.
 */
#ifndef TCPDWELL_LIFE_VIEW_H
#define TCPDWELL_LIFE_VIEW_H

#include "model/life.h"
#include "view/fields.h"
#include "view/sink.h"

struct life_view;
struct names;

struct life_view_ops {
	int (*start)(struct life_view *view);
	int (*row)(struct life_view *view, const struct life *life, const struct names *names);
	int (*finish)(struct life_view *view, const struct summary *summary);
	void (*free)(struct life_view *view); /* NULL-safe */
};

struct life_view {
	const struct life_view_ops *ops;
};

/* Each returns a view that the caller frees by ops->free, or NULL with errno set. */
struct life_view *life_table_new(const struct style *style);
struct life_view *life_fields_new(const struct style *style, const struct fields_form *form);
/* life_otlp.c describes the format. @host must outlive the view. */
struct life_view *life_otlp_new(const struct style *style, const char *host);

#endif /* TCPDWELL_LIFE_VIEW_H */
