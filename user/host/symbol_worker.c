// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "host/confine.h"
#include "host/elf_sections.h"
#include "host/packet.h"
#include "host/perf_map.h"
#include "host/symbol.h"
#include "host/symbol_wire.h"
#include "host/symbol_worker.h"

/*
 * The limits of one worker. A request may use RESIDENT_KIB of memory, which counts where the
 * tracer's own is counted, and REQUEST_CPU_US. The kernel enforces ADDRESSES_BYTES, to which files
 * are mapped, CPU_SECONDS and DESCRIPTORS. What a worker has used up over many requests is no
 * single request's fault, so it retires at RETIRE_KIB or RETIRE_CPU_US, before it comes to a limit.
 */
#define RESIDENT_KIB	(48L << 10)
#define RETIRE_KIB	(32L << 10)
#define ADDRESSES_BYTES (256UL << 20)
#define REQUEST_CPU_US	1000000L
#define RETIRE_CPU_US	20000000L
#define CPU_SECONDS	30
#define DESCRIPTORS	1024

/* The time between two looks at what is used. */
#define TICK_US 5000

struct file {
	int fd;	   /* negative: none */
	int debug; /* negative: none */
	enum elf_sections sections;
	bool asked;
	struct symbols *symbols;
};

struct worker {
	int socket;
	struct file files[SYMBOL_SLOTS];
};

/*
 * ---- Limits -------------------------------------------------------------------------------------
 */

static volatile sig_atomic_t busy;
static long request_cpu_us; /* the time used when the request came */

static long cpu_us(const struct rusage *usage)
{
	return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000L +
	       usage->ru_utime.tv_usec + usage->ru_stime.tv_usec;
}

/*
 * Checks the limits. POSIX does not list getrusage(2) for signal handlers, but here it is a bare
 * system call.
 */
static void tick(int signal)
{
	struct rusage usage;

	(void)signal;
	if (!busy || getrusage(RUSAGE_SELF, &usage))
		return;
	if (usage.ru_maxrss > RESIDENT_KIB)
		_exit(SYMBOL_WORKER_LARGE);
	if (cpu_us(&usage) - request_cpu_us > REQUEST_CPU_US)
		_exit(SYMBOL_WORKER_SLOW);
}

static void watch(bool on)
{
	const struct itimerval every = {
		.it_interval.tv_usec = on ? TICK_US : 0,
		.it_value.tv_usec = on ? TICK_US : 0,
	};
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	request_cpu_us = cpu_us(&usage);
	busy = on;
	setitimer(ITIMER_REAL, &every, NULL);
}

static bool is_used_up(void)
{
	struct rusage usage;

	return !getrusage(RUSAGE_SELF, &usage) &&
	       (usage.ru_maxrss > RETIRE_KIB || cpu_us(&usage) > RETIRE_CPU_US);
}

/* The system calls that libelf, libdw, the allocator and this file use. */
static const struct confine_call calls[] = {
	{ .number = SYS_recvmsg },
	{ .number = SYS_sendmsg },
	{ .number = SYS_sendto },
	{ .number = SYS_read },
	{ .number = SYS_pread64 },
	{ .number = SYS_lseek },
	{ .number = SYS_close },
	{ .number = SYS_fstat },
	{ .number = SYS_newfstatat, .argument = 3, .mask = AT_EMPTY_PATH, .value = AT_EMPTY_PATH },
	{ .number = SYS_fcntl, .argument = 1, .mask = ~0U, .value = F_DUPFD_CLOEXEC },
	{ .number = SYS_fcntl, .argument = 1, .mask = ~0U, .value = F_GETFL },
	{ .number = SYS_fcntl, .argument = 1, .mask = ~0U, .value = F_GETFD },
	{ .number = SYS_mmap, .argument = 2, .mask = PROT_EXEC, .value = 0 },
	{ .number = SYS_mprotect, .argument = 2, .mask = PROT_EXEC, .value = 0 },
	{ .number = SYS_munmap },
	{ .number = SYS_mremap },
	{ .number = SYS_madvise },
	{ .number = SYS_brk },
	{ .number = SYS_futex },
	{ .number = SYS_getrandom },
	{ .number = SYS_getrusage },
	{ .number = SYS_setitimer },
	{ .number = SYS_rt_sigreturn },
	{ .number = SYS_exit_group },
	{ .number = SYS_exit },
#ifdef __SANITIZE_ADDRESS__ /* before the process ends */
	{ .number = SYS_sigaltstack },
	{ .number = SYS_gettid },
#endif
};

static int confine(void)
{
	const struct {
		int resource;
		rlim_t limit;
	} limits[] = {
#ifndef __SANITIZE_ADDRESS__ /* ASan reserves terabytes */
		{ RLIMIT_AS, ADDRESSES_BYTES },
#endif
		{ RLIMIT_CPU, CPU_SECONDS },
		{ RLIMIT_NOFILE, DESCRIPTORS },
		{ RLIMIT_FSIZE, 0 },
		{ RLIMIT_NPROC, 0 },
	};
	const struct sigaction action = { .sa_handler = tick, .sa_flags = SA_RESTART };
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(limits) / sizeof(*limits); i++)
		err = confine_limit(limits[i].resource, limits[i].limit);
	if (!err && sigaction(SIGALRM, &action, NULL))
		err = -errno;
	return err ? err : confine_calls(calls, sizeof(calls) / sizeof(*calls));
}

/*
 * ---- Answers ------------------------------------------------------------------------------------
 */

static void forget(struct file *file)
{
	symbols_free(file->symbols);
	if (file->fd >= 0)
		close(file->fd);
	if (file->debug >= 0)
		close(file->debug);
	*file = (struct file){ .fd = -1, .debug = -1 };
}

/*
 * Opens a file. libdw unpacks what bzip2, xz and gzip have packed, so it must see only ELF files.
 */
static void answer_open(struct file *file, int fd, struct symbol_answer *answer)
{
	forget(file);
	answer->status = elf_image_read(&answer->image, fd);
	if (answer->status) {
		close(fd);
		return;
	}
	file->fd = fd;
	file->sections = elf_sections_check(fd);
	answer->large = file->sections;
}

static void answer_debug(struct file *file, int fd, struct symbol_answer *answer)
{
	answer->status = elf_image_read(&answer->image, fd);
	answer->large = answer->status ? ELF_SECTIONS_ALL : elf_sections_check(fd);
	if (answer->status || answer->large != ELF_SECTIONS_ALL || file->debug >= 0)
		close(fd);
	else
		file->debug = fd;
}

static struct symbols *symbols_of(struct file *file)
{
	if (!file->asked && file->fd >= 0 && file->sections != ELF_SECTIONS_NONE)
		file->symbols = symbols_open(file->fd, file->debug,
					     file->sections == ELF_SECTIONS_ALL);
	file->asked = true;
	return file->symbols;
}

static void answer_rule(struct file *file, uint64_t vaddr, struct symbol_answer *answer)
{
	struct unwind_rule rule = { 0 };

	if (symbols_of(file) && symbols_rule(file->symbols, vaddr, &rule)) {
		answer->known = true;
		answer->rule = rule;
	}
}

static void put_text(char to[SYMBOL_TEXT_BYTES], const char *from)
{
	size_t len = from ? strnlen(from, SYMBOL_TEXT_BYTES - 1) : 0;

	if (len)
		memcpy(to, from, len);
	to[len] = 0;
}

static void answer_find(struct file *file, uint64_t vaddr, struct symbol_answer *answer)
{
	struct symbol symbol;

	if (!symbols_of(file))
		return;
	symbols_find(file->symbols, vaddr, &symbol);
	answer->known = true;
	answer->into = symbol.into;
	answer->line = symbol.line;
	put_text(answer->function, symbol.function);
	put_text(answer->file, symbol.file);
}

/* Returns true if these bytes end in a call: near, direct, or by a register or memory. */
static bool ends_in_call(const uint8_t *code, size_t len)
{
#if defined(__aarch64__)
	uint32_t instruction;

	if (len < sizeof(instruction))
		return false;
	memcpy(&instruction, code + len - sizeof(instruction), sizeof(instruction));
	return (instruction & 0xfc000000) == 0x94000000 || /* bl */
	       (instruction & 0xfffffc1f) == 0xd63f0000;   /* blr */
#else
	if (len >= 5 && code[len - 5] == 0xe8)
		return true;
	/* ff /2, with a register, or with memory at a displacement of no, 8 or 32 bits. */
	for (size_t size = 2; size <= 7 && size <= len; size++)
		if (code[len - size] == 0xff && (code[len - size + 1] & 0x38) == 0x10)
			return true;
	return false;
#endif
}

static void answer_call(const struct file *file, uint64_t offset, struct symbol_answer *answer)
{
	uint8_t code[7];

	if (offset < sizeof(code) || offset > INT64_MAX ||
	    pread(file->fd, code, sizeof(code), offset - sizeof(code)) != sizeof(code))
		return;
	answer->known = ends_in_call(code, sizeof(code));
}

static void answer_perf(int fd, uint64_t address, struct symbol_answer *answer)
{
	answer->status = perf_map_find(fd, address, answer->function, sizeof(answer->function),
				       &answer->into);
	answer->known = answer->function[0] != 0;
	close(fd);
}

static void answer_one(struct worker *worker, const struct symbol_request *request, int fd,
		       struct symbol_answer *answer)
{
	struct file *file = &worker->files[request->slot];

	switch ((enum symbol_op)request->op) {
	case SYMBOL_OPEN:
		answer_open(file, fd, answer);
		break;
	case SYMBOL_DEBUG:
		answer_debug(file, fd, answer);
		break;
	case SYMBOL_RULE:
		answer_rule(file, request->value, answer);
		break;
	case SYMBOL_FIND:
		answer_find(file, request->value, answer);
		break;
	case SYMBOL_CALL:
		answer_call(file, request->value, answer);
		break;
	case SYMBOL_PERF:
		answer_perf(fd, request->value, answer);
		break;
	default:
		answer->status = -EINVAL;
	}
}

/* Serves one request. Returns true if there may be another one. */
static bool serve(struct worker *worker)
{
	struct symbol_request request;
	struct symbol_answer answer = { 0 };
	ssize_t len;
	int fd;

	len = packet_take(worker->socket, &request, sizeof(request), &fd, 0);
	if (len == -EINTR)
		return true;
	if (len <= 0 || !symbol_request_is_good(&request, len, fd >= 0))
		return false;
	answer.serial = request.serial;
	watch(true);
	answer_one(worker, &request, fd, &answer);
	watch(false);
	answer.retire = is_used_up();
	return send(worker->socket, &answer, sizeof(answer), MSG_NOSIGNAL) == sizeof(answer);
}

_Noreturn void symbol_worker_run(int fd)
{
	static struct worker worker;

	worker.socket = fd;
	for (size_t i = 0; i < SYMBOL_SLOTS; i++)
		worker.files[i] = (struct file){ .fd = -1, .debug = -1 };
	if (confine())
		_exit(SYMBOL_WORKER_UNCONFINED);
	while (serve(&worker))
		;
	_exit(SYMBOL_WORKER_DONE);
}
