// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * CSV (RFC 4180): a header line, then the fields of the JSON lines with the same names in the same
 * order. An unknown value is empty. Lines end with LF only, as Unix tools expect. The summary is no
 * row, so it goes to standard error, printed by another module.
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
