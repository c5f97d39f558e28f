/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Maps of maps, and those in them: made by hand, as their number and sizes are known late.
 */
#ifndef TCPDWELL_MAP_OF_MAPS_H
#define TCPDWELL_MAP_OF_MAPS_H

#include <stdint.h>

struct bpf_map;

/*
 * Makes @map, which the object that is not loaded yet then uses. Returns its descriptor, which is
 * the object's from then on, or -errno.
 */
int map_of_maps_make(struct bpf_map *map);

/*
 * Makes a map of the kind that @map has, for @size elements. Returns its descriptor, which the
 * caller closes, or -errno.
 */
int map_of_maps_one(struct bpf_map *map, const char *name, uint32_t size);

/*
 * Shows @fd to programs, as number @number of the map of maps @all. Returns 0 or -errno, and then
 * has closed it.
 */
int map_of_maps_show(int all, uint32_t number, int fd);

#endif /* TCPDWELL_MAP_OF_MAPS_H */
