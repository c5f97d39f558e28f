// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/ephemeral.h"
#include "host/netns_walk.h"
#include "host/procfs_net.h"

/* The delay before tcp_tw_reuse_delay became a setting. */
#define TW_REUSE_DELAY_MS 1000

int ephemeral_parse_range(const char *text, uint16_t *low, uint16_t *high)
{
	unsigned int first, last;

	if (sscanf(text, "%u %u", &first, &last) != 2 || !first || first > last ||
	    last > UINT16_MAX)
		return -EINVAL;
	*low = first;
	*high = last;
	return 0;
}

uint32_t ephemeral_count_reserved(const char *text, uint16_t low, uint16_t high)
{
	uint32_t count = 0;

	/* The kernel prints "8080,9148-9150", in order and without overlap. */
	while (*text) {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (end == text)
			break;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (first < low)
			first = low;
		if (last > high)
			last = high;
		if (first <= last)
			count += last - first + 1;
		text = end + strspn(end, ", \t");
	}
	return count < high - low + 1U ? count : high - low + 1U;
}

/* Where settings are read: at a place, or, if it is NULL, where the thread is. */
struct settings {
	const struct netns_place *place;
	const char *root;
};

static char *read_text(const struct settings *settings, const char *name)
{
	char file[64];

	if (!settings->place)
		return procfs_net_setting(settings->root, name);
	snprintf(file, sizeof(file), "ipv4/%s", name);
	return netns_place_setting(settings->place, file);
}

/* Returns a setting that is one number, or @otherwise if it cannot be read. */
static uint32_t read_number(const struct settings *settings, const char *name, uint32_t otherwise)
{
	char *text = read_text(settings, name), *end;
	unsigned long v;

	if (!text)
		return otherwise;
	v = strtoul(text, &end, 10);
	if (end == text || v > UINT32_MAX)
		v = otherwise;
	free(text);
	return v;
}

static int read_all(struct ephemeral *ephemeral, const struct settings *settings)
{
	char *text = read_text(settings, "ip_local_port_range");
	int err;

	*ephemeral = (struct ephemeral){};
	if (!text)
		return -errno;
	err = ephemeral_parse_range(text, &ephemeral->low, &ephemeral->high);
	free(text);
	if (err)
		return err;
	text = read_text(settings, "ip_local_reserved_ports");
	if (text)
		ephemeral->reserved = ephemeral_count_reserved(text, ephemeral->low,
							       ephemeral->high);
	free(text);
	ephemeral->usable = ephemeral->high - ephemeral->low + 1 - ephemeral->reserved;
	ephemeral->tw_reuse = read_number(settings, "tcp_tw_reuse", TW_REUSE_OFF);
	ephemeral->timestamps = read_number(settings, "tcp_timestamps", 1) > 0;
	ephemeral->tw_reuse_delay_ms = read_number(settings, "tcp_tw_reuse_delay",
						   TW_REUSE_DELAY_MS);
	ephemeral->fin_timeout_s = read_number(settings, "tcp_fin_timeout", 0);
	ephemeral->max_tw_buckets = read_number(settings, "tcp_max_tw_buckets", 0);
	ephemeral->known = true;
	return 0;
}

int ephemeral_read(struct ephemeral *ephemeral, const char *root)
{
	return read_all(ephemeral, &(struct settings){ .root = root });
}

int ephemeral_read_place(struct ephemeral *ephemeral, const struct netns_place *place)
{
	return read_all(ephemeral, &(struct settings){ .place = place });
}

bool ephemeral_reuses(const struct ephemeral *ephemeral, bool loopback)
{
	if (!ephemeral->known || !ephemeral->timestamps)
		return false;
	return ephemeral->tw_reuse == TW_REUSE_ALL ||
	       (ephemeral->tw_reuse == TW_REUSE_LOOPBACK && loopback);
}
