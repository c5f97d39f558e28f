// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/tcpstate.h"
#include "base/v4mapped.h"
#include "cli/parse.h"
#include "wire.h"

#define PORT_MAX 65535
/* The kernel's PID_MAX_LIMIT on 64-bit machines. */
#define PID_LIMIT (4 * 1024 * 1024)
/* The highest UID stands for none. */
#define UID_LIMIT (UINT32_MAX - 1)

#define WANT_PID    "1..4194304"
#define WANT_UID    "a UID or a name in /etc/passwd"
#define WANT_CIDR   "an IPv4 or IPv6 address, or a prefix such as 10.0.0.0/8"
#define WANT_COOKIE "a number as in the field cookie, or sk:N as `ss -e` prints it"
#define WANT_SIZE   "bytes, or a number with K, M or G"
#define WANT_NETNS  "an inode number, a name in /run/netns, or a path such as /proc/PID/ns/net"
_Static_assert(PARSE_LIST_MAX == 64, "WANT_FEWER says the number");
#define WANT_FEWER "at most 64"

/* A part of the text. It is not terminated. */
struct span {
	const char *at;
	size_t len;
};

static int refuse(struct parse_fault *fault, int err, struct span span, const char *why,
		  const char *want)
{
	*fault = (struct parse_fault){ .at = span.at, .len = span.len, .why = why, .want = want };
	return err;
}

static struct span span_of(const char *text)
{
	return (struct span){ text, strlen(text) };
}

/* Reads decimal digits and nothing else. strtoull() would take blanks, signs and 0x. */
static int span_number(struct span span, uint64_t *number)
{
	uint64_t n = 0;

	if (!span.len)
		return -EINVAL;
	for (size_t i = 0; i < span.len; i++) {
		if (span.at[i] < '0' || span.at[i] > '9')
			return -EINVAL;
	}
	for (size_t i = 0; i < span.len; i++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(span.at[i] - '0'), &n))
			return -ERANGE;
	}
	*number = n;
	return 0;
}

static int span_number_within(struct span span, uint64_t min, uint64_t max, uint64_t *number)
{
	int err = span_number(span, number);

	if (!err && (*number < min || *number > max))
		err = -ERANGE;
	return err;
}

/* Copies into a string of @size bytes. Returns false if it does not fit. */
static bool span_copy(struct span span, char *to, size_t size)
{
	if (span.len >= size)
		return false;
	memcpy(to, span.at, span.len);
	to[span.len] = '\0';
	return true;
}

/* Returns the number for which @parse knows the name, or -EINVAL. */
static int span_name(struct span span, int (*parse)(const char *name))
{
	char name[32]; /* longer than the name of any state or reason */

	return span_copy(span, name, sizeof(name)) ? parse(name) : -EINVAL;
}

/* What an item's parser needs beside the item. */
struct list {
	void *into;
	parse_find_user *find; /* UIDs only */
	struct parse_fault *fault;
	const char *want;
	int (*add)(const struct list *list, struct span item);
};

static int list_refuse(const struct list *list, int err, struct span span, const char *why)
{
	return refuse(list->fault, err, span, why, list->want);
}

/* Hands each comma-separated item to list->add. */
static int list_parse(const struct list *list, const char *text)
{
	struct span whole = span_of(text);
	struct span item = { text, 0 };
	int err;

	for (;;) {
		item.len = strcspn(item.at, ",");
		if (!item.len)
			return list_refuse(list, -EINVAL, whole,
					   whole.len ? "has an empty item" : "is empty");
		err = list->add(list, item);
		if (err)
			return err;
		if (!item.at[item.len])
			return 0;
		item.at += item.len + 1;
	}
}

static int add_ports(const struct list *list, struct span item)
{
	struct port_set *set = list->into;
	const char *dash = memchr(item.at, '-', item.len);
	struct span low = item, high = item;
	uint64_t from, to;
	int err;

	if (dash) {
		low.len = dash - item.at;
		high.at = dash + 1;
		high.len = item.len - low.len - 1;
	}
	err = span_number_within(low, 1, PORT_MAX, &from);
	if (!err)
		err = span_number_within(high, 1, PORT_MAX, &to);
	if (err)
		return list_refuse(list, err, item, dash ? "is not a port range" : "is not a port");
	if (from > to)
		return list_refuse(list, -ERANGE, item, "is a range backwards");
	for (uint64_t port = from; port <= to; port++)
		set->bits[port / 64] |= 1ULL << (port % 64);
	set->any = true;
	return 0;
}

int parse_ports(const char *text, struct port_set *set, struct parse_fault *fault)
{
	struct list list = {
		.into = set, .fault = fault, .want = PARSE_WANT_PORT, .add = add_ports
	};

	return list_parse(&list, text);
}

static int id_list_add(const struct list *list, struct span item, uint32_t id)
{
	struct id_list *ids = list->into;

	for (unsigned int i = 0; i < ids->count; i++) {
		if (ids->ids[i] == id)
			return 0;
	}
	if (ids->count == PARSE_LIST_MAX)
		return refuse(list->fault, -E2BIG, item, "is one too many", WANT_FEWER);
	ids->ids[ids->count++] = id;
	return 0;
}

static int add_pid(const struct list *list, struct span item)
{
	uint64_t pid;
	int err = span_number_within(item, 1, PID_LIMIT, &pid);

	if (err)
		return list_refuse(list, err, item, "is not a PID");
	return id_list_add(list, item, (uint32_t)pid);
}

int parse_pids(const char *text, struct id_list *pids, struct parse_fault *fault)
{
	struct list list = { .into = pids, .fault = fault, .want = WANT_PID, .add = add_pid };

	return list_parse(&list, text);
}

static int add_uid(const struct list *list, struct span item)
{
	char name[256]; /* LOGIN_NAME_MAX */
	uint64_t number;
	uint32_t uid;
	int err = span_number_within(item, 0, UID_LIMIT, &number);

	if (!err)
		return id_list_add(list, item, (uint32_t)number);
	if (err == -ERANGE)
		return list_refuse(list, err, item, "is not a UID");
	if (!list->find || !span_copy(item, name, sizeof(name)))
		return list_refuse(list, -EINVAL, item, "is not a user");
	err = list->find(name, &uid);
	if (err)
		return list_refuse(list, -EINVAL, item,
				   err == -ENOENT ? "is not a user" : "cannot be looked up");
	return id_list_add(list, item, uid);
}

int parse_uids(const char *text, struct id_list *uids, parse_find_user *find,
	       struct parse_fault *fault)
{
	struct list list = {
		.into = uids, .find = find, .fault = fault, .want = WANT_UID, .add = add_uid
	};

	return list_parse(&list, text);
}

/* Clears the bits beyond the prefix. */
static void cidr_mask(struct cidr *cidr)
{
	unsigned int full = cidr->prefix / 8;

	if (full == sizeof(cidr->addr))
		return;
	cidr->addr[full] &= 0xff00 >> (cidr->prefix % 8);
	memset(cidr->addr + full + 1, 0, sizeof(cidr->addr) - full - 1);
}

/* Parses an address without a prefix. It gets the prefix of a single host. */
static bool cidr_address(struct cidr *cidr, const char *text)
{
	uint8_t ipv4[4];

	cidr->prefix = 128;
	if (strchr(text, ':')) {
		cidr->family = 6;
		return inet_pton(AF_INET6, text, cidr->addr) == 1;
	}
	cidr->family = 4;
	if (inet_pton(AF_INET, text, ipv4) != 1)
		return false;
	v4mapped_set(cidr->addr, ipv4);
	return true;
}

static bool cidr_is_mapped(const struct cidr *cidr)
{
	return cidr->prefix >= 96 && v4mapped_is(cidr->addr);
}

static int add_cidr(const struct list *list, struct span item)
{
	struct cidr_list *cidrs = list->into;
	const char *slash = memchr(item.at, '/', item.len);
	struct span address = { item.at, slash ? (size_t)(slash - item.at) : item.len };
	char text[INET6_ADDRSTRLEN];
	struct cidr cidr;
	uint64_t prefix;
	int err;

	if (!span_copy(address, text, sizeof(text)) || !cidr_address(&cidr, text))
		return list_refuse(list, -EINVAL, item, "is not an address");
	if (slash) {
		struct span rest = { slash + 1, item.len - address.len - 1 };
		bool v4 = cidr.family == 4;

		err = span_number_within(rest, 0, v4 ? 32 : 128, &prefix);
		if (err)
			return refuse(list->fault, err, item, "is not a prefix",
				      v4 ? "a length from /0 to /32" : "a length from /0 to /128");
		cidr.prefix = (uint8_t)(v4 ? prefix + 96 : prefix);
	}
	if (cidr_is_mapped(&cidr))
		cidr.family = 4;
	cidr_mask(&cidr);
	for (unsigned int i = 0; i < cidrs->count; i++) {
		if (!memcmp(&cidrs->cidrs[i], &cidr, sizeof(cidr)))
			return 0;
	}
	if (cidrs->count == PARSE_LIST_MAX)
		return refuse(list->fault, -E2BIG, item, "is one too many", WANT_FEWER);
	cidrs->cidrs[cidrs->count++] = cidr;
	return 0;
}

int parse_cidrs(const char *text, struct cidr_list *cidrs, struct parse_fault *fault)
{
	struct list list = { .into = cidrs, .fault = fault, .want = WANT_CIDR, .add = add_cidr };

	_Static_assert(sizeof(struct cidr) == 18, "cidrs are compared as bytes: no padding");
	return list_parse(&list, text);
}

static int add_state(const struct list *list, struct span item)
{
	uint16_t *mask = list->into;
	int state = span_name(item, tcpstate_parse);

	if (state < 0)
		return list_refuse(list, state, item, "is not a state");
	*mask |= 1U << state;
	return 0;
}

int parse_states(const char *text, uint16_t *mask, struct parse_fault *fault)
{
	struct list list = {
		.into = mask, .fault = fault, .want = tcpstate_list, .add = add_state
	};

	return list_parse(&list, text);
}

static int add_reason(const struct list *list, struct span item)
{
	uint32_t *mask = list->into;
	int reason = span_name(item, reason_parse);

	if (reason < 0)
		return list_refuse(list, reason, item, "is not a reason");
	*mask |= 1U << reason;
	return 0;
}

int parse_reasons(const char *text, uint32_t *mask, struct parse_fault *fault)
{
	struct list list = { .into = mask, .fault = fault, .want = reason_list, .add = add_reason };

	return list_parse(&list, text);
}

static int add_word(const struct list *list, struct span item)
{
	struct word_list *words = list->into;

	if (words->count == PARSE_LIST_MAX)
		return refuse(list->fault, -E2BIG, item, "is one too many", WANT_FEWER);
	words->words[words->count++] = (struct typed_word){ item.at, item.len };
	return 0;
}

static int add_pod(const struct list *list, struct span item)
{
	const char *slash = memchr(item.at, '/', item.len), *end = item.at + item.len;

	if (!slash || slash == item.at || slash + 1 == end ||
	    memchr(slash + 1, '/', end - slash - 1))
		return list_refuse(list, -EINVAL, item, "is not a pod");
	return add_word(list, item);
}

int parse_words(const char *text, struct word_list *words, struct parse_fault *fault)
{
	struct list list = { .into = words, .fault = fault, .want = "a name", .add = add_word };

	return list_parse(&list, text);
}

int parse_pods(const char *text, struct word_list *words, struct parse_fault *fault)
{
	struct list list = {
		.into = words,
		.fault = fault,
		.want = "NAMESPACE/NAME",
		.add = add_pod,
	};

	return list_parse(&list, text);
}

int parse_longer(const char *text, uint16_t *mask, uint64_t *ns, struct parse_fault *fault)
{
	struct span name = { text, strcspn(text, "=") };
	uint64_t limit_ns;
	int state, err;

	if (!text[name.len])
		return refuse(fault, -EINVAL, span_of(text), "is not STATE=TIME",
			      "a state and a time, as in CLOSE_WAIT=10s");
	state = span_name(name, tcpstate_parse);
	if (state < 0)
		return refuse(fault, state, name, "is not a state", tcpstate_list);
	err = parse_duration(text + name.len + 1, &limit_ns, fault);
	if (err)
		return err;
	*mask |= 1U << state;
	ns[state] = limit_ns;
	return 0;
}

static uint64_t unit_ns(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{ "ns", 1 },
		{ "us", 1000 },
		/* As tcpdwell's own rows print it: with the micro sign, and with the Greek mu. */
		{ "\u00b5s", 1000 },
		{ "\u03bcs", 1000 },
		{ "ms", 1000 * 1000 },
		{ "s", NS_PER_S },
		{ "m", 60 * NS_PER_S },
		{ "h", 3600 * NS_PER_S },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!strcmp(unit, units[i].name))
			return units[i].ns;
	}
	return 0;
}

/* Returns the digits after the point as billionths. Digits after the ninth are ignored. */
static uint64_t fraction_billionths(struct span digits)
{
	uint64_t billionths = 0;

	for (size_t i = 0; i < 9; i++)
		billionths = billionths * 10 + (i < digits.len ? digits.at[i] - '0' : 0);
	return billionths;
}

int parse_duration(const char *text, uint64_t *ns, struct parse_fault *fault)
{
	static const char digits[] = "0123456789";
	struct span all = span_of(text);
	struct span whole = { text, strspn(text, digits) };
	struct span fraction = { text + whole.len, 0 };
	uint64_t number, unit, part;
	int err;

	if (*fraction.at == '.') {
		fraction.at++;
		fraction.len = strspn(fraction.at, digits);
		if (!fraction.len)
			return refuse(fault, -EINVAL, all, "is not a duration", PARSE_WANT_TIME);
	}
	unit = unit_ns(fraction.at + fraction.len);
	err = span_number(whole, &number);
	if (!unit || err == -EINVAL)
		return refuse(fault, -EINVAL, all, "is not a duration", PARSE_WANT_TIME);
	/* In this order no product overflows: 10^9 * 3600, 10^9 * 10^6. */
	part = fraction_billionths(fraction);
	part = unit >= NS_PER_S ? part * (unit / NS_PER_S) : part * unit / NS_PER_S;
	if (err || __builtin_mul_overflow(number, unit, ns) ||
	    __builtin_add_overflow(*ns, part, ns) || *ns > INT64_MAX)
		return refuse(fault, -ERANGE, all, "is too long", "less than 292 years");
	return 0;
}

int parse_size(const char *text, uint64_t *bytes, struct parse_fault *fault)
{
	static const char units[] = "kmg";
	struct span all = span_of(text);
	struct span digits = all;
	unsigned int shift = 0;
	uint64_t number;
	int err;

	if (all.len) {
		/*
		 * Adding the bit 0x20 makes a letter small, and turns no other byte into one of
		 * these three.
		 */
		const char *unit = memchr(units, all.at[all.len - 1] | 0x20, strlen(units));

		if (unit) {
			shift = 10 * (unsigned int)(unit - units + 1);
			digits.len--;
		}
	}
	err = span_number(digits, &number);
	if (err == -EINVAL)
		return refuse(fault, err, all, "is not a size", WANT_SIZE);
	if (err || number > UINT64_MAX >> shift)
		return refuse(fault, -ERANGE, all, "is too large", "less than 16 EiB");
	*bytes = number << shift;
	return 0;
}

int parse_count(const char *text, uint64_t min, uint64_t max, const char *want, uint64_t *count,
		struct parse_fault *fault)
{
	struct span all = span_of(text);
	int err = span_number_within(all, min, max, count);

	if (err)
		return refuse(fault, err, all,
			      err == -ERANGE ? "is out of range" : "is not a number", want);
	return 0;
}

int parse_cookie(const char *text, uint64_t *cookie, struct parse_fault *fault)
{
	static const char ss_prefix[] = "sk:", digits[] = "0123456789abcdef";
	const struct span all = span_of(text);
	const char *at = text + strlen(ss_prefix);
	uint64_t number = 0;

	if (strncmp(text, ss_prefix, strlen(ss_prefix)))
		return parse_count(text, 1, UINT64_MAX, WANT_COOKIE, cookie, fault);
	if (strspn(at, digits) != strlen(at) || strlen(at) > 2 * sizeof(number))
		return refuse(fault, -EINVAL, all, "is not a cookie", WANT_COOKIE);
	for (; *at; at++)
		number = number << 4 | (uint64_t)(strchr(digits, *at) - digits);
	if (!number)
		return refuse(fault, -ERANGE, all, "is out of range", WANT_COOKIE);
	*cookie = number;
	return 0;
}

int parse_netns(const char *text, struct netns_ref *netns, struct parse_fault *fault)
{
	static const char prefix[] = "net:[";
	struct span all = span_of(text);
	struct span digits = all;
	uint64_t inode;
	int err;

	if (!strncmp(text, prefix, strlen(prefix)) && text[all.len - 1] == ']') {
		digits.at += strlen(prefix);
		digits.len -= strlen(prefix) + strlen("]");
	}
	err = span_number_within(digits, 1, UINT32_MAX, &inode);
	if (!err) {
		*netns = (struct netns_ref){ .inode = (uint32_t)inode };
		return 0;
	}
	/* It must be a name of ip-netns(8) or a path. A wrong number is neither. */
	if (!*text || !text[strspn(text, "0123456789")] || *text == '-' ||
	    !strncmp(text, prefix, strlen(prefix)) || !strcmp(text, ".") || !strcmp(text, ".."))
		return refuse(fault, err, all, "is not a network namespace", WANT_NETNS);
	*netns = (struct netns_ref){ .path = text };
	return 0;
}

int parse_choice(const char *text, const struct choice *choices, unsigned int *value,
		 struct parse_fault *fault)
{
	for (const struct choice *choice = choices; choice->name; choice++) {
		if (strcmp(choice->name, text))
			continue;
		*value = choice->value;
		return 0;
	}
	refuse(fault, -EINVAL, span_of(text), "is not known", NULL);
	fault->choices = choices;
	return -EINVAL;
}

const char *parse_list_choices(const struct choice *choices, char text[CHOICES_TEXT_LEN])
{
	size_t len = 0;

	text[0] = '\0';
	for (const struct choice *choice = choices; choice->name && len < CHOICES_TEXT_LEN;
	     choice++)
		len += snprintf(text + len, CHOICES_TEXT_LEN - len, "%s%s", len ? "|" : "",
				choice->name);
	return text;
}
