// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>

#include "host/procfs_process.h"
#include "run/pids.h"

static uint32_t settle(uint32_t id, const char *root, const struct notice *notice)
{
	char state;
	uint32_t pid = procfs_process_of_thread(root, id, &state);

	if (!pid) {
		notice_print(notice, NOTICE_WARNING, "-p: there is no process %" PRIu32 " now", id);
		return id;
	}
	if (pid != id)
		notice_print(notice, NOTICE_WARNING,
			     "-p: %" PRIu32 " is a thread of process %" PRIu32
			     ", whose sockets are taken: they belong to all its threads",
			     id, pid);
	if (state == 'Z')
		notice_print(notice, NOTICE_WARNING,
			     "-p: process %" PRIu32 " is a zombie: it has ended and has no sockets",
			     id);
	return pid;
}

static bool has(const struct id_list *pids, unsigned int count, uint32_t id)
{
	for (unsigned int i = 0; i < count; i++)
		if (pids->ids[i] == id)
			return true;
	return false;
}

void pids_settle(struct id_list *pids, const char *root, const struct notice *notice)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < pids->count; i++) {
		uint32_t pid = settle(pids->ids[i], root, notice);

		if (!has(pids, kept, pid))
			pids->ids[kept++] = pid;
	}
	pids->count = kept;
}
