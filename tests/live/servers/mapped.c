// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Accepts and never closes. Its stack leads into a file that it maps as code: the one that MAPPED
 * names in the environment, from the byte CODE_AT on. With LEASED it holds a lease on the file.
 * With MAPPINGS it maps the file that many more times. With MODULES, MAPPED is a folder, and each
 * accept maps another of its files 0, 1, … Without MAPPED the code is only in memory.
 *
 * Each accept comes from 64 bytes after the one before, until the page ends. The program is
 * built without unwind tables, so that the tracer must follow frame pointers.
 */
#include <limits.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "serve.h"

#define PAGE_BYTES 4096

/* Frame pointers lead here: to a return address in the middle of the page, and no further. */
static void *frame[2];

static int accept_from(int listener)
{
#if defined(__x86_64__)
	register long flags __asm__("r10") = 0;
	long fd;

	__asm__ volatile("push %%rbp\n\t"
			 "mov %[frame], %%rbp\n\t"
			 "syscall\n\t"
			 "pop %%rbp"
			 : "=a"(fd)
			 : "0"((long)SYS_accept4), "D"((long)listener), "S"(0L), "d"(0L),
			   "r"(flags), [frame] "b"(frame)
			 : "rcx", "r11", "memory");
	return fd;
#elif defined(__aarch64__)
	register long number __asm__("x8") = SYS_accept4;
	register long fd __asm__("x0") = listener;
	register long address __asm__("x1") = 0, size __asm__("x2") = 0, flags __asm__("x3") = 0;

	__asm__ volatile("stp x29, x30, [sp, #-16]!\n\t"
			 "mov x29, %[frame]\n\t"
			 "svc #0\n\t"
			 "ldp x29, x30, [sp], #16"
			 : "+r"(fd)
			 : "r"(number), "r"(address), "r"(size), "r"(flags), [frame] "r"(frame)
			 : "memory");
	return fd;
#else
#error "how does a program make a system call with a frame pointer of its own?"
#endif
}

static long setting(const char *name)
{
	const char *text = getenv(name);

	return text ? atol(text) : 0;
}

static char *map_code(int fd)
{
	char *code = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_EXEC,
			  fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_PRIVATE, fd,
			  fd < 0 ? 0 : setting("CODE_AT"));

	if (code == MAP_FAILED)
		err(1, "mmap");
	return code;
}

/* Returns the code of accept @number. */
static char *code_of(long number)
{
	const char *mapped = getenv("MAPPED");
	char path[PATH_MAX], *code;
	int fd;

	if (setting("MODULES"))
		snprintf(path, sizeof(path), "%s/%ld", mapped, number % setting("MODULES"));
	else
		snprintf(path, sizeof(path), "%s", mapped ?: "");
	fd = mapped ? open(path, getenv("LEASED") ? O_RDWR : O_RDONLY) : -1;
	if (mapped && fd < 0)
		err(1, "%s", path);
	if (getenv("LEASED") && fcntl(fd, F_SETLEASE, F_WRLCK))
		err(1, "lease");
	code = map_code(fd);
	/* They are below the code, and so before it in the list of mappings. */
	for (long i = 0; !number && i < setting("MAPPINGS"); i++)
		map_code(fd);
	return code;
}

int main(int argc, char *argv[])
{
	struct serve_options options = serve_parse(argc, argv);
	int listener = serve_listen(&options, false), fd;
	char *code = code_of(0);

	signal(SIGIO, SIG_IGN);
	serve_ready();
	for (long number = 0;; number++) {
		if (number && setting("MODULES"))
			code = code_of(number);
		frame[1] = code + 64 * (1 + number % (PAGE_BYTES / 64 - 1));
		fd = accept_from(listener);
		if (fd < 0)
			errx(1, "accept");
		serve_log("accept", serve_peer_port(fd));
	}
}
