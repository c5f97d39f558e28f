/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Options by group (option_table.c), for the table of commands (commands.c).
 */
#ifndef TCPDWELL_OPTION_GROUPS_H
#define TCPDWELL_OPTION_GROUPS_H

#include "cli/option_table.h"

extern const struct option_group group_connection_filters;
extern const struct option_group group_name_filters;
extern const struct option_group group_transition_filters;
extern const struct option_group group_life_filters;
extern const struct option_group group_life_output;
extern const struct option_group group_start;
extern const struct option_group group_trace_end;
extern const struct option_group group_trace_output;
extern const struct option_group group_socket_filters;
extern const struct option_group group_snapshot_report;
extern const struct option_group group_leak_filters;
extern const struct option_group group_leaks_report;
extern const struct option_group group_diagnose_report;
extern const struct option_group group_timewait_report;
extern const struct option_group group_stat_groups;
extern const struct option_group group_stat_report;
extern const struct option_group group_stat_limits;
extern const struct option_group group_export_series;
extern const struct option_group group_export_output;
extern const struct option_group group_probe_report;
extern const struct option_group group_limits;
extern const struct option_group group_hidden_states;
extern const struct option_group group_privileges;
extern const struct option_group group_general;

#endif /* TCPDWELL_OPTION_GROUPS_H */
