// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "host/container.h"

#define ID_DIGITS	64
#define SHORT_DIGITS	12
#define ECS_TASK_DIGITS 32

#define HEX "0123456789abcdef"

/* A component of a path. It is not ended by a NUL. */
struct part {
	const char *at;
	size_t len;
};

/* The state of reading a path. */
struct reading {
	struct container *container;
	struct part last; /* the component before */
	bool kubernetes;  /* below a cgroup of Kubernetes' pods */
	bool inside;	  /* inside of a container */
};

static bool starts_with(struct part part, const char *text)
{
	size_t len = strlen(text);

	return part.len > len && !memcmp(part.at, text, len);
}

static bool ends_with(struct part part, const char *text)
{
	size_t len = strlen(text);

	return part.len > len && !memcmp(part.at + part.len - len, text, len);
}

static bool is(struct part part, const char *text)
{
	return part.len == strlen(text) && !memcmp(part.at, text, part.len);
}

/* Returns @part without @head at its beginning and @tail at its end, which it has. */
static struct part middle(struct part part, const char *head, const char *tail)
{
	part.at += strlen(head);
	part.len -= strlen(head) + strlen(tail);
	return part;
}

static void copy(char to[CONTAINER_TEXT_BYTES], struct part part)
{
	size_t len = part.len < CONTAINER_TEXT_BYTES ? part.len : CONTAINER_TEXT_BYTES - 1;

	memcpy(to, part.at, len);
	to[len] = '\0';
}

static size_t count_hex(struct part part)
{
	size_t len = 0;

	while (len < part.len && memchr(HEX, part.at[len], strlen(HEX)))
		len++;
	return len;
}

static int hex_value(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10;
}

/*
 * Undoes systemd's escapes: it writes \xHH for bytes that a unit's name may not have; see
 * systemd-escape(1).
 */
static void unescape_unit(char *name)
{
	char *to = name;

	for (; *name; to++) {
		struct part hex = { name + 2, 2 };

		/* A NUL is left escaped: no name has one, and it would end the text. */
		if (name[0] == '\\' && name[1] == 'x' && name[2] && count_hex(hex) == 2 &&
		    !is(hex, "00")) {
			*to = (char)(hex_value(name[2]) << 4 | hex_value(name[3]));
			name += 4;
		} else {
			*to = *name++;
		}
	}
	*to = '\0';
}

/* ---- One component --------------------------------------------------------------------------- */

static bool is_unit(struct part part)
{
	return ends_with(part, ".service") || ends_with(part, ".scope");
}

/* Returns true for an id of Fargate: the task's 32 digits again, a hyphen and a decimal number. */
static bool is_ecs_id(struct part part, struct part task)
{
	if (task.len != ECS_TASK_DIGITS || part.len < ECS_TASK_DIGITS + 2 ||
	    count_hex(part) != ECS_TASK_DIGITS || memcmp(part.at, task.at, task.len) ||
	    part.at[ECS_TASK_DIGITS] != '-')
		return false;
	for (size_t i = ECS_TASK_DIGITS + 1; i < part.len; i++)
		if (!isdigit((unsigned char)part.at[i]))
			return false;
	return true;
}

/*
 * Finds the id in docker-ID.scope, libpod-payload-ID, kubepods-….slice:cri-containerd:ID, or ID
 * alone.
 */
static bool find_id(struct part part, struct part last, struct part *id)
{
	/* A slice is around containers. conmon watches a container from outside. */
	if (ends_with(part, ".slice") || starts_with(part, "crio-conmon-") ||
	    starts_with(part, "libpod-conmon-"))
		return false;
	if (is_ecs_id(part, last)) {
		*id = part;
		return true;
	}
	while (part.len) {
		size_t digits = count_hex(part), step = digits ? digits : 1;

		if (digits == ID_DIGITS) {
			*id = (struct part){ part.at, digits };
			return true;
		}
		part.at += step;
		part.len -= step;
	}
	return false;
}

/* Finds the name of a container that has no id. @last is the component before. */
static bool find_name(struct part part, struct part last, struct part *name)
{
	if (starts_with(part, "lxc.payload."))
		*name = middle(part, "lxc.payload.", "");
	else if (is(last, "lxc.payload") || is(last, "lxc"))
		*name = part;
	else if (starts_with(last, "systemd-nspawn@") && ends_with(last, ".service") &&
		 !is(part, "supervisor"))
		*name = middle(last, "systemd-nspawn@", ".service");
	/* A virtual machine of libvirt is no container. */
	else if (starts_with(part, "machine-") && ends_with(part, ".scope") &&
		 !starts_with(part, "machine-qemu"))
		*name = middle(part, "machine-", ".scope");
	else
		return false;
	/* "machine-.scope" has an empty name, which is none. */
	return name->len;
}

/*
 * Finds the pod in kubepods-burstable-podUID.slice, where hyphens are underscores, or in podUID
 * below kubepods.
 */
static bool find_pod(const struct reading *reading, struct part part, struct part *uid)
{
	size_t at = part.len;

	if (!reading->kubernetes)
		return false;
	if (starts_with(part, "pod")) {
		*uid = middle(part, "pod", "");
		return true;
	}
	for (size_t i = 0; i + strlen("-pod") < part.len; i++)
		if (!memcmp(part.at + i, "-pod", strlen("-pod")) && part.at[i + 4] != 's')
			at = i + strlen("-pod");
	if (at == part.len)
		return false;
	*uid = (struct part){ part.at + at, 0 };
	while (at + uid->len < part.len && !memchr(".:", uid->at[uid->len], 2))
		uid->len++;
	return uid->len;
}

static void read_pod(struct reading *reading, struct part part)
{
	char *pod_uid = reading->container->pod_uid;
	struct part uid;

	/* kubepods, kubepods.slice, kubelet-kubepods.slice, kubepods-burstable-pod….slice */
	for (size_t i = 0; i + strlen("kubepods") <= part.len; i++)
		if (!memcmp(part.at + i, "kubepods", strlen("kubepods")))
			reading->kubernetes = true;
	if (!find_pod(reading, part, &uid))
		return;
	copy(pod_uid, uid);
	for (char *p = pod_uid; *p; p++)
		if (*p == '_')
			*p = '-';
}

/*
 * Returns true for user@1000.service and user-1000.slice: a user may make any cgroup below these.
 */
static bool is_a_users(struct part part)
{
	return (starts_with(part, "user@") && ends_with(part, ".service")) ||
	       (starts_with(part, "user-") && ends_with(part, ".slice") &&
		!is(part, "user-0.slice"));
}

/* Notes an id. libpod-ID.scope/libpod-payload-ID is one container. */
static void take_id(struct reading *reading, struct part id)
{
	struct container *c = reading->container;
	size_t digits = count_hex(id) == ID_DIGITS ? SHORT_DIGITS : id.len;

	if (reading->inside && (strlen(c->id) != id.len || memcmp(c->id, id.at, id.len)))
		c->foreign = 1;
	copy(c->id, id);
	snprintf(c->short_id, sizeof(c->short_id), "%.*s", (int)digits, id.at);
	c->name[0] = '\0';
}

static void take_name(struct reading *reading, struct part name)
{
	struct container *c = reading->container;

	if (reading->inside)
		c->foreign = 1;
	copy(c->name, name);
	unescape_unit(c->name);
	c->id[0] = c->short_id[0] = '\0';
}

static void read_part(struct reading *reading, struct part part)
{
	struct container *c = reading->container;
	struct part id, name;

	read_pod(reading, part);
	if (is_a_users(part))
		c->foreign = 1;
	if (find_id(part, reading->last, &id)) {
		take_id(reading, id);
	} else if (find_name(part, reading->last, &name)) {
		take_name(reading, name);
	} else {
		if (is_unit(part))
			copy(reading->inside ? c->inner_unit : c->unit, part);
		return;
	}
	/* The container's own scope is a unit of the system around it. */
	if (!reading->inside && is_unit(part))
		copy(c->unit, part);
	c->inner_unit[0] = '\0';
	reading->inside = true;
}

/* ---- Paths ----------------------------------------------------------------------------------- */

static void read_path(struct container *container, struct part path)
{
	struct reading reading = { .container = container, .last = { "", 0 } };
	const char *end = path.at + path.len;

	memset(container, 0, sizeof(*container));
	for (const char *p = path.at; p < end;) {
		const char *slash = memchr(p, '/', end - p);
		struct part part = { p, (slash ?: end) - p };

		if (part.len) {
			read_part(&reading, part);
			reading.last = part;
		}
		p += part.len + 1;
	}
}

void container_of_path(struct container *container, const char *path)
{
	read_path(container, (struct part){ path, strlen(path) });
}

/*
 * Returns how much the hierarchy of a line says: 0 for nothing. A line is NUMBER:CONTROLLERS:PATH.
 */
static int weight(struct part controllers, const struct container *container)
{
	int managed = controllers.len == 0 ? 2 : is(controllers, "name=systemd");

	if (*container_label(container))
		return 3 + managed;
	return container->unit[0] ? managed : 0;
}

void container_of_text(struct container *container, const char *text)
{
	int best = 0;

	memset(container, 0, sizeof(*container));
	for (size_t len; *text; text += len + (text[len] == '\n')) {
		struct part controllers, path;
		struct container found;
		const char *colon;

		len = strcspn(text, "\n");
		colon = memchr(text, ':', len);
		if (!colon)
			continue;
		controllers.at = colon + 1;
		colon = memchr(controllers.at, ':', text + len - controllers.at);
		/* A controller's name has no colon, but a path may have one. */
		if (!colon)
			continue;
		controllers.len = colon - controllers.at;
		path = (struct part){ colon + 1, text + len - (colon + 1) };
		read_path(&found, path);
		if (weight(controllers, &found) > best) {
			best = weight(controllers, &found);
			*container = found;
		}
	}
}

/* ---- What people know ------------------------------------------------------------------------ */

const char *const container_text_names[CONTAINER_TEXTS] = {
	[CONTAINER_UNIT] = "unit",
	[CONTAINER_LABEL] = "container",
	[CONTAINER_ID] = "container_id",
	[CONTAINER_POD] = "pod",
	[CONTAINER_POD_NAMESPACE] = "pod_namespace",
};

const char *container_label(const struct container *container)
{
	return container->name[0] ? container->name : container->short_id;
}

void container_texts(const struct container *container, const char *texts[CONTAINER_TEXTS])
{
	texts[CONTAINER_UNIT] = container->unit;
	texts[CONTAINER_LABEL] = container_label(container);
	texts[CONTAINER_ID] = container->id;
	texts[CONTAINER_POD] = container->pod;
	texts[CONTAINER_POD_NAMESPACE] = container->pod_namespace;
	for (unsigned int i = 0; i < CONTAINER_TEXTS; i++)
		if (!texts[i][0])
			texts[i] = NULL;
}
