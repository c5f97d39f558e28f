// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Accepts by io_uring, which makes no accept() system call; the same process serves and closes.
 * Ends with status 77 where the kernel has no io_uring or refuses it.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "serve.h"

#define CANNOT 77

struct ring {
	int fd;
	struct io_uring_sqe *sqe; /* the only entry, used over and over */
	unsigned int *sq_tail;
	unsigned int *sq_array;
	unsigned int sq_mask;
	unsigned int *cq_head;
	unsigned int *cq_tail;
	unsigned int cq_mask;
	struct io_uring_cqe *cqes;
};

static void *map(int fd, size_t bytes, off_t what)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

static void ring_open(struct ring *ring)
{
	struct io_uring_params p = { 0 };
	char *sq, *cq;

	ring->fd = syscall(SYS_io_uring_setup, 1, &p);
	if (ring->fd < 0)
		err(errno == ENOSYS || errno == EPERM ? CANNOT : 1, "io_uring_setup");
	sq = map(ring->fd, p.sq_off.array + p.sq_entries * sizeof(unsigned int),
		 IORING_OFF_SQ_RING);
	cq = map(ring->fd, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		 IORING_OFF_CQ_RING);
	ring->sqe = map(ring->fd, p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring->sq_tail = (void *)(sq + p.sq_off.tail);
	ring->sq_array = (void *)(sq + p.sq_off.array);
	ring->sq_mask = *(unsigned int *)(sq + p.sq_off.ring_mask);
	ring->cq_head = (void *)(cq + p.cq_off.head);
	ring->cq_tail = (void *)(cq + p.cq_off.tail);
	ring->cq_mask = *(unsigned int *)(cq + p.cq_off.ring_mask);
	ring->cqes = (void *)(cq + p.cq_off.cqes);
}

/* Submits one accept and waits until it completes. */
static int ring_accept(struct ring *ring, int listener)
{
	unsigned int tail = *ring->sq_tail, head = *ring->cq_head;
	int fd;

	*ring->sqe = (struct io_uring_sqe){ .opcode = IORING_OP_ACCEPT, .fd = listener };
	ring->sq_array[tail & ring->sq_mask] = 0;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		err(1, "io_uring_enter");
	if (__atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) == head)
		errx(1, "io_uring_enter came back with nothing");
	fd = ring->cqes[head & ring->cq_mask].res;
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	if (fd < 0)
		errx(1, "accept: %s", strerror(-fd));
	serve_log("accept", serve_peer_port(fd));
	return fd;
}

int main(int argc, char *argv[])
{
	struct serve_options options = serve_parse(argc, argv);
	struct ring ring;
	int listener;

	ring_open(&ring);
	listener = serve_listen(&options, false);
	serve_ready();
	for (;;)
		serve_request(ring_accept(&ring, listener));
}
