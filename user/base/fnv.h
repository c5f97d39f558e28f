/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * FNV-1a hashes of bytes (Fowler, Noll and Vo), in 32 and 64 bits. Each function continues the hash
 * so far, which starts as the constant below. They are not for bytes that others may choose to make
 * them collide.
 */
#ifndef TCPDWELL_FNV_H
#define TCPDWELL_FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV32_BEGIN 2166136261U
#define FNV64_BEGIN 14695981039346656037ULL

static inline uint32_t fnv32(uint32_t so_far, const void *data, size_t bytes)
{
	const uint8_t *byte = data;

	for (size_t i = 0; i < bytes; i++)
		so_far = (so_far ^ byte[i]) * 16777619U;
	return so_far;
}

static inline uint64_t fnv64(uint64_t so_far, const void *data, size_t bytes)
{
	const uint8_t *byte = data;

	for (size_t i = 0; i < bytes; i++)
		so_far = (so_far ^ byte[i]) * 1099511628211ULL;
	return so_far;
}

#endif /* TCPDWELL_FNV_H */
