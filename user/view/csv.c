// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * CSV (RFC 4180): a header line, then the fields of the JSON lines by the same names in the same
 * order, empty where unknown. Lines end with LF alone, as Unix tools want them. The summary is no
 * row: it goes to standard error, where others print it.
 */
#include "base/escape.h"
#include "view/fields.h"

const struct fields_form fields_csv = {
	.quote = "",
	.null = "",
	.end = "\n",
	.put_text = put_csv,
	.text_bytes = ESCAPE_TEXT_BYTES,
};
