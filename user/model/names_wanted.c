// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "cli/filters.h"
#include "host/name_book.h"
#include "model/names_wanted.h"

/* Runtimes print at least this many digits of an id; a shorter word may mean anything else. */
#define ID_DIGITS_MIN 12

typedef bool is_meant(const struct typed_word *word, const char *const texts[CONTAINER_TEXTS]);

static bool is(const struct typed_word *word, const char *text)
{
	return text && word->len == strlen(text) && !memcmp(word->at, text, word->len);
}

static bool is_container(const struct typed_word *word, const char *const texts[CONTAINER_TEXTS])
{
	const char *id = texts[CONTAINER_ID];

	return is(word, texts[CONTAINER_LABEL]) ||
	       (id && word->len >= ID_DIGITS_MIN && !strncmp(id, word->at, word->len));
}

static bool is_pod(const struct typed_word *word, const char *const texts[CONTAINER_TEXTS])
{
	const char *of_namespace = texts[CONTAINER_POD_NAMESPACE];
	size_t len = of_namespace ? strlen(of_namespace) : 0;
	struct typed_word name;

	if (!len || word->len <= len || memcmp(word->at, of_namespace, len) || word->at[len] != '/')
		return false;
	name = (struct typed_word){ word->at + len + 1, word->len - len - 1 };
	return is(&name, texts[CONTAINER_POD]);
}

/* Does as systemctl(1), which takes a name without a dot as that of a service. */
static bool is_unit(const struct typed_word *word, const char *const texts[CONTAINER_TEXTS])
{
	static const char service[] = ".service";
	const char *unit = texts[CONTAINER_UNIT];

	if (!unit || is(word, unit))
		return unit;
	return !memchr(word->at, '.', word->len) && !strncmp(unit, word->at, word->len) &&
	       !strcmp(unit + word->len, service);
}

/* Returns true if any of @words matches, or if there are none. */
static bool has(const struct word_list *words, is_meant *meant,
		const char *const texts[CONTAINER_TEXTS])
{
	if (!words->count)
		return true;
	for (unsigned int i = 0; texts && i < words->count; i++)
		if (meant(&words->words[i], texts))
			return true;
	return false;
}

bool names_wanted(const struct filters *filters, const struct named_cgroup *cgroup)
{
	const char *const *texts = cgroup ? cgroup->texts : NULL;

	return has(&filters->names.containers, is_container, texts) &&
	       has(&filters->names.pods, is_pod, texts) &&
	       has(&filters->names.units, is_unit, texts);
}
