/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is known of TIME_WAIT on a host: lifetimes, and counts by process, by remote end, by local
 * port and by what ports a client has left. Pure: rows and settings go in, figures come out.
 *
 * Memory is bounded (tally.h): nothing is kept for a single TIME_WAIT, whose dwell comes with the
 * row that ends it.
 *
 * The ports of clients are held by connections that are open as well as by TIME_WAIT (struct
 * tcpdwell_port_use says which are in the way of which), so open ones are counted, too.
 *
 * Keys that would be as many as connections are folded. A server's remote end is its address alone,
 * a client's local port is "ephemeral" (port 0). service.h decides which it is; where it cannot,
 * both are folded, and the connection takes no client's port that is known of.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC. One thread at a time.
 */
#ifndef TCPDWELL_TIMEWAIT_H
#define TCPDWELL_TIMEWAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "host/ephemeral.h"
#include "model/hist.h"
#include "model/pressure.h"
#include "model/tally.h"
#include "service.h"
#include "wire.h"

/* Rows of a table in a report, at the most (--top). */
#define TIMEWAIT_TOP_MAX 100

/* Of those that were there at the start, so many are listed; all are counted. */
#define TIMEWAIT_LISTED 1000

/* Namespaces whose settings are kept, as many as are visited at the start. */
#define TIMEWAIT_NETNS 1024

/* Of a name in /run/netns; longer ones are cut. */
#define TIMEWAIT_NAME_LEN 32

struct timewait;
struct filters;

/* Settings of a network namespace. */
struct timewait_netns {
	uint32_t inode;
	bool own;		      /* the tool's */
	char name[TIMEWAIT_NAME_LEN]; /* of ip-netns(8), empty: none */
	struct ephemeral ephemeral;
};

/* One that was in TIME_WAIT at the start, or open. */
struct timewait_old {
	uint32_t netns;
	uint32_t scope; /* interface that it is bound to, 0: none */
	uint8_t family;
	uint8_t listens; /* enum service_listener */
	uint16_t lport;
	uint16_t rport;
	uint8_t laddr[16];
	uint8_t raddr[16];
	uint64_t left_ns;
	const struct timewait_netns *netns_settings; /* timewait_add_old() looks them up */
};

/* Narrows @filters to the rows that matter here. */
void timewait_narrow(struct filters *filters);

/* Returns NULL with errno set if there is no memory. The caller frees it. */
struct timewait *timewait_new(void);

/* NULL-safe. */
void timewait_free(struct timewait *tw);

/* The tool sees what happens from @now_ns on. */
void timewait_begin(struct timewait *tw, uint64_t now_ns);

/* Keeps the settings of a namespace, again if they may have changed; too many are passed over. */
void timewait_set_netns(struct timewait *tw, const struct timewait_netns *netns);

/* The tool's own namespace, NULL if it was not set. */
const struct timewait_netns *timewait_own_netns(const struct timewait *tw);

/* TIME_WAITs are hidden from the tool: what it does not count may hold ports all the same. */
void timewait_set_partial(struct timewait *tw);

void timewait_add_old(struct timewait *tw, uint64_t now_ns, const struct timewait_old *old);

/* One that is open: a client's. */
void timewait_add_open(struct timewait *tw, uint64_t now_ns, const struct timewait_old *open);

/*
 * What a snapshot says of a socket, ahead of the two above, which ask for whose it is and how it
 * got its port. Too many are passed over. timewait_looked() forgets them.
 */
void timewait_note(struct timewait *tw, const struct tcpdwell_socket *socket);

/* Whether a listener at the port was noted; before timewait_looked(). */
bool timewait_listens(struct timewait *tw, uint32_t netns, uint16_t port);

void timewait_looked(struct timewait *tw);

/*
 * A row of the stream, with what it says of the port, NULL: nothing. What has nothing to do with
 * TIME_WAIT and the ports of clients is passed over.
 */
void timewait_event(struct timewait *tw, const struct tcpdwell_transition *t,
		    const struct tcpdwell_port_use *port);

/* ---- Figures ---- */

/* A row of a table. */
struct timewait_row {
	struct tally_key key;
	uint64_t now;
	uint64_t entered;
	uint64_t left;
	double rate; /* entries a second, over TALLY_RATE_SECONDS */
};

/* A table, worst first: most in TIME_WAIT now, then most entered. */
struct timewait_table {
	struct timewait_row rows[TIMEWAIT_TOP_MAX];
	unsigned int count;
	struct timewait_row rest;
	unsigned int rest_keys; /* how many keys the rest is of */
	bool rest_more;		/* and more, which were not told apart */
};

/*
 * A client's local address, remote address and port, or, where its key says that the ports are
 * bound, the local address alone.
 */
struct timewait_pressure {
	struct timewait_row row;
	uint64_t peak;
	uint64_t open;
	uint64_t blocked;		    /* ports that are held beside these, at the least */
	uint64_t refused;		    /* connect() failed: EADDRNOTAVAIL */
	const struct timewait_netns *netns; /* NULL: its settings are not known */
	struct pressure pressure;
	uint32_t pid;				 /* whose the last one was */
	char comm[TCPDWELL_COMM_LEN];		 /* empty: not known */
	bool varies;				 /* several processes had some */
	bool gone;				 /* for who can tell: that process is no more */
	struct tally_name names[TALLY_NAMES];	 /* of programs, most connections first */
	struct tally_name blockers[TALLY_NAMES]; /* of those that hold what is blocked */
	uint16_t range_low;			 /* IP_LOCAL_PORT_RANGE, 0: not set */
	uint16_t range_high;
};

struct timewait_figures {
	uint64_t start_ns;
	uint64_t now_ns;
	unsigned int top; /* rows that each table may have */
	struct timewait_row total;
	uint64_t overflow;	 /* tcp_max_tw_buckets: closed with no TIME_WAIT */
	uint32_t overflow_netns; /* where last */
	const struct timewait_netns *overflow_settings; /* NULL: not known */
	uint64_t refused;				/* EADDRNOTAVAIL of all */

	/* By enum tcpdwell_reason; NULL: none ended so. Only what began under the tool. */
	const struct hist *lifetimes[TCPDWELL_REASON_MAX];
	uint64_t ended_old; /* early ends of those that were there at the start */

	uint64_t old;			   /* there at the start */
	const struct hist *old_left;	   /* what they had to go then */
	const struct timewait_old *listed; /* those with the most to go first */
	unsigned int listed_count;

	struct timewait_table owners;
	struct timewait_table remotes;
	struct timewait_table lports;
	struct timewait_pressure pressures[TIMEWAIT_TOP_MAX]; /* worst verdict first */
	unsigned int pressure_count;
	bool open_partial; /* not all open connections are counted */
	struct timewait_row pressure_rest;
	unsigned int pressure_rest_keys;
	bool pressure_rest_more;
};

/*
 * The figures at @now_ns with @top rows in each table. What they point at is @tw's and valid until
 * its next change.
 */
void timewait_figures(struct timewait *tw, uint64_t now_ns, unsigned int top,
		      struct timewait_figures *figures);

/* The settings of a namespace, NULL: not known. */
const struct timewait_netns *timewait_netns(const struct timewait *tw, uint32_t inode);

#endif /* TCPDWELL_TIMEWAIT_H */
