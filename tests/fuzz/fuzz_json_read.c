// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The state files of a container runtime, read as Podman's and as Docker's are. */
#include "base/json_read.h"
#include "input.h"

/* What is found lies within the text, and each step either goes on or ends. */
static void check(const struct json_read *json, const char *text, size_t len)
{
	CHECK(json->at >= text && json->at <= text + len && json->end == text + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct json_string name, string;
	size_t len;
	char *text = (char *)input_rest(&input, &len);
	struct json_read json = { text, text + len };

	if (json_skip(&json) && len && is_json(text, len))
		CHECK(json.at <= json.end);
	json.at = text;
	while (json_item(&json)) {
		const char *before = json.at;

		while (json_member(&json, &name)) {
			CHECK(name.at >= text && name.at + name.len < text + len);
			if (json_is(&name, "id")) {
				if (json_string(&json, &string))
					CHECK(string.at + string.len < text + len);
			} else {
				json_skip(&json);
			}
			check(&json, text, len);
		}
		check(&json, text, len);
		if (json.at == before)
			json_skip(&json);
	}
	check(&json, text, len);
	free(text);
	return 0;
}
