// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "cli/setters.h"

/*
 * The minimum is the smallest ring that is whole pages on every machine (64 KiB pages). The maximum
 * is a matter of memory.
 */
#define RING_MIN (64ULL << 10)
#define RING_MAX (1ULL << 30)

/* Less would not hold one group of each state. More than the maximum no host spares for it. */
#define HIST_MIN (64ULL << 10)
#define HIST_MAX (1ULL << 30)

/* The kernel refuses a hash map with more buckets: their bytes must fit into 32 bits. */
#define SOCKETS_MAX 134217728

static int refuse(const struct setting *setting, int err, const char *why, const char *want)
{
	*setting->fault = (struct parse_fault){
		.at = setting->value,
		.len = setting->value ? strlen(setting->value) : 0,
		.why = why,
		.want = want,
	};
	return err;
}

int set_flag(const struct setting *setting)
{
	bool *flag = setting->field;

	*flag = true;
	return 0;
}

int set_family(const struct setting *setting)
{
	uint8_t *family = setting->field;
	uint8_t wanted = setting->def->letter - '0';

	if (*family && *family != wanted)
		return refuse(setting, -EINVAL, "-4 and -6 exclude each other", "one, or neither");
	*family = wanted;
	return 0;
}

int set_ports(const struct setting *setting)
{
	return parse_ports(setting->value, setting->field, setting->fault);
}

int set_pids(const struct setting *setting)
{
	return parse_pids(setting->value, setting->field, setting->fault);
}

int set_uids(const struct setting *setting)
{
	return parse_uids(setting->value, setting->field, setting->find, setting->fault);
}

int set_cidrs(const struct setting *setting)
{
	return parse_cidrs(setting->value, setting->field, setting->fault);
}

int set_netns(const struct setting *setting)
{
	return parse_netns(setting->value, setting->field, setting->fault);
}

int set_states(const struct setting *setting)
{
	return parse_states(setting->value, setting->field, setting->fault);
}

int set_words(const struct setting *setting)
{
	return parse_words(setting->value, setting->field, setting->fault);
}

int set_pods(const struct setting *setting)
{
	return parse_pods(setting->value, setting->field, setting->fault);
}

int set_cookie(const struct setting *setting)
{
	return parse_cookie(setting->value, setting->field, setting->fault);
}

int set_reasons(const struct setting *setting)
{
	return parse_reasons(setting->value, setting->field, setting->fault);
}

int set_longer(const struct setting *setting)
{
	struct life_filter *life = setting->field;

	return parse_longer(setting->value, &life->longer, life->longer_ns, setting->fault);
}

int set_bytes(const struct setting *setting)
{
	return parse_size(setting->value, setting->field, setting->fault);
}

int set_duration(const struct setting *setting)
{
	return parse_duration(setting->value, setting->field, setting->fault);
}

int set_end(const struct setting *setting)
{
	uint64_t *ns = setting->field;
	int err = set_duration(setting);

	if (!err && !*ns)
		err = refuse(setting, -ERANGE, "is no time at all", "more than 0");
	return err;
}

/* A shorter interval only costs time: the eye cannot follow it. */
#define INTERVAL_MIN_NS 100000000ULL

int set_interval(const struct setting *setting)
{
	uint64_t *ns = setting->field;
	int err = set_duration(setting);

	if (!err && *ns < INTERVAL_MIN_NS)
		err = refuse(setting, -ERANGE, "is too short", "100ms or more");
	return err;
}

/*
 * A look of leaks goes through all sockets of the host. With a shorter interval it would do nothing
 * else.
 */
#define LOOK_MIN_NS 200000000ULL

int set_look_interval(const struct setting *setting)
{
	uint64_t *ns = setting->field;
	int err = set_duration(setting);

	if (!err && *ns < LOOK_MIN_NS)
		err = refuse(setting, -ERANGE, "is too short", "200ms or more");
	return err;
}

int set_top(const struct setting *setting)
{
	uint32_t *top = setting->field;
	uint64_t count;
	int err;

	err = parse_count(setting->value, 1, OPTIONS_TOP_MAX, "1..100", &count, setting->fault);
	if (!err)
		*top = (uint32_t)count;
	return err;
}

int set_rows(const struct setting *setting)
{
	return parse_count(setting->value, 1, UINT64_MAX, "1 or more", setting->field,
			   setting->fault);
}

int set_sockets(const struct setting *setting)
{
	uint32_t *sockets = setting->field;
	uint64_t count;
	int err;

	err = parse_count(setting->value, 0, SOCKETS_MAX, "1..134217728, or 0: as memory allows",
			  &count, setting->fault);
	if (!err)
		*sockets = (uint32_t)count;
	return err;
}

/* At least a page of histograms, and at most memory that some host may have to spare. */
int set_hist(const struct setting *setting)
{
	uint64_t *bytes = setting->field, wanted;
	int err = parse_size(setting->value, &wanted, setting->fault);

	if (err)
		return err;
	if (wanted < HIST_MIN || wanted > HIST_MAX)
		return refuse(setting, -ERANGE, "is out of range", "64K..1G");
	*bytes = wanted;
	return 0;
}

static int set_prefix(const struct setting *setting, uint64_t max, const char *want)
{
	uint32_t *bits = setting->field;
	uint64_t count;
	int err = parse_count(setting->value, 0, max, want, &count, setting->fault);

	if (!err)
		*bits = (uint32_t)count;
	return err;
}

int set_prefix4(const struct setting *setting)
{
	return set_prefix(setting, 32, "0..32");
}

int set_prefix6(const struct setting *setting)
{
	return set_prefix(setting, 128, "0..128");
}

/* The kernel takes only a power of two. The next one up is what is meant. */
int set_ring(const struct setting *setting)
{
	uint64_t *bytes = setting->field;
	uint64_t wanted, ring = RING_MIN;
	int err = parse_size(setting->value, &wanted, setting->fault);

	if (err)
		return err;
	if (wanted < RING_MIN || wanted > RING_MAX)
		return refuse(setting, -ERANGE, "is out of range", "64K..1G");
	while (ring < wanted)
		ring *= 2;
	*bytes = ring;
	return 0;
}

int set_rings(const struct setting *setting)
{
	unsigned int *rings = setting->field;
	uint64_t count;
	int err = parse_count(setting->value, 1, TCPDWELL_RINGS, "1, 2, 4, 8, 16 or 32", &count,
			      setting->fault);

	if (!err && count & (count - 1))
		return refuse(setting, -ERANGE, "is no power of two", "1, 2, 4, 8, 16 or 32");
	if (!err)
		*rings = count;
	return err;
}

/* A look of export goes through all sockets of the host, and nobody scrapes more often. */
#define EXPORT_MIN_NS 1000000000ULL

int set_export_interval(const struct setting *setting)
{
	uint64_t *ns = setting->field;
	int err = set_duration(setting);

	if (!err && *ns < EXPORT_MIN_NS)
		err = refuse(setting, -ERANGE, "is too short", "1s or more");
	return err;
}

int set_max_series(const struct setting *setting)
{
	uint32_t *series = setting->field;
	uint64_t count;
	int err = parse_count(setting->value, 1, 1000000, "1..1000000", &count, setting->fault);

	if (!err)
		*series = (uint32_t)count;
	return err;
}

/* Takes one of these names, or peer=/BITS. */
int set_export_by(const struct setting *setting)
{
	struct export_choice *choice = setting->field;
	static const char peer[] = "peer=/";
	uint64_t bits;
	unsigned int by;
	int err;

	if (!strncmp(setting->value, peer, sizeof(peer) - 1)) {
		err = parse_count(setting->value + sizeof(peer) - 1, 0, 32, "peer=/0..32", &bits,
				  setting->fault);
		if (!err)
			*choice = (struct export_choice){ EXPORT_BY_PEER, (uint32_t)bits };
		return err;
	}
	err = parse_choice(setting->value, setting->def->choices, &by, setting->fault);
	if (!err)
		*choice = (struct export_choice){ .by = by };
	return err;
}

/*
 * Refuses a name that is too long. The kernel cuts names, so such a filter would silently match
 * nothing.
 */
int set_comm(const struct setting *setting)
{
	size_t len = strlen(setting->value);

	if (!len || len >= TCPDWELL_COMM_LEN)
		return refuse(setting, -ERANGE, len ? "is longer than a command name" : "is empty",
			      "1..15 bytes, which is what the kernel keeps of it");
	memcpy(setting->field, setting->value, len + 1);
	return 0;
}

int set_path(const struct setting *setting)
{
	const char **path = setting->field;

	if (!*setting->value)
		return refuse(setting, -EINVAL, "is empty", "a path");
	*path = setting->value;
	return 0;
}

int set_name(const struct setting *setting)
{
	const char **name = setting->field;

	if (!*setting->value)
		return refuse(setting, -EINVAL, "is empty", "a user's name or number");
	*name = setting->value;
	return 0;
}

int set_choice(const struct setting *setting)
{
	unsigned int *choice = setting->field;

	return parse_choice(setting->value, setting->def->choices, choice, setting->fault);
}

_Static_assert(sizeof(enum format) == sizeof(unsigned int), "set_choice() writes an enum format");
_Static_assert(sizeof(enum tcpdwell_stat_by) == sizeof(unsigned int), "and what makes a group");
_Static_assert(sizeof(enum backend) == sizeof(unsigned int), "set_choice() writes an enum backend");
