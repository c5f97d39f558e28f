// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What sinks remember from row to row must not show. */
#define _GNU_SOURCE /* nftw() */
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "sample.h"

struct rendering {
	struct sink *(*make)(const struct style *style);
	bool header;
	bool wide;
	unsigned int columns; /* of a terminal */
};

static const struct rendering renderings[] = {
	{ .make = sink_json_new },
	{ .make = sink_csv_new, .header = true },
	{ .make = sink_table_new, .header = true },
	{ .make = sink_table_new, .header = true, .wide = true },
	{ .make = sink_table_new, .header = true, .columns = 111 }, /* its reason just fits */
};

#define RENDERINGS (sizeof(renderings) / sizeof(renderings[0]))

struct fixture {
	char root[32];
	struct clock *clock;
	struct style style;
	struct name_book *book;
};

static void make_dir(const struct fixture *f, const char *path)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s%s", f->root, path);
	assert_int_equal(mkdir(full, 0755), 0);
}

static uint64_t id_of(const struct fixture *f, const char *path)
{
	char full[PATH_MAX];
	struct stat st;

	snprintf(full, sizeof(full), "%s%s", f->root, path);
	assert_int_equal(stat(full, &st), 0);
	return st.st_ino;
}

/* Makes plain directories that stand for cgroups. */
static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[PATH_MAX];
	FILE *file;

	strcpy(f->root, "/tmp/tcpdwell-rows-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	make_dir(f, "/proc");
	make_dir(f, "/proc/self");
	make_dir(f, "/cg");
	make_dir(f, "/cg/a \"b\".slice");
	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", f->root);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("41 31 0:38 / /cg rw - cgroup2 cgroup2 rw\n", file);
	assert_int_equal(fclose(file), 0);

	f->clock = sample_clock();
	f->style = sample_style(f->clock);
	f->book = name_book_new(f->root, NULL);
	assert_non_null(f->book);
	*state = f;
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int err = nftw(f->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);

	name_book_free(f->book);
	sample_style_end(&f->style);
	clock_free(f->clock);
	free(f);
	return err;
}

/* Changes one member; 0 changes none. */
static void change(struct tcpdwell_transition *t, unsigned int which, uint64_t cgroup)
{
	switch (which) {
	case 1:
		t->cookie++;
		break;
	case 2:
		t->netns++;
		break;
	case 3:
		t->family = 6;
		break;
	case 4:
		t->laddr[3]++;
		break;
	case 5:
		t->raddr[15]++;
		break;
	case 6:
		t->lport = 0x8000;
		break;
	case 7:
		t->rport ^= 0x8000;
		break;
	case 8:
		t->dwell = TCPDWELL_DWELL_AT_LEAST;
		break;
	case 9:
		t->pid++;
		break;
	case 10:
		t->uid = UINT32_MAX;
		break;
	case 11:
		t->owner = TCPDWELL_OWNER_NONE;
		break;
	case 12:
		t->owner = TCPDWELL_OWNER_CLOSE;
		break;
	case 13:
		strcpy(t->comm, "ngin\"");
		break;
	case 14:
		strcpy(t->comm, "nginx-longer-15");
		break;
	case 15:
		strcpy(t->comm, "\xc3\xa9t\xc3\xa9 \x1b");
		break;
	case 16:
		t->cgroup_id = cgroup;
		break;
	default:
		break;
	}
}

#define CHANGES 17

static struct tcpdwell_transition changed_row(unsigned int which, uint64_t cgroup)
{
	struct tcpdwell_transition t = sample_row();

	/* On a terminal the form of the reason depends on the columns before it. */
	t.to = TCPDWELL_CLOSE;
	t.reason = TCPDWELL_REASON_RESET_RECEIVED;
	change(&t, which, cgroup);
	return t;
}

#define ROWS_MAX 100

static char *render_all(const struct rendering *rendering, const struct style *style,
			struct name_book *book, const struct tcpdwell_transition *rows,
			size_t count)
{
	struct names names[ROWS_MAX];

	for (size_t i = 0; i < count; i++)
		name_book_find(book, rows[i].cgroup_id, 0, rows[i].time_ns, &names[i]);
	return sample_render_named(rendering->make, style, rows, names, count);
}

/* Renders a row changed by @first, then one changed by @second; for CHANGES there is no row. */
static char *render(const struct fixture *f, const struct rendering *rendering, unsigned int first,
		    unsigned int second)
{
	uint64_t cgroup = id_of(f, "/cg/a \"b\".slice");
	struct tcpdwell_transition rows[2];
	struct style style = f->style;
	size_t count = 0;

	style.wide = rendering->wide;
	style.tty = rendering->columns;
	style.columns = rendering->columns;
	if (first < CHANGES)
		rows[count++] = changed_row(first, cgroup);
	if (second < CHANGES)
		rows[count++] = changed_row(second, cgroup);
	return render_all(rendering, &style, f->book, rows, count);
}

/* A row looks the same, whichever row came before it. */
static void test_any_row_after_any(void **state)
{
	for (unsigned int i = 0; i < RENDERINGS * CHANGES * CHANGES; i++) {
		const struct rendering *rendering = &renderings[i % RENDERINGS];
		unsigned int one = i / RENDERINGS % CHANGES, other = i / RENDERINGS / CHANGES;
		char *first = render(*state, rendering, one, CHANGES);
		char *alone = render(*state, rendering, other, CHANGES);
		char *both = render(*state, rendering, one, other);

		assert_memory_equal(both, first, strlen(first));
		assert_string_equal(both + strlen(first),
				    rendering->header ? strchr(alone, '\n') + 1 : alone);
		free(first);
		free(alone);
		free(both);
	}
}

static unsigned int count(const char *text, const char *part)
{
	unsigned int found = 0;

	while ((text = strstr(text, part))) {
		text += strlen(part);
		found++;
	}
	return found;
}

/* A cgroup without a name gets one as soon as it is known. */
static void test_late_cgroup(void **state)
{
	const struct fixture *f = *state;
	struct tcpdwell_transition rows[4];
	char *got;

	make_dir(f, "/cg/late.slice");
	for (unsigned int i = 0; i < 4; i++) {
		rows[i] = sample_row();
		rows[i].cgroup_id = id_of(f, "/cg/late.slice");
	}
	/* Both rows come before the names are looked up again. */
	rows[0].time_ns = rows[1].time_ns = 1000;
	got = render_all(&renderings[0], &f->style, f->book, rows, 4);
	assert_int_equal(count(got, "\"cgroup\":null,"), 2);
	assert_int_equal(count(got, "\"cgroup\":\"/late.slice\","), 2);
	free(got);
}

/* A path of any length is printed each time, within the buffer's room. */
static void test_long_cgroup(void **state)
{
	const struct fixture *f = *state;
	struct tcpdwell_transition rows[100];
	struct name_book *book;
	char path[2048] = "/cg", want[2100];
	char *got;

	for (unsigned int i = 0; i < 7; i++) {
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%0*d", 200, i);
		make_dir(f, path);
	}
	book = name_book_new(f->root, NULL);
	for (unsigned int i = 0; i < 100; i++) {
		rows[i] = sample_row();
		rows[i].cgroup_id = id_of(f, path);
	}
	got = render_all(&renderings[0], &f->style, book, rows, ROWS_MAX);
	snprintf(want, sizeof(want), "\"cgroup\":\"%s\",\"owner\":\"accept\",", path + 3);
	assert_int_equal(count(got, want), 100);
	assert_int_equal(count(got, "}\n"), 100);
	free(got);
	name_book_free(book);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_any_row_after_any),
		TEST(test_late_cgroup),
		TEST(test_long_cgroup),
	};

	return cmocka_run_group_tests_name("remembered", tests, NULL, NULL);
}
