/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the kernel side remembers connections, made as it is needed: hash tables (bpf/table.bpf.h),
 * for which the kernel reserves 16 bytes for each element that they may ever hold, and the places
 * in front of them (bpf/recent.bpf.h), 256 KiB at a time.
 *
 * Each table is twice as large as the one before, and one more is always ready. Making one takes
 * the kernel a few milliseconds to set up its buckets and a grace period to show it to programs, so
 * threads do it: one while the object is loaded, and one that sleeps until the kernel side asks.
 */
#ifndef TCPDWELL_TABLES_H
#define TCPDWELL_TABLES_H

#include <stdint.h>

struct bpf_map;
struct tables;

/*
 * Makes @map, of an object that is open and not loaded, to be the map of tables, of @sockets
 * connections at the most in all, @recent (NULL: there shall be none) that of places, and @lives
 * (likewise) that of tables beside those for what connections did, and begins to make the first
 * table. They have no type information, so bpftool shows their elements as bytes. Returns NULL with
 * errno set, and @refused to the map that could not be made, NULL: it is not that.
 */
struct tables *tables_new(struct bpf_map *map, struct bpf_map *recent, struct bpf_map *lives,
			  uint32_t sockets, const char **refused);

/*
 * Waits for the first table. From here on another thread, without privileges, makes the next ones
 * so that there is one more than @current, the number of the one that is being filled, says, and
 * those maps of places that @wanted, TCPDWELL_RECENT_MAPS of them, asks for; it looks when
 * something comes into the ring behind @doorbell, of a page, or now and then if that is negative.
 * All must outlive the tables. Returns 0, or -errno and @refused as above.
 */
int tables_watch(struct tables *tables, const volatile uint32_t *current,
		 const volatile uint8_t *wanted, int doorbell, const char **refused);

/* Makes room for @sockets that are about to come at once, as far as there is memory for it. */
void tables_expect(struct tables *tables, uint64_t sockets);

/* The descriptor of the table of this number, which stays the tables', negative: there is none. */
int tables_fd(const struct tables *tables, unsigned int number);

/* Likewise of the map of places of this number, below TCPDWELL_RECENT_MAPS. */
int tables_recent_fd(const struct tables *tables, unsigned int number);

/* Before the object is closed. NULL-safe. */
void tables_free(struct tables *tables);

#endif /* TCPDWELL_TABLES_H */
