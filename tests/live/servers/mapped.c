// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Accepts and never closes, and its stack leads into a file that it maps as code: the one that
 * MAPPED names in the environment. With LEASED it holds a lease on the file.
 */
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "serve.h"

/* What frame pointers lead to: a return address in the middle of the page, and no further. */
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
#else
	exit(77);
#endif
}

int main(int argc, char *argv[])
{
	struct serve_options options = serve_parse(argc, argv);
	int listener = serve_listen(&options, false);
	int fd = open(getenv("MAPPED"), getenv("LEASED") ? O_RDWR : O_RDONLY);
	char *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	if (code == MAP_FAILED)
		err(1, "mmap");
	frame[1] = code + 64;
	signal(SIGIO, SIG_IGN);
	if (getenv("LEASED") && fcntl(fd, F_SETLEASE, F_WRLCK))
		err(1, "lease");
	serve_ready();
	for (;;) {
		fd = accept_from(listener);
		if (fd < 0)
			errx(1, "accept");
		serve_log("accept", serve_peer_port(fd));
	}
}
