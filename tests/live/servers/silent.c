// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Makes whoever reads its command line wait, with a file that answers no read. It maps that file. A
 * child reads the page out of /proc/PID/mem: it waits for the file with the lock of the parent's
 * memory taken for reading. The parent maps something else, and waits for the lock. From then on
 * all others wait behind it. The descriptors that it was given stay open.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES 4096

static void read_of(pid_t pid, const void *page)
{
	char path[64], byte;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		err(1, "%s", path);
	if (pread(fd, &byte, 1, (uintptr_t)page) < 0)
		err(1, "read %s", path);
	errx(1, "the file has answered");
}

int main(int argc, char *argv[])
{
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	const pid_t parent = getpid();
	void *page;

	if (fd < 0)
		err(1, "usage: silent FILE");
	page = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
	if (page == MAP_FAILED)
		err(1, "mmap");
	if (!fork())
		read_of(parent, page);
	for (;;) {
		void *other = mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		munmap(other, PAGE_BYTES);
		usleep(1000);
	}
}
