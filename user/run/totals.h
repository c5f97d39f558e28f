/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `snapshot -i`: prints totals over time, one line for each interval, by sock_diag and /proc only.
 */
#ifndef TCPDWELL_RUN_TOTALS_H
#define TCPDWELL_RUN_TOTALS_H

struct session;
struct totals_run;

/* Makes the session's model, with the privileges that the process still has. 0 or -1 likewise. */
int totals_start(struct session *session);

/* NULL-safe. */
void totals_run_free(struct totals_run *run);

/*
 * Prints until -d or -n is reached, a signal ends it, or nobody reads any more. Returns 0, or -1
 * with the session's failure filled.
 */
int totals_run(struct session *session);

#endif /* TCPDWELL_RUN_TOTALS_H */
