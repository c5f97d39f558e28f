// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The reader of the ring against a file that is laid out like the kernel's. A file lacks the second
 * mapping of the data, so the test writes there whatever is to be read beyond the end.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/ring.h"

#define BYTES	    4096U
#define LARGE_BYTES (4U << 20) /* several times as much as is mapped at a time */

struct fake {
	int fd;
	size_t page;
	size_t bytes; /* of the ring */
	char *file;
	uint64_t *consumer;
	uint64_t *producer;
	char *data;
	struct ring *ring;
};

static size_t file_bytes(const struct fake *fake)
{
	return 2 * fake->page + 2 * fake->bytes;
}

static int set_up(void **state, size_t ring_bytes)
{
	static struct fake fake;
	size_t bytes;

	fake.page = sysconf(_SC_PAGESIZE);
	fake.bytes = ring_bytes;
	bytes = file_bytes(&fake);
	fake.fd = memfd_create("ring", MFD_CLOEXEC);
	if (fake.fd < 0 || ftruncate(fake.fd, bytes))
		return -1;
	fake.file = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fake.fd, 0);
	if (fake.file == MAP_FAILED)
		return -1;
	fake.consumer = (uint64_t *)fake.file;
	fake.producer = (uint64_t *)(fake.file + fake.page);
	fake.data = fake.file + 2 * fake.page;
	fake.ring = ring_new(fake.fd, ring_bytes);
	*state = &fake;
	return fake.ring ? 0 : -1;
}

static int setup(void **state)
{
	return set_up(state, BYTES);
}

static int setup_large(void **state)
{
	return set_up(state, LARGE_BYTES);
}

static int teardown(void **state)
{
	struct fake *fake = *state;

	ring_free(fake->ring);
	munmap(fake->file, file_bytes(fake));
	close(fake->fd);
	return 0;
}

/* Writes as the kernel does: a record counts once its header no longer says that it is busy. */
static uint32_t *write_record(struct fake *fake, char fill, uint32_t len, uint32_t flags)
{
	char *record = fake->data + *fake->producer % fake->bytes;

	memcpy(record, &(uint32_t){ len | flags }, sizeof(len));
	memset(record + BPF_RINGBUF_HDR_SZ, fill, len);
	*fake->producer += (len + BPF_RINGBUF_HDR_SZ + 7) & ~7U;
	return (uint32_t *)record;
}

static void assert_next(struct fake *fake, char fill, size_t len)
{
	size_t size = 0;
	const char *record = ring_next(fake->ring, &size);

	assert_non_null(record);
	assert_int_equal(size, len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(record[i], fill);
}

static void assert_empty(struct fake *fake)
{
	size_t size;

	assert_null(ring_next(fake->ring, &size));
}

static void test_order(void **state)
{
	struct fake *fake = *state;

	assert_empty(fake);
	write_record(fake, 'a', 112, 0);
	write_record(fake, 'b', 5, 0);
	assert_next(fake, 'a', 112);
	write_record(fake, 'c', 112, 0);
	assert_next(fake, 'b', 5);
	assert_next(fake, 'c', 112);
	assert_empty(fake);
}

static void test_discarded(void **state)
{
	struct fake *fake = *state;

	write_record(fake, 'x', 8, BPF_RINGBUF_DISCARD_BIT);
	write_record(fake, 'a', 16, 0);
	write_record(fake, 'x', 8, BPF_RINGBUF_DISCARD_BIT);
	assert_next(fake, 'a', 16);
	assert_empty(fake);
	ring_done(fake->ring);
	assert_int_equal(*fake->consumer, *fake->producer);
}

/* A record that is being written holds up those behind it: they would come out of order. */
static void test_busy(void **state)
{
	struct fake *fake = *state;
	uint32_t *head = write_record(fake, 'a', 16, BPF_RINGBUF_BUSY_BIT);

	write_record(fake, 'b', 16, 0);
	assert_empty(fake);
	*head = 16;
	assert_next(fake, 'a', 16);
	assert_next(fake, 'b', 16);
}

static void test_room(void **state)
{
	struct fake *fake = *state;

	write_record(fake, 'a', 16, 0);
	assert_next(fake, 'a', 16);
	assert_int_equal(*fake->consumer, 0); /* the record is still in use */
	ring_done(fake->ring);
	assert_int_equal(*fake->consumer, 24);
}

/* A reader that never pauses still gives room back. */
static void test_room_on_the_way(void **state)
{
	struct fake *fake = *state;

	for (unsigned int i = 0; i < 30; i++)
		write_record(fake, 'a', 112, 0);
	for (unsigned int i = 0; i < 30; i++)
		assert_next(fake, 'a', 112);
	assert_in_range(*fake->consumer, 3000, 3500);
}

static void test_wrap(void **state)
{
	struct fake *fake = *state;

	for (unsigned int i = 0; i < 10 * BYTES / 120; i++) {
		write_record(fake, 'a' + i % 26, 112, 0);
		assert_next(fake, 'a' + i % 26, 112);
	}
	assert_empty(fake);
}

/* A window of a large ring is mapped. It moves on, also over the end and for a long record. */
static void test_large(void **state)
{
	static const uint32_t lens[] = { 112, 8, 5000, 65536, 2U << 20, 24 };
	struct fake *fake = *state;
	uint64_t rounds = 3ULL * LARGE_BYTES;

	for (unsigned int i = 0; *fake->producer < rounds; i++) {
		uint32_t len = lens[i % (sizeof(lens) / sizeof(*lens))];

		write_record(fake, 'a' + i % 26, len, 0);
		write_record(fake, 'x', len / 2, BPF_RINGBUF_DISCARD_BIT);
		assert_next(fake, 'a' + i % 26, len);
		ring_done(fake->ring);
	}
	assert_empty(fake);
	assert_int_equal(ring_error(fake->ring), 0);
}

/* If the next window cannot be mapped, the reader says so and tries again. */
static void test_cannot_map(void **state)
{
	struct fake *fake = *state;
	size_t size;
	int fd = dup(fake->fd);

	assert_true(fd >= 0);
	write_record(fake, 'x', 3U << 20, BPF_RINGBUF_DISCARD_BIT);
	write_record(fake, 'a', 16, 0);
	close(fake->fd);
	assert_null(ring_next(fake->ring, &size));
	assert_int_equal(ring_error(fake->ring), -EBADF);
	assert_int_equal(dup2(fd, fake->fd), fake->fd);
	assert_next(fake, 'a', 16);
	assert_int_equal(ring_error(fake->ring), 0);
	close(fd);
}

static void test_bad_descriptor(void **state)
{
	(void)state;
	assert_null(ring_new(-1, BYTES));
	ring_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_discarded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_room_on_the_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large, setup_large, teardown),
		cmocka_unit_test_setup_teardown(test_cannot_map, setup_large, teardown),
		cmocka_unit_test(test_bad_descriptor),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
