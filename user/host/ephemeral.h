/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The settings of a network namespace that decide how many local ports connect() has, and how many
 * of them TIME_WAIT takes.
 *
 * A local port in TIME_WAIT is taken only for one remote address and port. connect() to another one
 * may use it at the same time.
 */
#ifndef TCPDWELL_EPHEMERAL_H
#define TCPDWELL_EPHEMERAL_H

#include <stdbool.h>
#include <stdint.h>

/* Linux's defaults, for a namespace whose settings are not known. */
#define EPHEMERAL_LOW  32768
#define EPHEMERAL_HIGH 60999

/* tcp_tw_reuse */
enum tw_reuse {
	TW_REUSE_OFF = 0,
	TW_REUSE_ALL = 1,
	TW_REUSE_LOOPBACK = 2, /* the default since 4.19 */
};

struct ephemeral {
	bool known;		    /* false: the rest is of no use */
	uint16_t low;		    /* ip_local_port_range */
	uint16_t high;		    /* inclusive */
	uint32_t reserved;	    /* ports of the range that are in ip_local_reserved_ports */
	uint32_t usable;	    /* ports that are left for connect() */
	uint8_t tw_reuse;	    /* enum tw_reuse */
	bool timestamps;	    /* tcp_timestamps: without them no port is reused */
	uint32_t tw_reuse_delay_ms; /* TIME_WAIT that is so old may be reused; 1000 before 6.14 */
	uint32_t fin_timeout_s;	    /* tcp_fin_timeout */
	uint32_t max_tw_buckets;    /* tcp_max_tw_buckets */
};

/*
 * Reads the settings of the calling thread's namespace below @root. Returns 0, or -errno: not
 * known.
 */
int ephemeral_read(struct ephemeral *ephemeral, const char *root);

struct netns_place;

/* Reads the settings of a namespace that netns_walk() (netns_walk.h) is at. */
int ephemeral_read_place(struct ephemeral *ephemeral, const struct netns_place *place);

/* Reads "LOW HIGH" as ip_local_port_range has it. Returns 0 or -EINVAL. */
int ephemeral_parse_range(const char *text, uint16_t *low, uint16_t *high);

/*
 * Returns how many ports of @low to @high are in @text, a list as ip_local_reserved_ports has it.
 */
uint32_t ephemeral_count_reserved(const char *text, uint16_t low, uint16_t high);

/* Returns true if connect() may reuse a port in TIME_WAIT that is tw_reuse_delay_ms old. */
bool ephemeral_reuses(const struct ephemeral *ephemeral, bool loopback);

#endif /* TCPDWELL_EPHEMERAL_H */
