/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Set a field of struct options from a value: one setter for each type of field, and for each range
 * of its values. Each returns 0, or -errno with the fault of @setting filled. After an error it has
 * set nothing, or a list up to the bad item.
 */
#ifndef TCPDWELL_SETTERS_H
#define TCPDWELL_SETTERS_H

#include "cli/option_table.h"

int set_flag(const struct setting *setting);
int set_family(const struct setting *setting);
int set_ports(const struct setting *setting);
int set_pids(const struct setting *setting);
int set_uids(const struct setting *setting);
int set_cidrs(const struct setting *setting);
int set_netns(const struct setting *setting);
int set_states(const struct setting *setting);
int set_words(const struct setting *setting);
int set_pods(const struct setting *setting);
int set_cookie(const struct setting *setting);
int set_reasons(const struct setting *setting);
int set_longer(const struct setting *setting);
int set_bytes(const struct setting *setting);
int set_duration(const struct setting *setting);
int set_end(const struct setting *setting);
int set_interval(const struct setting *setting);
int set_look_interval(const struct setting *setting);
int set_top(const struct setting *setting);
int set_rows(const struct setting *setting);
int set_sockets(const struct setting *setting);
int set_hist(const struct setting *setting);
int set_prefix4(const struct setting *setting);
int set_prefix6(const struct setting *setting);
int set_rings(const struct setting *setting);
int set_ring(const struct setting *setting);
int set_export_interval(const struct setting *setting);
int set_max_series(const struct setting *setting);
int set_export_by(const struct setting *setting);
int set_comm(const struct setting *setting);
int set_path(const struct setting *setting);
int set_name(const struct setting *setting);
int set_choice(const struct setting *setting);

#endif /* TCPDWELL_SETTERS_H */
