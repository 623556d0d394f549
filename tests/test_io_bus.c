// SPDX-License-Identifier: MIT
/* The I/O bus: who gets an access, what is refused, what a removal means. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/io_txn.h"
#include "bus_fixture.h"
#include "flags.h"
#include "util.h"

static void test_wildcard_hits_its_length_only(void **state)
{
	assert_int_equal(add(doorbell_at(0x6000, 4), NULL), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 99, 4), 0);
	assert_int_equal(taken(efd), 1);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0, 2), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0, 8), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0, 3), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6001, 0, 4), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_PIO, 0x6000, 0, 4), -EOPNOTSUPP);
	assert_int_equal(taken(efd), 0);
}

static void test_length_zero_hits_any_length(void **state)
{
	uint32_t len;

	assert_int_equal(add(doorbell_at(0x6000, 0), NULL), 0);
	for (len = 1; len <= 8; len++)
		assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 1, len), 0);
	assert_int_equal(taken(efd), 8);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6001, 1, 1), -EOPNOTSUPP);
}

static void test_datamatch(void **state)
{
	assert_int_equal(add(match_at(0x6000, 4, 1), NULL), 0);
	assert_int_equal(add(match_at(0x6000, 4, 0xffffffff), NULL), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 1, 4), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0xffffffff, 4), 0);
	assert_int_equal(taken(efd), 2);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 2, 4), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 1, 8), -EOPNOTSUPP);
}

/* The kernel does not mask: bits above the length never match. */
static void test_datamatch_wider_than_length(void **state)
{
	assert_int_equal(add(match_at(0x6000, 2, 0xdead1234), NULL), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0x1234, 2), -EOPNOTSUPP);
}

static void test_reads_ring_nothing(void **state)
{
	uint32_t value = 5;

	assert_int_equal(add(doorbell_at(0x6000, 0), NULL), 0);
	assert_int_equal(read_len(BF_IO_MMIO, 0x6000, &value, 4), -EOPNOTSUPP);
	assert_int_equal(value, 5);
	assert_int_equal(taken(efd), 0);
}

static void test_bad_accesses(void **state)
{
	char data[16] = {0};

	assert_int_equal(read_len(BF_IO_MMIO, 0, data, 0), -EINVAL);
	assert_int_equal(read_len(BF_IO_MMIO, 0, data, 9), -EINVAL);
	assert_int_equal(read_len(BF_IO_MMIO, 0, data, UINT32_MAX), -EINVAL);
	assert_int_equal(read_len(BF_IO_SPACES, 0, data, 1), -EINVAL);
	assert_int_equal(read_len(UINT16_MAX, 0, data, 1), -EINVAL);
	assert_int_equal(read_len(BF_IO_MMIO, UINT64_MAX, data, 8),
			 -EOPNOTSUPP);
}

/* Spec: kernel's collision table. */
static void test_collisions(void **state)
{
	struct bf_io_doorbell_desc pio = doorbell_at(0x6000, 4);

	assert_int_equal(add(match_at(0x6000, 4, 1), NULL), 0);
	assert_int_equal(add(match_at(0x6000, 4, 1), NULL), -EEXIST);
	assert_int_equal(add(match_at(0x6000, 4, 2), NULL), 0);
	assert_int_equal(add(doorbell_at(0x6000, 4), NULL), -EEXIST);
	assert_int_equal(add(doorbell_at(0x6000, 0), NULL), -EEXIST);
	assert_int_equal(add(doorbell_at(0x6000, 2), NULL), 0);
	assert_int_equal(add(match_at(0x6000, 2, 7), NULL), -EEXIST);
	assert_int_equal(add(match_at(0x6000, 8, 1), NULL), 0);
	assert_int_equal(add(doorbell_at(0x6001, 4), NULL), 0);
	pio.space = BF_IO_PIO;
	assert_int_equal(add(pio, NULL), 0);
	pio.space = BF_IO_CCW;
	assert_int_equal(add(pio, NULL), 0);

	assert_int_equal(add(doorbell_at(0x7000, 0), NULL), 0);
	assert_int_equal(add(doorbell_at(0x7000, 0), NULL), -EEXIST);
	assert_int_equal(add(match_at(0x7000, 8, 0), NULL), -EEXIST);
	assert_int_equal(add(doorbell_at(0x7000, 1), NULL), -EEXIST);
}

static void test_bad_doorbells(void **state)
{
	struct bf_io_doorbell_desc desc = doorbell_at(0x6000, 4);
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(add(doorbell_at(0x6000, 3), NULL), -EINVAL);
	assert_int_equal(add(doorbell_at(0x6000, 16), NULL), -EINVAL);
	assert_int_equal(add(match_at(0x6000, 0, 1), NULL), -EINVAL);
	assert_int_equal(add(doorbell_at(UINT64_MAX - 3, 4), NULL), -EINVAL);
	assert_int_equal(add(doorbell_at(UINT64_MAX - 8, 8), NULL), 0);
	assert_int_equal(add(doorbell_at(UINT64_MAX, 0), NULL), 0);
	desc.space = BF_IO_SPACES;
	assert_int_equal(add(desc, NULL), -EINVAL);
	desc.space = BF_IO_MMIO;
	desc.eventfd = -1;
	assert_int_equal(add(desc, NULL), -EBADF);
	desc.eventfd = 100000;
	assert_int_equal(add(desc, NULL), -EBADF);
	desc.eventfd = file;
	assert_int_equal(add(desc, NULL), -EINVAL);
	close(file);
	assert_int_equal(write_len(BF_IO_MMIO, UINT64_MAX, 0, 1), 0);
	assert_int_equal(taken(efd), 1);
}

static void test_find_goes_by_object(void **state)
{
	struct bf_io_doorbell_desc desc = match_at(0x6000, 4, 1);
	int other = eventfd(0, EFD_CLOEXEC), twin = dup(efd);
	struct bf_io_doorbell *handle, *found = NULL;

	assert_int_equal(add(desc, &handle), 0);
	desc.eventfd = other;
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found), -ENOENT);
	desc.eventfd = twin;
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found), 0);
	assert_ptr_equal(found, handle);
	desc.datamatch = 2;
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found), -ENOENT);
	desc.wildcard = true;
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found), -ENOENT);
	desc = match_at(0x6000, 3, 1);
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found), -ENOENT);
	desc.eventfd = -1;
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found), -EBADF);
	close(other);
	close(twin);
}

static void test_doorbell_outlives_callers_fd(void **state)
{
	int other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), twin = dup(other);
	struct bf_io_doorbell_desc desc = doorbell_at(0x6000, 4);

	desc.eventfd = other;
	assert_int_equal(add(desc, NULL), 0);
	close(other);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0, 4), 0);
	assert_int_equal(taken(twin), 1);
	close(twin);
}

/* A number says nothing of what it was before. */
static void test_reused_number_is_another_eventfd(void **state)
{
	int old = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), old_twin = dup(old);
	int new = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct bf_io_doorbell_desc desc = doorbell_at(0x6000, 4);
	struct bf_io_doorbell *found;

	desc.eventfd = old;
	assert_int_equal(add(desc, NULL), 0);
	assert_int_equal(dup3(new, old, O_CLOEXEC), old);
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found), -ENOENT);
	desc.addr = 0x7000;
	assert_int_equal(add(desc, NULL), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0, 4), 0);
	assert_int_equal(taken(new), 0);
	assert_int_equal(taken(old_twin), 1);
	assert_int_equal(write_len(BF_IO_MMIO, 0x7000, 0, 4), 0);
	assert_int_equal(taken(new), 1);
	assert_int_equal(taken(old_twin), 0);
	/* Nor is it one any more. */
	assert_int_equal(dup3(file, old, O_CLOEXEC), old);
	desc.addr = 0x8000;
	assert_int_equal(add(desc, NULL), -EINVAL);
	close(old);
	assert_int_equal(add(desc, NULL), -EBADF);
	close(file);
	close(new);
	close(old_twin);
}

static void test_removed_doorbell_is_silent(void **state)
{
	struct bf_io_doorbell *a, *b;

	assert_int_equal(add(match_at(0x6000, 4, 1), &a), 0);
	assert_int_equal(add(match_at(0x6000, 4, 2), &b), 0);
	bf_io_remove_doorbell(bus, a);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 1, 4), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 2, 4), 0);
	bf_io_remove_doorbell(bus, b);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 2, 4), -EOPNOTSUPP);
	assert_int_equal(add(doorbell_at(0x6000, 0), &a), 0);
	bf_io_remove_doorbell(bus, a);
	assert_int_equal(taken(efd), 1);
}

/* A full counter stays full; the writer of a guest must not sleep on it. */
static void test_full_eventfd_does_not_block(void **state)
{
	uint64_t full = UINT64_MAX - 1;
	int blocking = eventfd(0, EFD_CLOEXEC);
	struct bf_io_doorbell_desc desc = doorbell_at(0x6000, 4);

	desc.eventfd = blocking;
	assert_int_equal(add(desc, NULL), 0);
	assert_int_equal(write(blocking, &full, 8), 8);
	errno = 77;
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0, 4), 0);
	assert_int_equal(errno, 77);
	assert_int_equal(taken(blocking), full);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0, 4), 0);
	assert_int_equal(taken(blocking), 1);
	close(blocking);
}

#define MANY 4000

static void test_many_doorbells_at_one_address(void **state)
{
	struct bf_io_doorbell **handles = calloc(MANY, sizeof(*handles));
	struct bf_io_doorbell_desc desc = match_at(0x6000, 4, 0);
	unsigned int i;

	for (i = 0; i < MANY; i++) {
		desc.datamatch = i;
		/* Descriptors are limited, so most are removed again. */
		assert_int_equal(add(desc, &handles[i]), 0);
		if (i >= 500)
			bf_io_remove_doorbell(bus, handles[i - 500]);
	}
	for (i = 0; i < MANY; i++)
		assert_int_equal(write_len(BF_IO_MMIO, 0x6000, i, 4),
				 i < MANY - 500 ? -EOPNOTSUPP : 0);
	assert_int_equal(taken(efd), 500);
	free(handles);
}

static void test_range_gets_offset_and_data(void **state)
{
	struct device device = {0};
	uint32_t value;

	assert_int_equal(add_range(0x1000, 0x100, &device_ops, &device, NULL),
			 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1010, 0x11223344, 4), 0);
	assert_int_equal(device.offset, 0x10);
	assert_int_equal(device.value, 0x11223344);
	assert_int_equal(device.len, 4);
	assert_int_equal(read_len(BF_IO_MMIO, 0x10fc, &value, 4), 0);
	assert_int_equal(value, 0x11223344);
	assert_int_equal(device.offset, 0xfc);
	assert_int_equal(device.calls, 2);
	/* Whole containment. */
	assert_int_equal(read_len(BF_IO_MMIO, 0x10fd, &value, 4), -EOPNOTSUPP);
	assert_int_equal(read_len(BF_IO_MMIO, 0xfff, &value, 4), -EOPNOTSUPP);
	assert_int_equal(read_len(BF_IO_MMIO, 0x1100, &value, 1), -EOPNOTSUPP);
	assert_int_equal(read_len(BF_IO_PIO, 0x1000, &value, 1), -EOPNOTSUPP);
	assert_int_equal(device.calls, 2);
}

static void test_range_at_the_end_of_the_space(void **state)
{
	struct device device = {.value = 42};
	uint8_t value;
	uint32_t wide;

	assert_int_equal(
		add_range(UINT64_MAX - 7, 8, &device_ops, &device, NULL), 0);
	assert_int_equal(read_len(BF_IO_MMIO, UINT64_MAX, &value, 1), 0);
	assert_int_equal(value, 42);
	assert_int_equal(device.offset, 7);
	assert_int_equal(read_len(BF_IO_MMIO, UINT64_MAX - 3, &wide, 4), 0);
	assert_int_equal(read_len(BF_IO_MMIO, UINT64_MAX - 2, &wide, 4),
			 -EOPNOTSUPP);
	assert_int_equal(add_range(UINT64_MAX, 2, &device_ops, &device, NULL),
			 -EINVAL);
}

static void test_handler_that_declines(void **state)
{
	static const struct bf_io_ops none;
	struct device device = {.answer = -EIO};

	assert_int_equal(add_range(0x1000, 8, &device_ops, &device, NULL), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), -EOPNOTSUPP);
	assert_int_equal(add_range(0x2000, 8, &none, NULL, NULL), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x2000, 1, 4), -EOPNOTSUPP);
	assert_int_equal(add_range(0x3000, 0, &device_ops, NULL, NULL),
			 -EINVAL);
	assert_int_equal(add_range(0x3000, 8, NULL, NULL, NULL), -EINVAL);
}

static void test_overlap_names_both(void **state)
{
	struct bf_io_conflict conflict;
	struct bf_io_range *handle;
	struct bf_io_range_desc desc = {
		.addr = 0x10f8,
		.size = 0x108,
		.name = "second",
		.ops = &device_ops,
	};
	char text[256];

	assert_int_equal(add_range(0x1000, 0x100, &device_ops, NULL, &handle),
			 0);
	assert_int_equal(bf_io_add_range(bus, &desc, NULL, &conflict), -EEXIST);
	bf_io_conflict_format(&conflict, text, sizeof(text));
	assert_string_equal(text, "range second mmio [0x10f8, 0x11ff] collides "
				  "with range device mmio [0x1000, 0x10ff]");
	/* Around, inside, at both ends; beside is allowed. */
	assert_int_equal(add_range(0, UINT64_MAX, &device_ops, NULL, NULL),
			 -EEXIST);
	assert_int_equal(add_range(0x1080, 1, &device_ops, NULL, NULL),
			 -EEXIST);
	assert_int_equal(add_range(0xfff, 2, &device_ops, NULL, NULL), -EEXIST);
	assert_int_equal(add_range(0x1100, 1, &device_ops, NULL, NULL), 0);
	assert_int_equal(add_range(0xfff, 1, &device_ops, NULL, NULL), 0);
	assert_int_equal(bf_io_remove_range(bus, handle), 0);
	assert_int_equal(add_range(0x1080, 1, &device_ops, NULL, NULL), 0);
}

static void test_doorbell_conflict_names_both(void **state)
{
	struct bf_io_doorbell_desc desc = match_at(0x6000, 4, 7);
	struct bf_io_conflict conflict;
	char text[256];

	assert_int_equal(add(doorbell_at(0x6000, 4), NULL), 0);
	assert_int_equal(bf_io_add_doorbell(bus, &desc, NULL, &conflict),
			 -EEXIST);
	bf_io_conflict_format(&conflict, text, sizeof(text));
	assert_string_equal(text,
			    "doorbell mmio 0x6000 length 4, datamatch 0x7 "
			    "collides with doorbell mmio 0x6000 length 4, any "
			    "data");
}

static void test_doorbell_wins_over_range(void **state)
{
	struct device device = {0};

	assert_int_equal(add_range(0x1000, 0x100, &device_ops, &device, NULL),
			 0);
	assert_int_equal(add(match_at(0x1000, 4, 1), NULL), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_int_equal(device.calls, 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 2, 4), 0);
	assert_int_equal(device.calls, 1);
	assert_int_equal(taken(efd), 1);
}

/* Against a plain list: every address of a small space, many ranges. */
static void test_many_ranges(void **state)
{
	static struct device devices[256];
	struct bf_io_range *handles[256] = {NULL};
	unsigned int i, n, addr;
	uint8_t byte;

	srand(1);
	for (n = 0; n < 2000; n++) {
		i = (unsigned int)rand() % 256;
		if (handles[i]) {
			assert_int_equal(bf_io_remove_range(bus, handles[i]),
					 0);
			handles[i] = NULL;
		} else {
			assert_int_equal(add_range(i * 4, 3, &device_ops,
						   &devices[i], &handles[i]),
					 0);
		}
		addr = (unsigned int)rand() % 1024;
		devices[addr / 4].calls = 0;
		assert_int_equal(
			read_len(BF_IO_MMIO, addr, &byte, 1),
			handles[addr / 4] && addr % 4 < 3 ? 0 : -EOPNOTSUPP);
	}
}

/* A handler that changes its own bus. */
static struct bf_io_range *self;
static struct bf_io_doorbell *own_doorbell;
static int remove_answer, add_answer;

static int reconfigure(void *opaque, uint64_t offset, const void *data,
		       uint32_t len)
{
	remove_answer = bf_io_remove_range(bus, self);
	bf_io_remove_doorbell(bus, own_doorbell);
	add_answer = add_range(0x9000, 8, &device_ops, opaque, NULL);
	return 0;
}

static void test_handler_reconfigures_its_bus(void **state)
{
	static const struct bf_io_ops ops = {.write = reconfigure};
	struct device device = {0};

	assert_int_equal(add_range(0x1000, 8, &ops, &device, &self), 0);
	assert_int_equal(add(doorbell_at(0x2000, 4), &own_doorbell), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 0, 4), 0);
	assert_int_equal(remove_answer, -EDEADLK);
	assert_int_equal(add_answer, 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x2000, 0, 4), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x9000, 5, 4), 0);
	assert_int_equal(device.value, 5);
	assert_int_equal(bf_io_remove_range(bus, self), 0);
}

static void count_done(void *opaque)
{
	__atomic_fetch_add((int *)opaque, 1, __ATOMIC_RELEASE);
}

/* Whom a removal that was given up would have told, the next one does not. */
static void test_given_up_removal_tells_nobody(void **state)
{
	struct device device = {0};
	struct bf_io_range *range;
	struct bf_io_txn *txn;
	int done = 0;

	assert_int_equal(add_range(0x1000, 8, &device_ops, &device, &range), 0);
	assert_int_equal(bf_io_txn_begin(bus, &txn), 0);
	assert_int_equal(bf_io_txn_remove_range(txn, range, count_done, &done),
			 0);
	bf_io_txn_abort(txn);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_int_equal(bf_io_remove_range(bus, range), 0);
	assert_int_equal(done, 0);
}

/* A handler that sleeps until it is told to go on. */
struct sleeper {
	int inside;
	int leave;
	int left;
};

static int sleep_in_handler(void *opaque, uint64_t offset, const void *data,
			    uint32_t len)
{
	struct sleeper *sleeper = opaque;

	__atomic_store_n(&sleeper->inside, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&sleeper->leave, __ATOMIC_ACQUIRE))
		usleep(100);
	__atomic_store_n(&sleeper->left, 1, __ATOMIC_RELEASE);
	return 0;
}

static void *ring_sleeper(void *arg)
{
	write_len(BF_IO_MMIO, 0x1000, 0, 4);
	return arg;
}

static void *wake_later(void *arg)
{
	struct sleeper *sleeper = arg;

	usleep(30000);
	__atomic_store_n(&sleeper->leave, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void test_removals_and_a_sleeping_handler(void **state)
{
	static const struct bf_io_ops ops = {.write = sleep_in_handler};
	struct sleeper sleeper = {0};
	struct bf_io_doorbell *doorbell;
	struct bf_io_range *range;
	pthread_t ringer, waker;

	assert_int_equal(add_range(0x1000, 8, &ops, &sleeper, &range), 0);
	pthread_create(&ringer, NULL, ring_sleeper, NULL);
	while (!__atomic_load_n(&sleeper.inside, __ATOMIC_ACQUIRE))
		usleep(100);
	/* None of these waits for the handler: it is not told to leave yet. */
	assert_int_equal(add_range(0x2000, 8, &device_ops, NULL, NULL), 0);
	assert_int_equal(add(doorbell_at(0x3000, 4), &doorbell), 0);
	bf_io_remove_doorbell(bus, doorbell);
	assert_int_equal(sleeper.left, 0);
	/* This one does. */
	pthread_create(&waker, NULL, wake_later, &sleeper);
	assert_int_equal(bf_io_remove_range(bus, range), 0);
	assert_int_equal(__atomic_load_n(&sleeper.left, __ATOMIC_ACQUIRE), 1);
	pthread_join(ringer, NULL);
	pthread_join(waker, NULL);
}

/* Ringers run all the time while a doorbell and a range come and go. */
static int storm_stop;
static unsigned long storm_hits;

static void *storm(void *arg)
{
	while (!__atomic_load_n(&storm_stop, __ATOMIC_ACQUIRE))
		if (write_len(BF_IO_MMIO, 0x6000, 1, 4) == 0)
			__atomic_fetch_add(&storm_hits, 1, __ATOMIC_RELAXED);
	return arg;
}

struct guarded {
	unsigned long entered;
	bool gone;
	bool entered_when_gone;
};

static int guarded_write(void *opaque, uint64_t offset, const void *data,
			 uint32_t len)
{
	struct guarded *guarded = opaque;

	__atomic_fetch_add(&guarded->entered, 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&guarded->gone, __ATOMIC_RELAXED))
		__atomic_store_n(&guarded->entered_when_gone, true,
				 __ATOMIC_RELAXED);
	return 0;
}

static void come_and_go(struct guarded *guarded, unsigned long *signals)
{
	static const struct bf_io_ops ops = {.write = guarded_write};
	struct bf_io_doorbell *doorbell;
	struct bf_io_range *range;

	assert_int_equal(add_range(0x6000, 8, &ops, guarded, &range), 0);
	assert_int_equal(add(doorbell_at(0x6000, 4), &doorbell), 0);
	bf_io_remove_doorbell(bus, doorbell);
	*signals += taken(efd);
	assert_int_equal(bf_io_remove_range(bus, range), 0);
	__atomic_store_n(&guarded->gone, true, __ATOMIC_RELAXED);
	/* Nothing rings between the two. */
	assert_int_equal(taken(efd), 0);
}

static void test_exactly_once_while_removed(void **state)
{
	struct guarded guarded[500];
	unsigned long signals = 0;
	pthread_t threads[2];
	unsigned int i;

	memset(guarded, 0, sizeof(guarded));
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, storm, NULL);
	for (i = 0; i < ARRAY_SIZE(guarded); i++)
		come_and_go(&guarded[i], &signals);
	__atomic_store_n(&storm_stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < ARRAY_SIZE(guarded); i++) {
		assert_false(guarded[i].entered_when_gone);
		signals += guarded[i].entered;
	}
	assert_int_equal(signals, storm_hits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_wildcard_hits_its_length_only),
		BUS_TEST(test_length_zero_hits_any_length),
		BUS_TEST(test_datamatch),
		BUS_TEST(test_datamatch_wider_than_length),
		BUS_TEST(test_reads_ring_nothing),
		BUS_TEST(test_bad_accesses),
		BUS_TEST(test_collisions),
		BUS_TEST(test_bad_doorbells),
		BUS_TEST(test_find_goes_by_object),
		BUS_TEST(test_doorbell_outlives_callers_fd),
		BUS_TEST(test_reused_number_is_another_eventfd),
		BUS_TEST(test_removed_doorbell_is_silent),
		BUS_TEST(test_full_eventfd_does_not_block),
		BUS_TEST(test_many_doorbells_at_one_address),
		BUS_TEST(test_range_gets_offset_and_data),
		BUS_TEST(test_range_at_the_end_of_the_space),
		BUS_TEST(test_handler_that_declines),
		BUS_TEST(test_overlap_names_both),
		BUS_TEST(test_doorbell_conflict_names_both),
		BUS_TEST(test_doorbell_wins_over_range),
		BUS_TEST(test_many_ranges),
		BUS_TEST(test_handler_reconfigures_its_bus),
		BUS_TEST(test_given_up_removal_tells_nobody),
		BUS_TEST(test_removals_and_a_sleeping_handler),
		BUS_TEST(test_exactly_once_while_removed),
	};

	return cmocka_run_group_tests_name("io_bus", tests, NULL, NULL);
}
