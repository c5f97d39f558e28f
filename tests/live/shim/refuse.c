// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Stands between programs and the kernel (LD_PRELOAD) and refuses what it is told to, as a kernel
 * might: calls of bpf(2), perf_event_open(2), the ioctl()s that attach, and mmap(2) of a map.
 *
 * A call has up to three keys: its name, its name with its object, its name with a type.
 *
 *	BPF_PROG_LOAD  BPF_PROG_LOAD:timer_start  BPF_PROG_LOAD#26
 *	BPF_MAP_CREATE:connections  BPF_MAP_CREATE#27  BPF_PROG_TEST_RUN:flush  mmap:counters
 *
 * REFUSE has rules with blanks between them, PATTERN=ERRNO[@N[+]]. A call with a key that fits the
 * pattern (fnmatch(3)) fails with that error. With @N only the Nth of these calls fails, with @N+
 * also all after it. REFUSE_LOG names a file that gets a line for each call: the keys with blanks
 * between them, and the result (0 or the name of an error). A refused call never reaches the
 * kernel.
 *
 * REFUSE_COST names a file that gets a line for each program that is loaded: its name, its number
 * of instructions, how many the verifier went through, and the processor time of the call in
 * microseconds.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RULES_MAX      256
#define FDS_MAX	       4096
#define THING_NAME_MAX 128
#define KEY_MAX	       256
#define LOG_BYTES      (1 << 20)

/* A libbpf that is newer than the headers passes more than they know. */
#define ATTR_MORE 256

/* The C library's syscall(), behind this one. */
typedef long syscall_fn(long number, ...);

static syscall_fn *next_syscall(void)
{
	static syscall_fn *next;

	if (!next)
		next = (syscall_fn *)dlsym(RTLD_NEXT, "syscall");
	return next;
}

/*
 * ---- What descriptors are -----------------------------------------------------------------------
 */

/* What is known about a descriptor. */
struct thing {
	bool is_map;
	char name[THING_NAME_MAX];
	void *btf; /* a copy of what was loaded */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct thing things[FDS_MAX];

static const char *name_of(int fd)
{
	return fd >= 0 && fd < FDS_MAX ? things[fd].name : "";
}

static void forget(int fd)
{
	if (fd < 0 || fd >= FDS_MAX)
		return;
	free(things[fd].btf);
	memset(&things[fd], 0, sizeof(things[fd]));
}

static void remember(int fd, const char *name)
{
	forget(fd);
	if (fd >= 0 && fd < FDS_MAX)
		snprintf(things[fd].name, sizeof(things[fd].name), "%s", name);
}

/* Returns the number of bytes after a type's head (include/uapi/linux/btf.h). */
static size_t type_tail(const struct btf_type *type)
{
	unsigned int count = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return count * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return count * sizeof(struct btf_enum);
	case BTF_KIND_FUNC_PROTO:
		return count * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return count * sizeof(struct btf_var_secinfo);
	case BTF_KIND_ENUM64:
		return count * 12;
	default:
		return 0;
	}
}

/* Returns the name of the @id-th type; NULL: there is none. */
static const char *type_name(const struct thing *thing, uint32_t id)
{
	const struct btf_header *head = thing->btf;
	const char *data = thing->btf, *at, *end;

	if (!head)
		return NULL;
	at = data + head->hdr_len + head->type_off;
	end = at + head->type_len;
	for (uint32_t i = 1; at + sizeof(struct btf_type) <= end; i++) {
		const struct btf_type *type = (const void *)at;

		if (i == id)
			return data + head->hdr_len + head->str_off + type->name_off;
		at += sizeof(*type) + type_tail(type);
	}
	return NULL;
}

/*
 * Types as a whole have no name. Their last string stands for it, unless that is a line of source:
 * in a trial it is the name of what is tried.
 */
static const char *types_name(const union bpf_attr *attr)
{
	const struct btf_header *head = (const void *)(uintptr_t)attr->btf;
	const char *begin = (const char *)head + head->hdr_len + head->str_off;
	const char *last = begin + (head->str_len ? head->str_len - 1 : 0);

	while (last > begin && last[-1])
		last--;
	return strpbrk(last, " \t") ? "" : last;
}

/* The kernel cuts a program's name after 15 bytes, but the name of its function is whole. */
static const char *program_name(const union bpf_attr *attr)
{
	const struct bpf_func_info *info = (const void *)(uintptr_t)attr->func_info;
	const char *whole = NULL;

	if (info && attr->func_info_cnt && attr->prog_btf_fd < FDS_MAX)
		whole = type_name(&things[attr->prog_btf_fd], info->type_id);
	return whole && *whole ? whole : attr->prog_name;
}

/*
 * ---- Calls --------------------------------------------------------------------------------------
 */

struct call {
	const char *command;
	char name[THING_NAME_MAX]; /* its object; empty: nothing in particular */
	long type;		   /* -1: none */
};

/* Writes the call's keys, the most specific first. Returns how many. */
static int keys_of(const struct call *call, char keys[3][KEY_MAX])
{
	int count = 0;

	snprintf(keys[count++], KEY_MAX, "%s:%s", call->command, call->name);
	snprintf(keys[count++], KEY_MAX, "%s", call->command);
	if (call->type >= 0)
		snprintf(keys[count++], KEY_MAX, "%s#%ld", call->command, call->type);
	return count;
}

#define ROW(command) [command] = #command

static const char *const commands[] = {
	ROW(BPF_MAP_CREATE),	    ROW(BPF_MAP_LOOKUP_ELEM),
	ROW(BPF_MAP_UPDATE_ELEM),   ROW(BPF_MAP_DELETE_ELEM),
	ROW(BPF_MAP_GET_NEXT_KEY),  ROW(BPF_PROG_LOAD),
	ROW(BPF_OBJ_PIN),	    ROW(BPF_OBJ_GET),
	ROW(BPF_PROG_ATTACH),	    ROW(BPF_PROG_DETACH),
	ROW(BPF_PROG_TEST_RUN),	    ROW(BPF_PROG_GET_NEXT_ID),
	ROW(BPF_MAP_GET_NEXT_ID),   ROW(BPF_PROG_GET_FD_BY_ID),
	ROW(BPF_MAP_GET_FD_BY_ID),  ROW(BPF_OBJ_GET_INFO_BY_FD),
	ROW(BPF_PROG_QUERY),	    ROW(BPF_RAW_TRACEPOINT_OPEN),
	ROW(BPF_BTF_LOAD),	    ROW(BPF_BTF_GET_FD_BY_ID),
	ROW(BPF_TASK_FD_QUERY),	    ROW(BPF_MAP_LOOKUP_AND_DELETE_ELEM),
	ROW(BPF_MAP_FREEZE),	    ROW(BPF_BTF_GET_NEXT_ID),
	ROW(BPF_MAP_LOOKUP_BATCH),  ROW(BPF_MAP_LOOKUP_AND_DELETE_BATCH),
	ROW(BPF_MAP_UPDATE_BATCH),  ROW(BPF_MAP_DELETE_BATCH),
	ROW(BPF_LINK_CREATE),	    ROW(BPF_LINK_UPDATE),
	ROW(BPF_LINK_GET_FD_BY_ID), ROW(BPF_LINK_GET_NEXT_ID),
	ROW(BPF_ENABLE_STATS),	    ROW(BPF_ITER_CREATE),
	ROW(BPF_LINK_DETACH),	    ROW(BPF_PROG_BIND_MAP),
};

static const char *command_name(long command)
{
	bool known = command >= 0 && (size_t)command < sizeof(commands) / sizeof(*commands);

	return known && commands[command] ? commands[command] : "BPF_OTHER";
}

/* @attr may be shorter than the type, but these commands have the members that are read here. */
static void describe(struct call *call, long command, const union bpf_attr *attr)
{
	const char *name = "";

	call->command = command_name(command);
	call->type = -1;
	switch (command) {
	case BPF_MAP_CREATE:
		name = attr->map_name;
		call->type = attr->map_type;
		break;
	case BPF_PROG_LOAD:
		name = program_name(attr);
		call->type = attr->prog_type;
		break;
	case BPF_BTF_LOAD:
		name = types_name(attr);
		break;
	case BPF_PROG_TEST_RUN:
		name = name_of(attr->test.prog_fd);
		break;
	case BPF_RAW_TRACEPOINT_OPEN:
		name = name_of(attr->raw_tracepoint.prog_fd);
		break;
	case BPF_LINK_CREATE:
		name = name_of(attr->link_create.prog_fd);
		call->type = attr->link_create.attach_type;
		break;
	case BPF_ITER_CREATE:
		name = name_of(attr->iter_create.link_fd);
		break;
	case BPF_OBJ_GET_INFO_BY_FD:
		name = name_of(attr->info.bpf_fd);
		break;
	case BPF_MAP_LOOKUP_BATCH:
	case BPF_MAP_LOOKUP_AND_DELETE_BATCH:
	case BPF_MAP_UPDATE_BATCH:
	case BPF_MAP_DELETE_BATCH:
		name = name_of(attr->batch.map_fd);
		break;
	case BPF_MAP_LOOKUP_ELEM:
	case BPF_MAP_UPDATE_ELEM:
	case BPF_MAP_DELETE_ELEM:
	case BPF_MAP_GET_NEXT_KEY:
	case BPF_MAP_LOOKUP_AND_DELETE_ELEM:
	case BPF_MAP_FREEZE:
		name = name_of(attr->map_fd);
		break;
	default:
		break;
	}
	snprintf(call->name, sizeof(call->name), "%.*s", THING_NAME_MAX - 1, name);
}

/* Notes what the new descriptor is. */
static void learn(const struct call *call, long command, const union bpf_attr *attr, int fd)
{
	switch (command) {
	case BPF_MAP_CREATE:
		remember(fd, call->name);
		if (fd < FDS_MAX)
			things[fd].is_map = true;
		break;
	case BPF_PROG_LOAD:
	case BPF_RAW_TRACEPOINT_OPEN:
	case BPF_LINK_CREATE:
	case BPF_ITER_CREATE:
		remember(fd, call->name);
		break;
	case BPF_BTF_LOAD:
		forget(fd);
		if (fd >= FDS_MAX)
			break;
		things[fd].btf = malloc(attr->btf_size);
		if (things[fd].btf)
			memcpy(things[fd].btf, (const void *)(uintptr_t)attr->btf, attr->btf_size);
		break;
	default:
		break;
	}
}

/*
 * ---- Rules --------------------------------------------------------------------------------------
 */

struct rule {
	char pattern[KEY_MAX];
	int err;
	unsigned long from, to; /* which of the calls that fit, counted from 1 */
	unsigned long seen;
};

static struct rule rules[RULES_MAX];
static int rule_count = -1; /* not read yet */
static int log_fd = -1, cost_fd = -1;

static const struct {
	const char *name;
	int number;
} errors[] = {
	{ "EPERM", EPERM },   { "EINVAL", EINVAL },	    { "ENOMEM", ENOMEM },
	{ "E2BIG", E2BIG },   { "EOPNOTSUPP", EOPNOTSUPP }, { "EACCES", EACCES },
	{ "ENOSYS", ENOSYS }, { "EMFILE", EMFILE },	    { "EBUSY", EBUSY },
	{ "ENOENT", ENOENT }, { "EAGAIN", EAGAIN },	    { "ENOTSUPP", 524 },
	{ "EEXIST", EEXIST }, { "ENOSPC", ENOSPC },	    { "EFAULT", EFAULT },
	{ "EBADF", EBADF },   { "EINTR", EINTR },
};

static const char *error_name(int number)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].number == number)
			return errors[i].name;
	return number ? "EOTHER" : "0";
}

static void give_up(const char *rule)
{
	dprintf(STDERR_FILENO, "refuse: '%s' is no rule: PATTERN=ERRNO[@N[+]]\n", rule);
	_exit(125);
}

static void parse_rule(const char *text)
{
	struct rule *rule = &rules[rule_count];
	char error[16] = "", plus = '\0';
	int fields;

	*rule = (struct rule){ .to = -1UL };
	fields = sscanf(text, "%255[^=]=%15[A-Z0-9]@%lu%c", rule->pattern, error, &rule->from,
			&plus);
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (!strcmp(errors[i].name, error))
			rule->err = errors[i].number;
	if (fields < 2 || !rule->err || rule_count + 1 == RULES_MAX)
		give_up(text);
	if (fields == 3)
		rule->to = rule->from;
	rule_count++;
}

/*
 * Opens the file that a variable names; -1: none. Its number is high, out of the way of programs
 * that count descriptors, or close them in a row.
 */
static int open_named(const char *variable)
{
	const char *name = getenv(variable);
	int fd = name ? open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
	int high = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 1000) : -1;

	if (high < 0)
		return fd;
	next_syscall()(SYS_close, fd);
	return high;
}

static void read_rules(void)
{
	const char *text = getenv("REFUSE");
	char *copy = strdup(text ?: ""), *save, *word;

	rule_count = 0;
	for (word = strtok_r(copy, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
		parse_rule(word);
	free(copy);
	log_fd = open_named("REFUSE_LOG");
	cost_fd = open_named("REFUSE_COST");
}

static bool fits(const struct rule *rule, char keys[3][KEY_MAX], int count)
{
	for (int i = 0; i < count; i++)
		if (!fnmatch(rule->pattern, keys[i], 0))
			return true;
	return false;
}

/* Returns the error with which to refuse the call; 0: do not refuse it. */
static int verdict(const struct call *call)
{
	char keys[3][KEY_MAX];
	int count = keys_of(call, keys), err = 0;

	if (rule_count < 0)
		read_rules();
	for (int i = 0; i < rule_count; i++) {
		struct rule *rule = &rules[i];

		if (!fits(rule, keys, count))
			continue;
		rule->seen++;
		if (!err && rule->seen >= rule->from && rule->seen <= rule->to)
			err = rule->err;
	}
	return err;
}

static void write_log(const struct call *call, int err, bool refused)
{
	char keys[3][KEY_MAX], line[4 * KEY_MAX];
	int count = keys_of(call, keys), len;

	if (log_fd < 0)
		return;
	len = snprintf(line, sizeof(line), "%s %s %s %s\n", keys[0], count > 2 ? keys[2] : "-",
		       error_name(err), refused ? "refused" : "kernel");
	if (write(log_fd, line, len) != len)
		return;
}

/*
 * ---- In front of the C library ------------------------------------------------------------------
 */

static long refuse(const struct call *call, int err)
{
	write_log(call, err, true);
	pthread_mutex_unlock(&lock);
	errno = err;
	return -1;
}

static uint64_t processor_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * 1000000ULL + time.tv_nsec / 1000;
}

/* Makes the call. If the caller wants no log of the verifier, this asks for one to read the cost.
 * */
static long pass(const struct call *call, long command, const union bpf_attr *attr, long size)
{
	struct {
		union bpf_attr attr;
		char more[ATTR_MORE];
	} with_log = {};
	char line[KEY_MAX + 128], *log;
	const char *verified;
	uint64_t begin_us;
	int err;
	long ret;

	if (command != BPF_PROG_LOAD || cost_fd < 0 || attr->log_level ||
	    (size_t)size > sizeof(with_log))
		return next_syscall()(SYS_bpf, command, attr, size);
	log = calloc(1, LOG_BYTES);
	memcpy(&with_log, attr, size);
	with_log.attr.log_level = 4; /* BPF_LOG_STATS */
	with_log.attr.log_buf = (uintptr_t)log;
	with_log.attr.log_size = LOG_BYTES;
	begin_us = processor_us();
	ret = next_syscall()(SYS_bpf, command, &with_log, size);
	err = errno;
	verified = strstr(log, "processed ");
	size = snprintf(line, sizeof(line), "%s %u %lu %lu\n", call->name, attr->insn_cnt,
			verified ? strtoul(verified + strlen("processed "), NULL, 10) : 0,
			(unsigned long)(processor_us() - begin_us));
	free(log);
	if (write(cost_fd, line, size) != size)
		abort();
	errno = err;
	return ret;
}

static long call_bpf(long command, const union bpf_attr *attr, long size)
{
	struct call call;
	int err;
	long ret;

	pthread_mutex_lock(&lock);
	describe(&call, command, attr);
	err = verdict(&call);
	if (err)
		return refuse(&call, err);
	pthread_mutex_unlock(&lock);
	ret = pass(&call, command, attr, size);
	err = ret < 0 ? errno : 0;
	pthread_mutex_lock(&lock);
	write_log(&call, err, false);
	if (ret >= 0)
		learn(&call, command, attr, ret);
	pthread_mutex_unlock(&lock);
	errno = err;
	return ret;
}

/* Whether a call that is not bpf(2) is refused, which sets errno. */
static bool refused(const char *command, const char *name, long type)
{
	struct call call = { .command = command, .type = type };
	int err;

	pthread_mutex_lock(&lock);
	snprintf(call.name, sizeof(call.name), "%s", name);
	err = verdict(&call);
	if (err) {
		refuse(&call, err);
		return true;
	}
	write_log(&call, 0, false);
	pthread_mutex_unlock(&lock);
	return false;
}

long syscall(long number, ...)
{
	long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_bpf)
		return call_bpf(a[0], (const union bpf_attr *)a[1], a[2]);
	if (number == SYS_dup3) /* as libbpf does since 1.4 */
		return dup3(a[0], a[1], a[2]);
	if (number == SYS_perf_event_open &&
	    refused("perf_event_open", "", ((const struct perf_event_attr *)a[0])->type))
		return -1;
	return next_syscall()(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static bool is_map(int fd)
{
	return fd >= 0 && fd < FDS_MAX && things[fd].is_map;
}

void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if (is_map(fd) && refused("mmap", name_of(fd), -1))
		return MAP_FAILED;
	return (void *)next_syscall()(SYS_mmap, address, bytes, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off64_t offset)
{
	return mmap(address, bytes, protection, flags, fd, offset);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	long argument;

	va_start(args, request);
	argument = va_arg(args, long);
	va_end(args);
	if (request == PERF_EVENT_IOC_SET_BPF &&
	    refused("PERF_EVENT_IOC_SET_BPF", name_of(argument), -1))
		return -1;
	if (request == PERF_EVENT_IOC_ENABLE && refused("PERF_EVENT_IOC_ENABLE", "", -1))
		return -1;
	return next_syscall()(SYS_ioctl, fd, request, argument);
}

/* The new number stands for what the old one is. */
int dup3(int from, int to, int flags)
{
	int fd = next_syscall()(SYS_dup3, from, to, flags);

	if (fd >= 0 && from >= 0 && from < FDS_MAX && fd < FDS_MAX) {
		pthread_mutex_lock(&lock);
		forget(fd);
		things[fd] = things[from];
		things[fd].btf = NULL;
		pthread_mutex_unlock(&lock);
	}
	return fd;
}

/* A number that is used again stands for something else. */
int close(int fd)
{
	pthread_mutex_lock(&lock);
	if (fd != log_fd && fd != cost_fd)
		forget(fd);
	pthread_mutex_unlock(&lock);
	return next_syscall()(SYS_close, fd);
}
