// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "base/duration.h"
#include "model/tally.h"

/* ---- One key --------------------------------------------------------------------------------- */

static unsigned int slot_of_second(uint64_t second)
{
	return second % TALLY_SECONDS;
}

/* Ends the second where the clock is. */
static void pass_second(struct tally *tally)
{
	uint32_t *late = &tally->late[tally->second % TALLY_LATE_SECONDS];
	unsigned int i = slot_of_second(tally->second++);

	tally->left += *late;
	tally->overdue += *late;
	*late = tally->due[i] - tally->old_due[i];
	tally->old_gone += tally->old_due[i];
	tally->due[i] = 0;
	tally->old_due[i] = 0;
	tally->began[slot_of_second(tally->second)] = 0;
}

void tally_advance(struct tally *tally, uint64_t now_ns)
{
	uint64_t now = now_ns / NS_PER_S;

	/* After this many seconds every slot has been cleared once. */
	for (unsigned int i = 0; i < TALLY_SECONDS + TALLY_LATE_SECONDS && tally->second < now; i++)
		pass_second(tally);
	if (tally->second < now)
		tally->second = now;
}

uint64_t tally_now(const struct tally *tally)
{
	return tally->entered - tally->left + tally->old - tally->old_gone;
}

static void note_peak(struct tally *tally)
{
	uint64_t now = tally_now(tally);

	if (now > tally->peak)
		tally->peak = now;
	if (now + tally->open > tally->held_peak)
		tally->held_peak = now + tally->open;
}

uint64_t tally_held(const struct tally *tally)
{
	return tally_now(tally) + tally->open;
}

void tally_open(struct tally *tally, uint64_t time_ns)
{
	tally_advance(tally, time_ns);
	tally->open++;
	note_peak(tally);
}

void tally_close(struct tally *tally, uint64_t time_ns)
{
	tally_advance(tally, time_ns);
	if (tally->open)
		tally->open--;
}

void tally_set_range(struct tally *tally, uint16_t low, uint16_t high)
{
	tally->range_varies |= tally->range_known &&
			       (tally->range_low != low || tally->range_high != high);
	tally->range_known = true;
	tally->range_low = low;
	tally->range_high = high;
}

uint64_t tally_add_old(struct tally *tally, uint64_t now_ns, uint64_t left_ns)
{
	uint64_t end = (now_ns + left_ns) / NS_PER_S;

	tally_advance(tally, now_ns);
	/*
	 * No TIME_WAIT lasts longer than the slots cover. A greater value goes into the last slot.
	 */
	if (end >= tally->second + TALLY_SECONDS)
		end = tally->second + TALLY_SECONDS - 1;
	if (end < tally->second)
		end = tally->second;
	tally->old++;
	tally->due[slot_of_second(end)]++;
	tally->old_due[slot_of_second(end)]++;
	note_peak(tally);
	return end;
}

void tally_enter(struct tally *tally, uint64_t time_ns)
{
	uint64_t second = time_ns / NS_PER_S, end = second + TIMEWAIT_SECONDS;

	tally_advance(tally, time_ns);
	tally->entered++;
	/*
	 * Rows of two CPUs may come slightly out of order; the slots cover the last few seconds,
	 * too.
	 */
	if (end >= tally->second) {
		tally->due[slot_of_second(end)]++;
		tally->began[slot_of_second(second)]++;
	}
	note_peak(tally);
}

/* A program that finds no slot is counted under no name. */
static void count_name(struct tally *tally, const char *comm)
{
	for (unsigned int i = 0; i < TALLY_NAMES; i++) {
		struct tally_name *name = &tally->names[i];

		if (!name->connections)
			memcpy(name->comm, comm, sizeof(name->comm));
		if (memcmp(name->comm, comm, sizeof(name->comm)))
			continue;
		name->connections++;
		return;
	}
}

const struct tally_name *tally_main_name(const struct tally *tally)
{
	const struct tally_name *most = &tally->names[0];

	for (unsigned int i = 1; i < TALLY_NAMES; i++)
		if (tally->names[i].connections > most->connections)
			most = &tally->names[i];
	return most->connections ? most : NULL;
}

void tally_set_owner(struct tally *tally, uint32_t pid, const char *comm)
{
	if (!comm)
		return;
	count_name(tally, comm);
	tally->owner_varies |= tally->owner_pid && tally->owner_pid != pid;
	tally->owner_pid = pid;
	memcpy(tally->owner_comm, comm, sizeof(tally->owner_comm));
}

void tally_leave(struct tally *tally, uint64_t time_ns, uint64_t entered_ns)
{
	uint64_t end = entered_ns / NS_PER_S + TIMEWAIT_SECONDS;
	uint32_t *due = &tally->due[slot_of_second(end)];
	uint32_t *late = &tally->late[end % TALLY_LATE_SECONDS];

	tally_advance(tally, time_ns);
	/* Segments have kept it in TIME_WAIT so long that it was counted as left already. */
	if (end + TALLY_LATE_SECONDS < tally->second) {
		if (tally->overdue)
			tally->overdue--;
		return;
	}
	/*
	 * If none is due, the row of its entry was lost. Those from the start leave by
	 * tally_leave_old().
	 */
	if (end >= tally->second && *due > tally->old_due[slot_of_second(end)])
		--*due;
	else if (end < tally->second && *late)
		--*late;
	else
		return;
	tally->left++;
}

void tally_leave_old(struct tally *tally, uint64_t time_ns, uint64_t end)
{
	tally_advance(tally, time_ns);
	/* Once its second is over, it was counted as gone already. */
	if (end < tally->second || !tally->old_due[slot_of_second(end)])
		return;
	tally->old_gone++;
	tally->old_due[slot_of_second(end)]--;
	tally->due[slot_of_second(end)]--;
}

uint32_t tally_due(const struct tally *tally, unsigned int index)
{
	return index < TALLY_SECONDS ? tally->due[slot_of_second(tally->second + index)] : 0;
}

double tally_rate(const struct tally *tally, uint64_t start_ns, uint64_t now_ns)
{
	uint64_t begun = 0;

	/*
	 * In a short run the first and the last second are incomplete, so the mean is over the run.
	 */
	if (now_ns < start_ns + (TALLY_RATE_SECONDS + 1) * NS_PER_S) {
		double s = now_ns > start_ns ? (double)(now_ns - start_ns) / NS_PER_S : 0;

		return s > 0 ? tally->entered / s : 0;
	}
	for (unsigned int i = 1; i <= TALLY_RATE_SECONDS; i++)
		begun += tally->began[slot_of_second(tally->second - i)];
	return (double)begun / TALLY_RATE_SECONDS;
}

/*
 * Adds the counts and the clock of @from, which is at the same second. The common peak is not
 * known.
 */
static void merge(struct tally *into, const struct tally *from)
{
	if (into->second < from->second)
		into->second = from->second;
	into->entered += from->entered;
	into->left += from->left;
	into->overdue += from->overdue;
	into->old += from->old;
	into->old_gone += from->old_gone;
	into->refused += from->refused;
	into->open += from->open;
	for (unsigned int i = 0; i < TALLY_SECONDS; i++) {
		into->due[i] += from->due[i];
		into->old_due[i] += from->old_due[i];
		into->began[i] += from->began[i];
	}
	for (unsigned int i = 0; i < TALLY_LATE_SECONDS; i++)
		into->late[i] += from->late[i];
}

/* ---- Many keys ------------------------------------------------------------------------------- */

/* Twice as many slots as keys: a search ends after one or two steps. */
#define SLOTS  (2 * TALLIES_KEYS)
#define NOBODY UINT16_MAX

_Static_assert(TALLIES_KEYS < NOBODY, "a slot holds the number of a key");

struct tallies {
	unsigned int count;
	bool overflowed;
	uint64_t cleared_ns; /* when clear_idle() last ran */
	struct tally other;
	uint16_t slots[SLOTS]; /* open addressing */
	struct tally tallies[TALLIES_KEYS];
};

struct tallies *tallies_new(void)
{
	struct tallies *tallies = calloc(1, sizeof(*tallies));

	if (tallies)
		memset(tallies->slots, 0xff, sizeof(tallies->slots));
	return tallies;
}

void tallies_free(struct tallies *tallies)
{
	free(tallies);
}

/* Mixes the words of a key as SplitMix64 does. */
uint64_t tally_key_hash(const struct tally_key *key)
{
	uint64_t words[sizeof(*key) / sizeof(uint64_t)], hash = 0;

	memcpy(words, key, sizeof(words));
	for (unsigned int i = 0; i < sizeof(words) / sizeof(*words); i++) {
		hash = (hash ^ words[i]) * 0xbf58476d1ce4e5b9ULL;
		hash ^= hash >> 31;
	}
	return hash;
}

/* Returns where @key is, or would be. */
static uint16_t *slot_of(struct tallies *tallies, const struct tally_key *key)
{
	unsigned int i = tally_key_hash(key) % SLOTS;

	while (tallies->slots[i] != NOBODY &&
	       memcmp(&tallies->tallies[tallies->slots[i]].key, key, sizeof(*key)))
		i = (i + 1) % SLOTS;
	return &tallies->slots[i];
}

struct tally *tallies_find(struct tallies *tallies, const struct tally_key *key)
{
	uint16_t slot = *slot_of(tallies, key);

	return slot == NOBODY ? &tallies->other : &tallies->tallies[slot];
}

static int by_use(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return compare(*a, *b);
}

/* Returns the median use of the keys that hold nothing; 0: there is no such key. */
static uint64_t idle_median(struct tallies *tallies)
{
	uint64_t uses[TALLIES_KEYS];
	unsigned int count = 0;

	for (unsigned int i = 0; i < tallies->count; i++) {
		const struct tally *tally = &tallies->tallies[i];

		if (!tally_held(tally))
			uses[count++] = tally->entered + tally->old + 1;
	}
	if (!count)
		return 0;
	qsort(uses, count, sizeof(*uses), by_use);
	return uses[count / 2];
}

/* Makes room. What is removed is not forgotten, but added to the others. */
static void clear_idle(struct tallies *tallies, uint64_t now_ns)
{
	unsigned int kept = 0;
	uint64_t limit;

	for (unsigned int i = 0; i < tallies->count; i++)
		tally_advance(&tallies->tallies[i], now_ns);
	tally_advance(&tallies->other, now_ns);
	limit = idle_median(tallies);
	for (unsigned int i = 0; i < tallies->count; i++) {
		struct tally *tally = &tallies->tallies[i];

		if (!tally_held(tally) && tally->entered + tally->old + 1 <= limit)
			merge(&tallies->other, tally);
		else
			tallies->tallies[kept++] = *tally;
	}
	tallies->count = kept;
	memset(tallies->slots, 0xff, sizeof(tallies->slots));
	for (unsigned int i = 0; i < kept; i++)
		*slot_of(tallies, &tallies->tallies[i].key) = i;
}

static bool has_room(struct tallies *tallies, uint64_t now_ns)
{
	if (tallies->count < TALLIES_KEYS)
		return true;
	tallies->overflowed = true;
	/* It visits all keys, so it does not run for each row. */
	if (now_ns < tallies->cleared_ns + NS_PER_S)
		return false;
	tallies->cleared_ns = now_ns;
	clear_idle(tallies, now_ns);
	return tallies->count < TALLIES_KEYS;
}

struct tally *tallies_take(struct tallies *tallies, const struct tally_key *key, uint64_t time_ns)
{
	uint16_t *slot = slot_of(tallies, key);
	struct tally *tally;

	if (*slot == NOBODY) {
		if (!has_room(tallies, time_ns))
			return &tallies->other;
		slot = slot_of(tallies, key);
		*slot = tallies->count++;
		tally = &tallies->tallies[*slot];
		*tally = (struct tally){ .key = *key, .since_ns = time_ns };
		tally_advance(tally, time_ns);
		return tally;
	}
	tally = &tallies->tallies[*slot];
	if (time_ns < tally->since_ns)
		tally->since_ns = time_ns; /* rows of two CPUs may come out of order */
	return tally;
}

struct tally *tallies_holder(struct tallies *tallies, const struct tally_key *key,
			     uint64_t entered_ns)
{
	struct tally *tally = tallies_find(tallies, key);

	return entered_ns < tally->since_ns ? &tallies->other : tally;
}

unsigned int tallies_count(const struct tallies *tallies)
{
	return tallies->count;
}

struct tally *tallies_at(struct tallies *tallies, unsigned int index, uint64_t now_ns)
{
	struct tally *tally = &tallies->tallies[index];

	tally_advance(tally, now_ns);
	return tally;
}

struct tally *tallies_other(struct tallies *tallies, uint64_t now_ns)
{
	tally_advance(&tallies->other, now_ns);
	return &tallies->other;
}

bool tallies_overflowed(const struct tallies *tallies)
{
	return tallies->overflowed;
}
