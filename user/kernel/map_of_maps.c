// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel/map_of_maps.h"

int map_of_maps_one(struct bpf_map *map, const char *name, uint32_t size)
{
	const struct bpf_map *like = bpf_map__inner_map(map);
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = bpf_map__map_flags(like), );

	return bpf_map_create(bpf_map__type(like), name, bpf_map__key_size(like),
			      bpf_map__value_size(like), size, &opts);
}

/*
 * From 5.15 to 6.1 the kernel refuses to put a map into a map of maps if one of the map and the
 * model has type information and the other has none. So no map here has any.
 */
int map_of_maps_make(struct bpf_map *map)
{
	int inner = map_of_maps_one(map, NULL, bpf_map__max_entries(bpf_map__inner_map(map)));
	LIBBPF_OPTS(bpf_map_create_opts, opts, .inner_map_fd = inner, );
	int fd, err = 0;

	if (inner < 0)
		return inner;
	fd = bpf_map_create(bpf_map__type(map), bpf_map__name(map), sizeof(uint32_t),
			    sizeof(uint32_t), bpf_map__max_entries(map), &opts);
	close(inner);
	if (fd >= 0)
		err = bpf_map__reuse_fd(map, fd);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

int map_of_maps_show(int all, uint32_t number, int fd)
{
	int err = bpf_map_update_elem(all, &number, &fd, BPF_ANY);

	if (err)
		close(fd);
	return err;
}
