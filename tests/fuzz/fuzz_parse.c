// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The value of an option; the first byte says of which kind it is. */
#include <errno.h>
#include <string.h>

#include "cli/parse.h"
#include "input.h"

static int find_user(const char *name, uint32_t *uid)
{
	*uid = strlen(name);
	return 0;
}

static int parse_ids(unsigned int kind, const char *text, struct parse_fault *fault)
{
	struct id_list ids = {};
	int err = kind ? parse_uids(text, &ids, find_user, fault) : parse_pids(text, &ids, fault);

	CHECK(ids.count <= PARSE_LIST_MAX && (err || ids.count));
	return err;
}

static int parse_addresses(const char *text, struct parse_fault *fault)
{
	struct cidr_list list = {};
	int err = parse_cidrs(text, &list, fault);

	CHECK(list.count <= PARSE_LIST_MAX && (err || list.count));
	for (unsigned int i = 0; i < list.count; i++)
		CHECK(list.cidrs[i].prefix <= 128);
	return err;
}

static int parse_numbers(unsigned int kind, const char *text, struct parse_fault *fault)
{
	uint64_t v = 0;
	int err;

	if (kind == 0)
		return parse_size(text, &v, fault);
	if (kind == 1)
		err = parse_duration(text, &v, fault);
	else
		err = parse_count(text, 5, 5000, "5..5000", &v, fault);
	CHECK(err || v <= INT64_MAX);
	CHECK(err || kind == 1 || (v >= 5 && v <= 5000));
	return err;
}

static int parse_one(unsigned int kind, const char *text, struct parse_fault *fault)
{
	static const struct choice choices[] = { { "first", 1 }, { "second", 7 }, { 0 } };
	static struct port_set ports;
	struct netns_ref netns;
	unsigned int value;
	uint16_t mask = 0;
	int err;

	switch (kind) {
	case 0:
	case 1:
		return parse_ids(kind, text, fault);
	case 2:
		return parse_addresses(text, fault);
	case 3:
		memset(&ports, 0, sizeof(ports));
		err = parse_ports(text, &ports, fault);
		CHECK(!port_set_has(&ports, 0) && (err || ports.any));
		return err;
	case 4:
		err = parse_states(text, &mask, fault);
		CHECK(!(mask & 1) && mask < 1 << 12 && (err || mask));
		return err;
	case 5:
		return parse_netns(text, &netns, fault);
	case 6:
		err = parse_choice(text, choices, &value, fault);
		CHECK(err || value == 1 || value == 7);
		return err;
	default:
		return parse_numbers(kind - 7, text, fault);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	unsigned int kind = input_below(&input, 10);
	char *text = input_text(&input);
	struct parse_fault fault = {};
	int err = parse_one(kind, text, &fault);

	CHECK(!err || err == -EINVAL || err == -ERANGE || err == -E2BIG);
	CHECK(!err || fault.why);
	if (err && fault.at)
		CHECK(strnlen(fault.at, fault.len) == fault.len);
	free(text);
	return 0;
}
