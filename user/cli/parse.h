/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Parses values of options. All functions are pure, strict and without locale.
 *
 * Each parser takes the whole of its text or fails: no blanks, no signs, no rest. It returns 0, or
 * -EINVAL (no such value), -ERANGE (out of bounds) or -E2BIG (the list is full), and then fills
 * @fault. List parsers add to the list, so that a repeated option accumulates. After a failure a
 * list may hold the items before the bad one. Nothing is allocated and nothing is kept: a fault
 * points at the caller's text or at a string constant.
 */
#ifndef TCPDWELL_PARSE_H
#define TCPDWELL_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The most items of a list. So many are still searched faster than hashed, and nobody types more.
 */
#define PARSE_LIST_MAX 64

/* What some values look like, for messages and for the help. */
#define PARSE_WANT_PORT "1..65535 or a range LO-HI"
#define PARSE_WANT_TIME "a number with a unit: ns us ms s m h"

/* Ports 1..65535; bit p % 64 of word p / 64. */
struct port_set {
	uint64_t bits[1024];
	bool any; /* at least one port is in the set; if none is, the set filters nothing */
};

/* PIDs or UIDs, each once. */
struct id_list {
	uint32_t ids[PARSE_LIST_MAX];
	unsigned int count;
};

/* A prefix in network order, IPv4 as v4-mapped (::ffff:a.b.c.d); host bits are zero. */
struct cidr {
	uint8_t addr[16];
	uint8_t prefix; /* 0..128, of the mapped form: 10.0.0.0/8 has 104 */
	uint8_t family; /* 4 or 6: ::/0 is every IPv6 address and no IPv4 one */
};

struct cidr_list {
	struct cidr cidrs[PARSE_LIST_MAX];
	unsigned int count;
};

/* Words as they were typed. They are not owned, and not ended by NUL. */
struct word_list {
	struct typed_word {
		const char *at;
		size_t len;
	} words[PARSE_LIST_MAX];
	unsigned int count;
};

/* A network namespace, by inode number. If that is 0, by a path that is not looked up yet. */
struct netns_ref {
	uint32_t inode;
	const char *path; /* not owned; without a slash it is a name in /run/netns */
};

/* One of the values that an option takes by name. A NULL name ends a list of them. */
struct choice {
	const char *name;
	unsigned int value;
};

/* What was wrong: "'AT' WHY: want WANT", or, for a choice, one of CHOICES. */
struct parse_fault {
	const char *at; /* the offending part, of len bytes; NULL: there is none to show */
	size_t len;
	const char *why;
	const char *want; /* NULL: why says all, or the choices do */
	const struct choice *choices;
};

/* Finds a user's number by name. Returns 0, -ENOENT if there is no such user, or another -errno. */
typedef int parse_find_user(const char *name, uint32_t *uid);

/* PORT,LO-HI,... */
int parse_ports(const char *text, struct port_set *set, struct parse_fault *fault);
/* PID,... */
int parse_pids(const char *text, struct id_list *pids, struct parse_fault *fault);
/* UID|NAME,... @find may be NULL: names are then refused. */
int parse_uids(const char *text, struct id_list *uids, parse_find_user *find,
	       struct parse_fault *fault);
/* A.B.C.D[/N],X::Y[/N],... Bits beyond the prefix are cleared, as `ss dst` does. */
int parse_cidrs(const char *text, struct cidr_list *cidrs, struct parse_fault *fault);
/* NAME,... */
int parse_words(const char *text, struct word_list *words, struct parse_fault *fault);
/* NAMESPACE/NAME,... */
int parse_pods(const char *text, struct word_list *words, struct parse_fault *fault);
/* STATE,... as tcpstate_parse() takes them. Sets bit N for state number N of wire.h. */
int parse_states(const char *text, uint16_t *mask, struct parse_fault *fault);
/* NAME,... as reason_parse() takes them. Sets bit N for reason number N of wire.h. */
int parse_reasons(const char *text, uint32_t *mask, struct parse_fault *fault);
/* STATE=TIME. Sets bit N, and the time in @ns, of state number N of wire.h. */
int parse_longer(const char *text, uint16_t *mask, uint64_t *ns, struct parse_fault *fault);
/*
 * A number, which may have a fraction, and a unit: ns us ms s m h. At most INT64_MAX nanoseconds.
 */
int parse_duration(const char *text, uint64_t *ns, struct parse_fault *fault);
/* Bytes, or a number with K, M or G (powers of 1024). */
int parse_size(const char *text, uint64_t *bytes, struct parse_fault *fault);
/* A socket's cookie, as tcpdwell's rows (decimal) or `ss -e` (sk:, hexadecimal) show it. Not 0. */
int parse_cookie(const char *text, uint64_t *cookie, struct parse_fault *fault);
/* A plain decimal number from @min to @max. @want says these bounds in words. */
int parse_count(const char *text, uint64_t min, uint64_t max, const char *want, uint64_t *count,
		struct parse_fault *fault);
/* An inode number, also as net:[N], a name of ip-netns(8), or a path. */
int parse_netns(const char *text, struct netns_ref *netns, struct parse_fault *fault);
/* The name of one of @choices. Sets @value to its value. A fault points at @choices. */
int parse_choice(const char *text, const struct choice *choices, unsigned int *value,
		 struct parse_fault *fault);

/* Room for any list of choices. */
#define CHOICES_TEXT_LEN 128

/* Writes "first|second|…" to @text. Returns @text. */
const char *parse_list_choices(const struct choice *choices, char text[CHOICES_TEXT_LEN]);

/* Returns true if @port is in the set. An empty set holds none. */
static inline bool port_set_has(const struct port_set *set, uint16_t port)
{
	return set->bits[port / 64] >> (port % 64) & 1;
}

/* Returns true if @id is in the list. */
static inline bool id_list_has(const struct id_list *list, uint32_t id)
{
	for (unsigned int i = 0; i < list->count; i++)
		if (list->ids[i] == id)
			return true;
	return false;
}

#endif /* TCPDWELL_PARSE_H */
