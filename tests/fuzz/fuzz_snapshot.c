// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Sockets that exist, as the tables of `snapshot` and its JSON. */
#include "cli/options.h"
#include "model/census.h"
#include "model/listing.h"
#include "rows.h"
#include "view/snapshot_report.h"
#include "view/socket_fields.h"
#include "view/socket_report.h"

#define SOCKETS_MAX 64

/* Half of the namespaces have a name, and it may be any. */
static const char *netns_name(const void *context, uint32_t inode)
{
	(void)context;
	return inode % 2 ? "a\x1b[2J\"\\\xff" : NULL;
}

static void render(struct input *input, const struct census *census)
{
	const struct netns_lookup netns = { netns_name, NULL };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	CHECK(out);
	snapshot_report(out, census, &netns, input_u8(input));
	snapshot_report_listeners(out, census, &netns);
	CHECK(!fclose(out) && is_clean(text, len));
	free(text);
	out = open_memstream(&text, &len);
	CHECK(out);
	snapshot_json(out, census, &netns, input_u64(input));
	snapshot_json_listeners(out, census, &netns);
	CHECK(!fclose(out) && is_clean(text, len) && is_json_lines(text, len));
	free(text);
}

static void render_rows(struct input *input, const struct listing *listing)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	CHECK(out);
	socket_report(out, listing, input_u8(input));
	CHECK(!socket_fields(out, &fields_csv, listing, input_u64(input)));
	CHECK(!fclose(out) && is_clean(text, len));
	free(text);
	out = open_memstream(&text, &len);
	CHECK(out);
	CHECK(!socket_fields(out, &fields_json, listing, input_u64(input)));
	CHECK(!fclose(out) && is_clean(text, len) && is_json_lines(text, len));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct filters no_filters;
	struct input input = { data, size };
	struct sockets *sockets = sockets_new();
	uint64_t older_ns = input_time_ns(&input, 0), now_ns = input_u64(&input);
	struct netns_settings netns = {};
	struct tcpdwell_socket socket;
	struct listing *listing;
	struct census *census;

	CHECK(sockets);
	for (unsigned int i = 0; i < SOCKETS_MAX && input.left; i++) {
		rows_take_socket(&input, &socket);
		CHECK(!sockets_add(sockets, &socket));
	}
	census = census_new(sockets, NULL, &no_filters, older_ns, now_ns);
	CHECK(census);
	render(&input, census);
	census_free(census);
	listing = listing_new(sockets, &netns, &no_filters, older_ns, now_ns);
	CHECK(listing);
	render_rows(&input, listing);
	listing_free(listing);
	sockets_free(sockets);
	return 0;
}
