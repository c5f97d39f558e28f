// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * JSON lines: one object a row, always with all fields and in this order, and the summary last. The
 * names are a contract: a field may be added at the end, but none may be removed or change its
 * meaning.
 */
#include "base/escape.h"
#include "base/put.h"
#include "view/fields.h"
#include "view/sink.h"

static char *put_summary(char *p, const struct summary *summary)
{
	p = put_u64(put_literal(p, "{\"type\":\"summary\",\"seen\":"), summary->seen);
	p = put_u64(put_literal(p, ",\"printed\":"), summary->printed);
	p = put_u64(put_literal(p, ",\"filtered\":"), summary->filtered);
	p = put_u64(put_literal(p, ",\"folded\":"), summary->folded);
	p = put_u64(put_literal(p, ",\"lost\":{\"ring\":"), summary->lost_ring);
	p = put_u64(put_literal(p, ",\"map\":"), summary->lost_map);
	p = put_u64(put_literal(p, "},\"untracked\":"), summary->untracked);
	p = put_u64(put_literal(p, ",\"missed\":"), summary->missed);
	p = put_u64(put_literal(p, ",\"unwritten\":"), summary->unwritten);
	p = put_u64(put_literal(p, ",\"unknown\":"), summary->unknown);
	p = put_u64(put_literal(p, ",\"malformed\":"), summary->malformed);
	return put_literal(p, "}\n");
}

const struct fields_form fields_json = {
	.names = true,
	.quote = "\"",
	.null = "null",
	.end = "}\n",
	.put_text = put_json,
	.text_bytes = ESCAPE_JSON_BYTES,
	.put_summary = put_summary,
};
