// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "facts_story.h"
#include "found.h"
#include "model/digest.h"

static void assert_same_ports(const struct findings *some, const struct findings *others)
{
	assert_int_equal(findings_ports_count(some), findings_ports_count(others));
	for (size_t i = 0; i < findings_ports_count(some); i++) {
		const struct finding_ports *a = findings_ports_at(some, i);
		const struct finding_ports *b = findings_ports_at(others, i);

		assert_int_equal(a->bound, b->bound);
		assert_int_equal(a->at.netns, b->at.netns);
		assert_true(a->taken == b->taken);
		assert_int_equal(a->fills, b->fills);
		assert_int_equal(a->left_ns, b->left_ns);
		assert_int_equal(a->open, b->open);
	}
}

/* A digest of the sockets must lead to the same findings, except figures that it does not keep. */
static void assert_same_of_digest(const struct findings *findings)
{
	struct digest *digest = digest_new(host.facts.leak_ns);
	struct facts facts = host.facts;
	struct findings *others;

	assert_non_null(digest);
	for (size_t i = 0; i < facts.socket_count; i++)
		assert_int_equal(digest_add(digest, &facts.sockets[i],
					    host.netns.settings[FACT_PORTS_LOW],
					    host.netns.settings[FACT_PORTS_HIGH]),
				 0);
	facts.sockets = digest_sockets(digest, &facts.socket_count);
	facts.held = digest_held(digest);
	others = findings_new(&facts);
	assert_non_null(others);
	assert_int_equal(findings_count(findings), findings_count(others));
	for (size_t i = 0; i < findings_count(findings); i++) {
		const struct finding *a = findings_at(findings, i), *b = findings_at(others, i);

		assert_string_equal(finding_name(a->id), finding_name(b->id));
		assert_int_equal(a->severity, b->severity);
		assert_int_equal(a->count, b->count);
		assert_int_equal(a->at.rport, b->at.rport);
		assert_int_equal(a->err, b->err);
	}
	assert_same_ports(findings, others);
	assert_int_equal(digest_lost(digest), 0);
	findings_free(others);
	digest_free(digest);
}

struct findings *found_look(void)
{
	struct findings *findings = findings_new(&host.facts);

	assert_non_null(findings);
	assert_same_of_digest(findings);
	return findings;
}

uint64_t found_figure(const struct finding *finding, const char *name)
{
	for (unsigned int i = 0; i < finding->figure_count; i++)
		if (!strcmp(finding->figures[i].name, name))
			return finding->figures[i].value;
	fail_msg("%s has no %s", finding_name(finding->id), name);
	return 0;
}

void assert_nothing_found(void)
{
	struct findings *findings = found_look();

	assert_non_null(findings);
	if (findings_count(findings))
		fail_msg("%s is found", finding_name(findings_at(findings, 0)->id));
	findings_free(findings);
}

const struct finding *found_only(enum finding_id id)
{
	static struct finding finding;
	struct findings *findings = found_look();

	assert_non_null(findings);
	assert_int_equal(findings_count(findings), 1);
	finding = *findings_at(findings, 0);
	findings_free(findings);
	assert_string_equal(finding_name(finding.id), finding_name(id));
	assert_true(finding.figure_count > 0);
	assert_true(finding.more[0]);
	return &finding;
}

const struct finding *found_first(enum finding_id id)
{
	static struct finding finding;
	struct findings *findings = found_look();
	size_t i = 0;

	assert_non_null(findings);
	while (i < findings_count(findings) && findings_at(findings, i)->id != id)
		i++;
	assert_true(i < findings_count(findings));
	finding = *findings_at(findings, i);
	findings_free(findings);
	return &finding;
}
