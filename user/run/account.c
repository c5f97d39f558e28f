// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdio.h>

#include "run/account.h"

#define TERMS_BYTES 256

/* Appends " + NAME COUNT", or nothing if @count is 0: most runs do not have these terms. */
static char *put_term(char *p, char *end, const char *name, uint64_t count)
{
	if (!count)
		return p;
	return p + snprintf(p, end - p, " + %s %" PRIu64, name, count);
}

static void put_rare_terms(char terms[TERMS_BYTES], const struct summary *s, bool sums)
{
	char *p = terms, *end = terms + TERMS_BYTES;

	*p = '\0';
	if (!sums)
		p = put_term(p, end, "undated", s->undated);
	p = put_term(p, end, "folded", s->folded);
	p = put_term(p, end, "unwritten", s->unwritten);
	p = put_term(p, end, "unknown", s->unknown);
	put_term(p, end, "malformed", s->malformed);
}

static void print_rows(const struct notice *notice, const struct summary *s,
		       enum notice_level level)
{
	char terms[TERMS_BYTES];

	put_rare_terms(terms, s, false);
	notice_print(notice, level,
		     "seen %" PRIu64 " = printed %" PRIu64 " + filtered %" PRIu64
		     "%s + lost %" PRIu64 " (ring full %" PRIu64 ", map full %" PRIu64 ")",
		     s->seen, s->printed, s->filtered, terms, s->lost_ring + s->lost_map,
		     s->lost_ring, s->lost_map);
}

static void print_sums(const struct notice *notice, const struct summary *s,
		       enum notice_level level)
{
	char terms[TERMS_BYTES];

	put_rare_terms(terms, s, true);
	notice_print(notice, level,
		     "seen %" PRIu64 " = counted %" PRIu64 " + undated %" PRIu64
		     " + filtered %" PRIu64 "%s + lost %" PRIu64 " (map full)",
		     s->seen, s->printed, s->undated, s->filtered, terms, s->lost_map);
	if (s->lost_map && level != NOTICE_WARNING)
		notice_print(notice, NOTICE_WARNING,
			     "%" PRIu64 " rows found no room: see --hist-size and --by",
			     s->lost_map);
}

void account_print(const struct notice *notice, const struct summary *s, bool sums,
		   enum notice_level level)
{
	if (sums)
		print_sums(notice, s, level);
	else
		print_rows(notice, s, level);
	if (s->untracked)
		notice_print(notice, NOTICE_WARNING,
			     "%" PRIu64 " sockets found no room to be tracked, so their dwell is "
			     "unknown: see --max-sockets",
			     s->untracked);
	if (s->missed)
		notice_print(notice, NOTICE_WARNING,
			     "%" PRIu64
			     " transitions or more were missed: the kernel ran no program "
			     "for them",
			     s->missed);
	if (s->lost_ring && level != NOTICE_WARNING)
		notice_print(notice, NOTICE_WARNING,
			     "%" PRIu64 " rows lost: the reader was too slow for the ring; see "
			     "--ring-size and the filters",
			     s->lost_ring);
}
