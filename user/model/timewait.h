/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is known of TIME_WAIT on a host: lifetimes, and counts by process, by remote end, by local
 * port, and by the ports that a client has left. Rows and settings go in, figures come out. Pure.
 *
 * Memory is bounded (tally.h). Nothing is kept for a single TIME_WAIT; the row that ends it brings
 * its dwell.
 *
 * Open connections hold the ports of clients as TIME_WAIT does, so they are counted, too. struct
 * tcpdwell_port_use says to whom a port is closed.
 *
 * Keys of which there would be as many as connections are folded. The remote end of a server's
 * connection is reduced to its address, and the local port of a client's to "ephemeral" (port 0).
 * service.h decides which of the two it is. If it cannot, both are folded, and the connection takes
 * no known client's port.
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

/* The greatest number of rows in a table of a report (--top). */
#define TIMEWAIT_TOP_MAX 100

/* How many timewait sockets from before the start are listed; all of them are counted. */
#define TIMEWAIT_LISTED 1000

/* For how many namespaces settings are kept: as many as are visited at the start. */
#define TIMEWAIT_NETNS 1024

/* The length of a name in /run/netns; longer ones are cut. */
#define TIMEWAIT_NAME_LEN 32

struct timewait;
struct filters;

/* The settings of a network namespace. */
struct timewait_netns {
	uint32_t inode;
	bool own;		      /* the tool's own namespace */
	char name[TIMEWAIT_NAME_LEN]; /* as ip-netns(8) names it; empty: none */
	struct ephemeral ephemeral;
};

/* A socket that was in TIME_WAIT, or open, at the start. */
struct timewait_old {
	uint32_t netns;
	uint32_t scope; /* interface that it is bound to; 0: none */
	uint8_t family;
	uint8_t listens; /* enum service_listener */
	uint16_t lport;
	uint16_t rport;
	uint8_t laddr[16];
	uint8_t raddr[16];
	uint64_t left_ns;
	const struct timewait_netns *netns_settings; /* set by timewait_add_old() */
};

/* Restricts @filters to the rows that matter here. */
void timewait_narrow(struct filters *filters);

/* Returns NULL with errno set if there is no memory. The caller frees it. */
struct timewait *timewait_new(void);

/* NULL-safe. */
void timewait_free(struct timewait *tw);

/* Sets from when on the tool sees what happens. */
void timewait_begin(struct timewait *tw, uint64_t now_ns);

/*
 * Sets the settings of a namespace, also if they were set before. Further namespaces are ignored
 * when there are too many.
 */
void timewait_set_netns(struct timewait *tw, const struct timewait_netns *netns);

/* Returns the tool's own namespace; NULL if it was not set. */
const struct timewait_netns *timewait_own_netns(const struct timewait *tw);

/*
 * Notes that some TIME_WAITs are hidden from the tool: ports may be held by what it does not count.
 */
void timewait_set_partial(struct timewait *tw);

/*
 * Returns true if a timewait socket that had @left_ns to go at @read_ns was one at @begin_ns. If it
 * was not, a row tells of it. An old socket looks new if a segment came since then.
 */
bool timewait_is_old(uint64_t read_ns, uint64_t left_ns, uint64_t begin_ns);

void timewait_add_old(struct timewait *tw, uint64_t now_ns, const struct timewait_old *old);

/* Adds a client's connection that is open at the start. */
void timewait_add_open(struct timewait *tw, uint64_t now_ns, const struct timewait_old *open);

/*
 * Notes what a snapshot says of a socket. timewait_add_old() and timewait_add_open() look up whose
 * the socket is and how it got its port, so the notes must come first. Further ones are ignored
 * when there are too many. timewait_looked() forgets them.
 */
void timewait_note(struct timewait *tw, const struct tcpdwell_socket *socket);

/* Returns true if a listener at the port was noted. Must be called before timewait_looked(). */
bool timewait_listens(struct timewait *tw, uint32_t netns, uint16_t port);

void timewait_looked(struct timewait *tw);

/*
 * Takes a row of the stream, and what it says of the port; NULL: nothing. Ignores rows that are not
 * about TIME_WAIT or clients' ports.
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
	double rate; /* entries a second over TALLY_RATE_SECONDS */
};

/* A table, worst first: the most in TIME_WAIT now, then the most entered. */
struct timewait_table {
	struct timewait_row rows[TIMEWAIT_TOP_MAX];
	unsigned int count;
	struct timewait_row rest;
	unsigned int rest_keys; /* number of keys in the rest */
	bool rest_more;		/* further keys in it were not kept apart */
};

/*
 * A client's local address, remote address and port; or, if its key says that the ports are bound,
 * only the local address.
 */
struct timewait_pressure {
	struct timewait_row row;
	uint64_t peak;
	uint64_t open;
	uint64_t blocked;		    /* lower bound of the ports held that are not these */
	uint64_t refused;		    /* connect() failed: EADDRNOTAVAIL */
	const struct timewait_netns *netns; /* NULL: the settings are not known */
	struct pressure pressure;
	uint32_t pid;				 /* owner of the last one */
	char comm[TCPDWELL_COMM_LEN];		 /* empty: not known */
	bool varies;				 /* several processes had some */
	bool gone;				 /* set by the caller: it has ended */
	struct tally_name names[TALLY_NAMES];	 /* names of programs, most connections first */
	struct tally_name blockers[TALLY_NAMES]; /* of programs that hold the blocked ports */
	uint16_t range_low;			 /* IP_LOCAL_PORT_RANGE, 0: not set */
	uint16_t range_high;
};

struct timewait_figures {
	uint64_t start_ns;
	uint64_t now_ns;
	unsigned int top; /* greatest number of rows in each table */
	struct timewait_row total;
	uint64_t overflow;	 /* closed without TIME_WAIT (tcp_max_tw_buckets) */
	uint32_t overflow_netns; /* where that happened last */
	const struct timewait_netns *overflow_settings; /* NULL: not known */
	uint64_t refused;				/* EADDRNOTAVAIL, of all clients */

	/*
	 * By enum tcpdwell_reason; NULL: none ended so. Only those that entered while the tool ran.
	 */
	const struct hist *lifetimes[TCPDWELL_REASON_MAX];
	uint64_t ended_old; /* early ends of those from the start */

	uint64_t old;			   /* number there at the start */
	const struct hist *old_left;	   /* how long they had to go then */
	const struct timewait_old *listed; /* those with the most to go come first */
	unsigned int listed_count;

	struct timewait_table owners;
	struct timewait_table remotes;
	struct timewait_table lports;
	struct timewait_pressure pressures[TIMEWAIT_TOP_MAX]; /* worst verdict first */
	unsigned int pressure_count;
	bool open_partial; /* some open connections are not counted */
	struct timewait_row pressure_rest;
	unsigned int pressure_rest_keys;
	bool pressure_rest_more;
};

/*
 * Computes the figures at @now_ns, with at most @top rows in each table. What they point at belongs
 * to @tw, and is valid until @tw changes.
 */
void timewait_figures(struct timewait *tw, uint64_t now_ns, unsigned int top,
		      struct timewait_figures *figures);

/* Returns the settings of a namespace; NULL: not known. */
const struct timewait_netns *timewait_netns(const struct timewait *tw, uint32_t inode);

#endif /* TCPDWELL_TIMEWAIT_H */
