/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes maps of maps, and the maps in them. They are made by hand because their number and sizes
 * are known late.
 */
#ifndef TCPDWELL_MAP_OF_MAPS_H
#define TCPDWELL_MAP_OF_MAPS_H

#include <stdint.h>

struct bpf_map;

/*
 * Makes the map of maps @map, whose object is not loaded yet, and has the object use it. Returns
 * its descriptor, which belongs to the object from then on, or -errno.
 */
int map_of_maps_make(struct bpf_map *map);

/*
 * Makes a map of the kind that @map, a map of maps, holds, for @size elements. Returns its
 * descriptor, which the caller closes, or -errno.
 */
int map_of_maps_one(struct bpf_map *map, const char *name, uint32_t size);

/*
 * Shows @fd to programs as number @number of the map of maps @all. Returns 0, or -errno and has
 * then closed @fd.
 */
int map_of_maps_show(int all, uint32_t number, int fd);

#endif /* TCPDWELL_MAP_OF_MAPS_H */
