/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps in which the kernel side remembers connections, made as they are needed. There are hash
 * tables (bpf/table.bpf.h), for which the kernel reserves 16 bytes for each element that they may
 * ever hold. In front of them are the slots (bpf/recent.bpf.h), 256 KiB at a time.
 *
 * Each table is twice as large as the one before, and one more than is in use is always ready. To
 * make one, the kernel needs a few milliseconds for its buckets, and a grace period to show it to
 * programs. So threads do it: one runs while the object is loaded, and one sleeps until the kernel
 * side asks.
 */
#ifndef TCPDWELL_TABLES_H
#define TCPDWELL_TABLES_H

#include <stdint.h>

struct bpf_map;
struct tables;

/*
 * Makes three maps of maps for an object that is open and not loaded, and begins to make the first
 * table. @map is the one of tables, for at most @sockets connections in all. @recent is the one of
 * slots. @lives is the one of the tables beside those, which hold what connections did. @recent
 * and @lives may be NULL: that map is not made then. The maps have no type information, so bpftool
 * shows their elements as bytes. Returns NULL with errno set, and sets @refused to the name of the
 * map that could not be made, or to NULL if it was something else.
 */
struct tables *tables_new(struct bpf_map *map, struct bpf_map *recent, struct bpf_map *lives,
			  uint32_t sockets, const char **refused);

/*
 * Waits for the first table. From here on another thread makes the next maps. Its only privilege is
 * to make maps (host/privilege.h). It keeps one table ready behind the one that is being filled,
 * whose number is in @current. It makes the maps of slots that @wanted, an array of
 * TCPDWELL_RECENT_MAPS, asks for. It looks when something comes into the ring behind @doorbell,
 * which is a page large, or now and then if @doorbell is negative. All of these must outlive the
 * tables. Returns 0, or -errno with @refused as above.
 */
int tables_watch(struct tables *tables, const volatile uint32_t *current,
		 const volatile uint8_t *wanted, int doorbell, const char **refused);

/* Makes room for @sockets that are about to come at once, as far as memory allows. */
void tables_expect(struct tables *tables, uint64_t sockets);

/*
 * Returns the descriptor of the table of this number, or a negative number if there is none. The
 * tables own it.
 */
int tables_fd(const struct tables *tables, unsigned int number);

/* Likewise for the map of slots of this number, which is below TCPDWELL_RECENT_MAPS. */
int tables_recent_fd(const struct tables *tables, unsigned int number);

/* Frees. To be called before the object is closed. NULL-safe. */
void tables_free(struct tables *tables);

#endif /* TCPDWELL_TABLES_H */
