/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts of TIME_WAIT by key, and of open connections, in bounded memory.
 *
 * A struct tally holds the counts of one key and a clock of seconds: how many of its TIME_WAITs are
 * due to end in each coming second, and how many began in each of the last ones. No entry is kept
 * for a single TIME_WAIT: the present number is what was there at the start, plus what entered,
 * minus what left. If nobody saw one leave (its row was lost, or the kernel ran no program for its
 * end), it counts as left once it is TALLY_LATE_SECONDS overdue.
 *
 * A struct tallies holds at most TALLIES_KEYS tallies. When it is full, keys that hold nothing make
 * room, the least used ones first. What finds no room is counted under "other".
 *
 * Times are nanoseconds of CLOCK_MONOTONIC. The only error is lack of memory. One thread at a time.
 */
#ifndef TCPDWELL_TALLY_H
#define TCPDWELL_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/tcpstate.h"
#include "wire.h"

/* A power of two that has room for TIMEWAIT_SECONDS and for rounding. */
#define TALLY_SECONDS 64

/*
 * How long after it was due a TIME_WAIT counts as left. The kernel's timer wheel turns 60 s into 65
 * s at most (at 100 Hz). A segment in TIME_WAIT starts the 60 s again; as a rule it comes early.
 */
#define TALLY_LATE_SECONDS 8

/* Rates are means over this many seconds: short enough to follow a burst, long enough to read. */
#define TALLY_RATE_SECONDS 10

/* The keys of a table, which take 1.9 MiB. A report shows a few of them. */
#define TALLIES_KEYS 2048

/*
 * What TIME_WAITs are counted by. Parts that a table does not use are zero, and so is the padding.
 */
struct tally_key {
	uint32_t netns;
	uint32_t pid;
	uint8_t family; /* 4 or 6; 0: there is no address */
	uint8_t side;	/* enum service_side, if the table uses it */
	uint16_t lport;
	uint16_t rport;
	uint8_t bound; /* if the table uses it: bind() took the ports, whatever the destination */
	uint8_t pad;
	char comm[TCPDWELL_COMM_LEN];
	uint8_t laddr[16];
	uint8_t raddr[16];
	uint32_t scope; /* interface, if the table uses it */
	uint32_t pad2;
};

_Static_assert(sizeof(struct tally_key) == 72, "a key is compared as 72 bytes, none of them unset");

/* How many names of programs one key keeps apart; a client's port is seldom used by more. */
#define TALLY_NAMES 4

struct tally_name {
	char comm[TCPDWELL_COMM_LEN]; /* empty: the slot is free */
	uint32_t connections;	      /* that were opened, or entered TIME_WAIT */
};

struct tally {
	struct tally_key key;
	uint64_t since_ns; /* what began earlier is not counted here */
	uint64_t entered;
	uint64_t left;	    /* of those that entered */
	uint64_t overdue;   /* of those that left: nobody saw them leave */
	uint64_t old;	    /* in TIME_WAIT at the start */
	uint64_t old_gone;  /* of old: left early, or their time is over */
	uint64_t peak;	    /* the greatest number in TIME_WAIT */
	uint64_t open;	    /* connections that are not yet in TIME_WAIT */
	uint64_t held_peak; /* the greatest number of both together */
	uint64_t refused;   /* connect() calls that found no port */
	uint32_t owner_pid; /* of the last one that entered; 0: not known */
	char owner_comm[TCPDWELL_COMM_LEN];
	bool owner_varies;   /* several processes had some */
	bool range_varies;   /* the sockets differ in IP_LOCAL_PORT_RANGE */
	bool range_known;    /* the range of at least one socket is known */
	uint16_t range_low;  /* 0: not set */
	uint16_t range_high; /* 0: not set */
	struct tally_name names[TALLY_NAMES];
	uint64_t second; /* where the clock is */
	uint32_t due[TALLY_SECONDS];
	uint32_t old_due[TALLY_SECONDS];
	uint32_t late[TALLY_LATE_SECONDS]; /* were due in the last seconds, but not seen to leave */
	uint32_t began[TALLY_SECONDS];
};

/* Advances the clock to @now_ns. Each function below does that first. The clock never goes back. */
void tally_advance(struct tally *tally, uint64_t now_ns);

/*
 * Adds one that was there at the start, at @now_ns, and has @left_ns to go. Returns the second in
 * which it is due.
 */
uint64_t tally_add_old(struct tally *tally, uint64_t now_ns, uint64_t left_ns);

/* Adds one that enters TIME_WAIT at @time_ns. */
void tally_enter(struct tally *tally, uint64_t time_ns);

/* Add and remove an open connection, which holds its port. */
void tally_open(struct tally *tally, uint64_t time_ns);
void tally_close(struct tally *tally, uint64_t time_ns);

/* Sets the IP_LOCAL_PORT_RANGE of a socket; 0 and 0: none. */
void tally_set_range(struct tally *tally, uint16_t low, uint16_t high);

/* Returns the program with the most connections; NULL: none is known. */
const struct tally_name *tally_main_name(const struct tally *tally);

/* Sets who owns a connection. If @comm is NULL, nothing changes: the owner is not known. */
void tally_set_owner(struct tally *tally, uint32_t pid, const char *comm);

/* Removes one that entered at @entered_ns and leaves at @time_ns. */
void tally_leave(struct tally *tally, uint64_t time_ns, uint64_t entered_ns);

/*
 * Removes one that was there at the start, was due in second @end of the clock, and leaves at
 * @time_ns.
 */
void tally_leave_old(struct tally *tally, uint64_t time_ns, uint64_t end);

/* Returns a hash of the key, for tables and sets of keys. */
uint64_t tally_key_hash(const struct tally_key *key);

/* Returns how many are in TIME_WAIT at the second where the clock is. */
uint64_t tally_now(const struct tally *tally);

/* Returns the same number plus the open connections. */
uint64_t tally_held(const struct tally *tally);

/* Returns how many are due to end in the @index-th second from the clock on. */
uint32_t tally_due(const struct tally *tally, unsigned int index);

/*
 * Returns the entries a second over the last TALLY_RATE_SECONDS whole seconds, or since @start_ns
 * if that is later.
 */
double tally_rate(const struct tally *tally, uint64_t start_ns, uint64_t now_ns);

struct tallies;

/* Returns NULL with errno set if there is no memory. The caller frees it. */
struct tallies *tallies_new(void);

/* NULL-safe. */
void tallies_free(struct tallies *tallies);

/*
 * Returns the tally of @key, or that of "other" if the key has none. Valid until the next
 * tallies_take().
 */
struct tally *tallies_find(struct tallies *tallies, const struct tally_key *key);

/*
 * Does the same, but makes room for a new key if possible. A new key counts what begins from
 * @time_ns on.
 */
struct tally *tallies_take(struct tallies *tallies, const struct tally_key *key, uint64_t time_ns);

/*
 * Returns the tally that counted what began at @entered_ns: that of the key, or that of "other" if
 * the key is younger.
 */
struct tally *tallies_holder(struct tallies *tallies, const struct tally_key *key,
			     uint64_t entered_ns);

/* Return the number of keys, and each of them at @now_ns, in no particular order. */
unsigned int tallies_count(const struct tallies *tallies);
struct tally *tallies_at(struct tallies *tallies, unsigned int index, uint64_t now_ns);

/* Return the tally of what found no room, and whether anything ever found none. */
struct tally *tallies_other(struct tallies *tallies, uint64_t now_ns);
bool tallies_overflowed(const struct tallies *tallies);

#endif /* TCPDWELL_TALLY_H */
