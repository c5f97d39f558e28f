/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts of TIME_WAIT by key, in bounded memory, and of connections that are open.
 *
 * A struct tally holds the counts of one key and a clock of seconds: how many of its TIME_WAITs are
 * due to end in each second to come, and how many began in each of the last ones. No entry is kept
 * for a single TIME_WAIT: what there is now is what was there at the start, plus what entered, less
 * what left. One that nobody saw leave (its row was lost, or the kernel ran no program for its end)
 * has left once it is TALLY_LATE_SECONDS overdue.
 *
 * A struct tallies holds at most TALLIES_KEYS of them. When it is full, keys with nothing in
 * TIME_WAIT make room, the least used first; what finds no room is counted under "other".
 *
 * Times are nanoseconds of CLOCK_MONOTONIC. No errors but the lack of memory. One thread at a time.
 */
#ifndef TCPDWELL_TALLY_H
#define TCPDWELL_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

/* TCP_TIMEWAIT_LEN, include/net/tcp.h: no setting changes it. */
#define TIMEWAIT_SECONDS 60

/* A power of two that holds TIMEWAIT_SECONDS and what rounding adds. */
#define TALLY_SECONDS 64

/*
 * From when a TIME_WAIT is due until it counts as left. The kernel's timer wheel makes 65 s of 60
 * at the most (at 100 Hz). A segment in TIME_WAIT begins them anew, and comes early as a rule.
 */
#define TALLY_LATE_SECONDS 8

/* Rates are means over this long: short enough to follow a burst, long enough to read. */
#define TALLY_RATE_SECONDS 10

/* Two thousand keys of a table take 1.9 MiB; a report shows a few of them. */
#define TALLIES_KEYS 2048

/* What is counted by. Parts that a table does not ask for are zero, padding too. */
struct tally_key {
	uint32_t netns;
	uint32_t pid;
	uint8_t family; /* 4 or 6, 0: no address */
	uint8_t side;	/* enum service_side, where the table asks for it */
	uint16_t lport;
	uint16_t rport;
	uint8_t bound; /* where the table asks for it: ports that bind() took, whereto ever */
	uint8_t pad;
	char comm[TCPDWELL_COMM_LEN];
	uint8_t laddr[16];
	uint8_t raddr[16];
	uint32_t scope; /* interface, where the table asks for it */
	uint32_t pad2;
};

_Static_assert(sizeof(struct tally_key) == 72, "a key is compared as 72 bytes, none of them unset");

/* Names of programs that are told apart in one key; a client's port is seldom used by more. */
#define TALLY_NAMES 4

struct tally_name {
	char comm[TCPDWELL_COMM_LEN]; /* empty: the place is free */
	uint32_t connections;	      /* that were opened, or entered TIME_WAIT */
};

struct tally {
	struct tally_key key;
	uint64_t since_ns; /* what began before it is not counted here */
	uint64_t entered;
	uint64_t left;	    /* of those that entered */
	uint64_t overdue;   /* of those that left: nobody saw it */
	uint64_t old;	    /* in TIME_WAIT at the start */
	uint64_t old_gone;  /* of those: left before their time, or their time is over */
	uint64_t peak;	    /* the most at a time */
	uint64_t open;	    /* not in TIME_WAIT yet */
	uint64_t held_peak; /* the most of both at a time */
	uint64_t refused;   /* connect() found no port */
	uint32_t owner_pid; /* of the last one that entered, 0: not known */
	char owner_comm[TCPDWELL_COMM_LEN];
	bool owner_varies;   /* several processes did */
	bool range_varies;   /* not all sockets have the same IP_LOCAL_PORT_RANGE */
	bool range_known;    /* of one at least */
	uint16_t range_low;  /* 0: not set */
	uint16_t range_high; /* 0: not set */
	struct tally_name names[TALLY_NAMES];
	uint64_t second; /* where the clock stands */
	uint32_t due[TALLY_SECONDS];
	uint32_t old_due[TALLY_SECONDS];
	uint32_t late[TALLY_LATE_SECONDS]; /* due in the last seconds, and there yet */
	uint32_t began[TALLY_SECONDS];
};

/* Brings the clock to @now_ns. Each function below does it first; it never goes back. */
void tally_advance(struct tally *tally, uint64_t now_ns);

/*
 * One was there at the start, at @now_ns, with @left_ns to go. Returns the second when it is due.
 */
uint64_t tally_add_old(struct tally *tally, uint64_t now_ns, uint64_t left_ns);

/* One enters at @time_ns. */
void tally_enter(struct tally *tally, uint64_t time_ns);

/* One that is open holds its port, and no more. */
void tally_open(struct tally *tally, uint64_t time_ns);
void tally_close(struct tally *tally, uint64_t time_ns);

/* What IP_LOCAL_PORT_RANGE a socket has, 0 and 0: none. */
void tally_set_range(struct tally *tally, uint16_t low, uint16_t high);

/* The program with the most connections, NULL: none is known. */
const struct tally_name *tally_main_name(const struct tally *tally);

/* Whose a connection is; @pid 0 and @comm NULL: not known, and what was known stays. */
void tally_set_owner(struct tally *tally, uint32_t pid, const char *comm);

/* One that entered at @entered_ns leaves at @time_ns. */
void tally_leave(struct tally *tally, uint64_t time_ns, uint64_t entered_ns);

/* One that was there at the start, and is due in second @end of the clock, leaves at @time_ns. */
void tally_leave_old(struct tally *tally, uint64_t time_ns, uint64_t end);

/* For tables and sets of keys. */
uint64_t tally_key_hash(const struct tally_key *key);

/* In TIME_WAIT at the second where the clock stands. */
uint64_t tally_now(const struct tally *tally);

/* And those that are open. */
uint64_t tally_held(const struct tally *tally);

/* How many are due to end in the @index-th second from the clock's on. */
uint32_t tally_due(const struct tally *tally, unsigned int index);

/* Entries a second over the last TALLY_RATE_SECONDS whole seconds, or since @start_ns if later. */
double tally_rate(const struct tally *tally, uint64_t start_ns, uint64_t now_ns);

struct tallies;

/* Returns NULL with errno set if there is no memory. The caller frees it. */
struct tallies *tallies_new(void);

/* NULL-safe. */
void tallies_free(struct tallies *tallies);

/* The counts of @key, or those of "other" if it has none. Valid until the next tallies_take(). */
struct tally *tallies_find(struct tallies *tallies, const struct tally_key *key);

/* The same, but makes room for a new key if it can; what begins at @time_ns is counted there. */
struct tally *tallies_take(struct tallies *tallies, const struct tally_key *key, uint64_t time_ns);

/* What began at @entered_ns is counted under its key, or under "other" if the key is younger. */
struct tally *tallies_holder(struct tallies *tallies, const struct tally_key *key,
			     uint64_t entered_ns);

/* The keys, in no order; all of them at @now_ns. */
unsigned int tallies_count(const struct tallies *tallies);
struct tally *tallies_at(struct tallies *tallies, unsigned int index, uint64_t now_ns);

/* What found no room, and whether anything ever did not. */
struct tally *tallies_other(struct tallies *tallies, uint64_t now_ns);
bool tallies_overflowed(const struct tallies *tallies);

#endif /* TCPDWELL_TALLY_H */
