/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the harnesses of renderings share: records with possible numbers, and checks of the text
 * that comes out.
 */
#ifndef TCPDWELL_FUZZ_ROWS_H
#define TCPDWELL_FUZZ_ROWS_H

#include "input.h"
#include "view/sink.h"

/* Takes any row that decode_record() accepts. */
void rows_take(struct input *input, struct tcpdwell_transition *t);

/* Takes any socket of a snapshot. */
void rows_take_socket(struct input *input, struct tcpdwell_socket *socket);

/* Takes any account. */
struct summary rows_take_summary(struct input *input);

/*
 * Renders all of the input through the sink that @make makes, and checks the output with
 * @is_good.
 */
void rows_render(const uint8_t *data, size_t size, struct sink *(*make)(const struct style *style),
		 bool (*is_good)(const char *text, size_t len));

#endif /* TCPDWELL_FUZZ_ROWS_H */
