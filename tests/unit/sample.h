/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tests of the renderings share: a plain row, and a sink whose output is kept.
 */
#ifndef TCPDWELL_TEST_SAMPLE_H
#define TCPDWELL_TEST_SAMPLE_H

#include <stddef.h>

#include "host/name_book.h"
#include "view/sink.h"

/*
 * Returns this row: nginx (1234, www-data) accepted 198.51.100.7:50000 on 192.0.2.1:443. The
 * connection goes from ESTABLISHED to CLOSE_WAIT after 3.2 ms, at 12.000000345 s of the monotonic
 * clock.
 */
struct tcpdwell_transition sample_row(void);

/* Returns the samples' clock: 12 s is 2024-02-29T23:59:58Z, and the start was at 10 s. */
struct clock *sample_clock(void);

/* Makes a style without colours or terminal on a temporary file, and ends both. */
struct style sample_style(const struct clock *clock);
void sample_style_end(struct style *style);

/* What a test of a rendering starts from. */
struct sample {
	struct clock *clock;
	struct style style;
};

/* For cmocka: *@state becomes a sample, and is freed. */
int sample_set_up(void **state);
int sample_tear_down(void **state);

/*
 * Renders @count rows, and the summary if it is not NULL, through a sink that @make makes. Returns
 * the text, which the caller frees. Fails the test on any error.
 */
char *sample_render(struct sink *(*make)(const struct style *style), const struct style *style,
		    const struct tcpdwell_transition *rows, size_t count,
		    const struct summary *summary);

/* As sample_render(), with rows that came with @names, one for each row. */
char *sample_render_named(struct sink *(*make)(const struct style *style),
			  const struct style *style, const struct tcpdwell_transition *rows,
			  const struct names *names, size_t count);

/* Returns all that was written to @fd; the caller frees it. */
char *sample_read(int fd);

#endif /* TCPDWELL_TEST_SAMPLE_H */
