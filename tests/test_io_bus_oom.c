// SPDX-License-Identifier: MIT
/*
 * Out of memory, at each allocation of each operation: an error, a bus as it
 * was, nothing leaked.  And removals while there is none at all.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fault.h"
#include "belfry/io_ring.h"
#include "belfry/io_stats.h"
#include "belfry/io_txn.h"
#include "io_bus/bus.h"
#include "io_bus/random.h"
#include "io_bus/stream.h"
#include "util.h"

#define MANY  300	 /* ranges, zones and doorbells that are there first */
#define STEP  0x100	 /* from one to the next */
#define FREE  0x10000000 /* where nothing is */
#define TURNS 40	 /* of each operation, at another place */

static struct bf_io_bus *bus;
static struct bf_io_ring *ring;
static struct bf_io_range *ranges[MANY];
static struct bf_io_zone *zones[MANY];
static struct bf_io_doorbell *doorbells[MANY];
static int efd;
static unsigned int written, completed;
static uint64_t turn;

static int count_write(void *opaque, uint64_t offset, const void *data,
		       uint32_t len)
{
	written++;
	return 0;
}

static const struct bf_io_ops ops = {.write = count_write};

static void complete(void *opaque)
{
	__atomic_fetch_add(&completed, 1, __ATOMIC_RELEASE);
}

static int add_range(uint64_t addr, struct bf_io_range **range)
{
	const struct bf_io_range_desc desc = {
		.addr = addr,
		.size = STEP / 2,
		.ops = &ops,
	};

	return bf_io_add_range(bus, &desc, range, NULL);
}

static int add_zone(uint64_t addr, struct bf_io_zone **zone)
{
	const struct bf_io_zone_desc desc = {
		.addr = addr,
		.size = STEP / 4,
		.space = BF_IO_PIO,
		.ring = ring,
	};

	return bf_io_add_zone(bus, &desc, zone, NULL);
}

static struct bf_io_doorbell_desc doorbell_at(uint64_t addr, int fd)
{
	return (struct bf_io_doorbell_desc){
		.addr = addr,
		.len = 4,
		.space = BF_IO_CCW,
		.wildcard = true,
		.eventfd = fd,
	};
}

static int add_doorbell(uint64_t addr, struct bf_io_doorbell **doorbell)
{
	const struct bf_io_doorbell_desc desc = doorbell_at(addr, efd);

	return bf_io_add_doorbell(bus, &desc, doorbell, NULL);
}

/* Neither in order nor at equal distances. */
static uint64_t place(unsigned int i)
{
	return (uint64_t)(i * 77 % MANY) * STEP * (1 + i % 3 * 1000);
}

/* What this thread remembers of its accesses stays: let it begin now. */
static long live_before;

static int remember_something(void)
{
	uint8_t byte = 0;
	const struct bf_io_access access = {
		.data = &byte,
		.len = sizeof(byte),
		.write = true,
	};
	int ret = bf_io_bus_create(&bus, "first");

	ret = ret ? ret : add_range(0, NULL);
	ret = ret ? ret : bf_io_access(bus, &access);
	bf_io_bus_destroy(bus);
	live_before = alloc_live();
	return ret;
}

static int setup(void **state)
{
	int ret = remember_something();

	turn = 0;
	completed = 0;
	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = ret ? ret : bf_io_bus_create(&bus, "oom");
	ret = ret ? ret : bf_io_ring_create(&ring, NULL);
	for (unsigned int i = 0; i < MANY && !ret; i++) {
		ret = add_range(place(i), &ranges[i]);
		ret = ret ? ret : add_zone(place(i), &zones[i]);
		ret = ret ? ret : add_doorbell(place(i), &doorbells[i]);
	}
	return ret;
}

/* Everything there was is gone. */
static int teardown(void **state)
{
	bf_io_bus_destroy(bus);
	assert_int_equal(bf_io_ring_destroy(ring), 0);
	close(efd);
	bus = NULL;
	assert_int_equal(alloc_live(), live_before);
	return 0;
}

/* Frees of what nobody reads any more have happened. */
static void settle(void)
{
	assert_int_equal(bf_io_synchronize(bus), 0);
	srcu_barrier(&bus->srcu);
	srcu_barrier(&bus->signals);
}

/* The map of the bus; libc's to free. */
static char *map(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(bf_io_dump(bus, out), 0);
	fclose(out);
	return text;
}

static void libc_free(char *text)
{
	void __real_free(void *block);

	__real_free(text);
}

/* One try with the nth allocation failing; 0: it succeeded. */
static int try_once(int (*operation)(void), int n)
{
	uint64_t publications = bf_io_publications(bus);
	char *before = map(), *after;
	long live = alloc_live();
	int ret, tried;

	alloc_fail_at(n);
	ret = operation();
	tried = alloc_tried();
	alloc_fail_at(0);
	if (!ret) {
		assert_true(tried < n);
	} else {
		assert_int_equal(ret, -ENOMEM);
		settle();
		assert_int_equal(alloc_live(), live);
		assert_int_equal(bf_io_publications(bus), publications);
		after = map();
		assert_string_equal(before, after);
		libc_free(after);
	}
	libc_free(before);
	return ret;
}

/* Each allocation in turn, until there is none left to fail. */
static void try_all(int (*operation)(void))
{
	int n, failures = 0;

	for (turn = 0; turn < TURNS; turn++) {
		for (n = 1; try_once(operation, n); n++)
			failures++;
		settle();
	}
	assert_true(failures >= TURNS);
}

static int one_range(void)
{
	return add_range(turn % 2 ? FREE + turn * STEP :
				    place((unsigned int)turn) + STEP / 2,
			 NULL);
}

static void test_add_range(void **state)
{
	try_all(one_range);
}

static int one_zone(void)
{
	return add_zone(place((unsigned int)turn) + STEP / 2, NULL);
}

static void test_add_zone(void **state)
{
	try_all(one_zone);
}

static int one_doorbell(void)
{
	return add_doorbell(place((unsigned int)turn) + turn % 5 * 4 + 4, NULL);
}

static void test_add_doorbell(void **state)
{
	try_all(one_doorbell);
}

static int another_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC), ret;
	struct bf_io_doorbell_desc desc = doorbell_at(FREE + turn, fd);

	ret = bf_io_add_doorbell(bus, &desc, NULL, NULL);
	close(fd);
	return ret;
}

static void test_add_doorbell_of_another_eventfd(void **state)
{
	try_all(another_eventfd);
}

static int one_datamatch(void)
{
	struct bf_io_doorbell_desc desc = doorbell_at(FREE, efd);

	desc.wildcard = false;
	desc.datamatch = turn;
	return bf_io_add_doorbell(bus, &desc, NULL, NULL);
}

static void test_add_datamatches_at_one_address(void **state)
{
	try_all(one_datamatch);
}

static void heard(void *opaque, uint64_t addr, uint32_t len, uint64_t value)
{
}

static int one_callback(void)
{
	struct bf_io_doorbell_desc desc = doorbell_at(FREE + turn, -1);

	desc.ring = heard;
	return bf_io_add_doorbell(bus, &desc, NULL, NULL);
}

static void test_add_callback(void **state)
{
	try_all(one_callback);
}

static int one_move(void)
{
	return bf_io_move_range(bus, ranges[turn],
				turn % 2 ? FREE + turn * STEP :
					   place((unsigned int)turn) + 1,
				NULL);
}

static void test_move_range(void **state)
{
	try_all(one_move);
}

static int fill_txn(struct bf_io_txn *txn, unsigned int i)
{
	const struct bf_io_range_desc range = {
		.addr = FREE + i * STEP,
		.size = STEP,
		.ops = &ops,
	};
	const struct bf_io_zone_desc zone = {
		.addr = FREE + i * STEP,
		.size = STEP,
		.ring = ring,
	};
	const struct bf_io_doorbell_desc doorbell =
		doorbell_at(FREE + i * STEP, efd);
	int ret;

	if ((ret = bf_io_txn_add_range(txn, &range, NULL)) ||
	    (ret = bf_io_txn_add_zone(txn, &zone, NULL)) ||
	    (ret = bf_io_txn_add_doorbell(txn, &doorbell, NULL)) ||
	    (ret = bf_io_txn_move_range(txn, ranges[2 * i],
					place(2 * i) + 2)) ||
	    (ret = bf_io_txn_move_zone(txn, zones[2 * i], place(2 * i) + 2)) ||
	    (ret = bf_io_txn_move_doorbell(txn, doorbells[2 * i],
					   place(2 * i) + 2)) ||
	    (ret = bf_io_txn_remove_range(txn, ranges[2 * i + 1], complete,
					  NULL)) ||
	    (ret = bf_io_txn_remove_zone(txn, zones[2 * i + 1], complete,
					 NULL)))
		return ret;
	return bf_io_txn_remove_doorbell(txn, doorbells[2 * i + 1], complete,
					 NULL);
}

static int one_txn(void)
{
	struct bf_io_txn *txn = NULL;
	int ret = bf_io_txn_begin(bus, &txn);

	if (ret)
		return ret;
	ret = fill_txn(txn, (unsigned int)turn);
	if (!ret)
		return bf_io_txn_commit(txn, NULL);
	bf_io_txn_abort(txn);
	return ret;
}

/* A removal whose transaction failed did not happen, so it is never over. */
static void test_transaction(void **state)
{
	try_all(one_txn);
	assert_int_equal(__atomic_load_n(&completed, __ATOMIC_ACQUIRE),
			 3 * TURNS);
}

static int one_count(void)
{
	return bf_io_count(bus, turn % 2 == 0);
}

static void test_count(void **state)
{
	try_all(one_count);
}

static int one_dump(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int ret = bf_io_dump(bus, out);

	fclose(out);
	libc_free(text);
	return ret;
}

/* It may do without memory; if not, it says so. */
static void test_dump(void **state)
{
	for (int n = 1; try_once(one_dump, n); n++)
		;
}

static void create_once(int n)
{
	struct bf_io_bus *other = NULL;
	struct bf_io_ring *other_ring = NULL;
	const struct bf_io_ring_desc desc = {
		.entries = 1000,
		.wake = BF_IO_WAKE_HALF,
		.eventfd = efd,
	};
	long live = alloc_live();
	int ret;

	alloc_fail_at(n);
	ret = bf_io_bus_create(&other, "other");
	assert_true(ret == 0 || (ret == -ENOMEM && !other));
	if (!ret)
		ret = bf_io_ring_create(&other_ring, &desc);
	assert_true(ret == 0 || (ret == -ENOMEM && !other_ring));
	assert_int_equal(!!ret, alloc_tried() >= n);
	alloc_fail_at(0);
	bf_io_bus_destroy(other);
	assert_int_equal(bf_io_ring_destroy(other_ring), 0);
	assert_int_equal(alloc_live(), live);
}

static void test_create(void **state)
{
	for (int n = 1; n < 20; n++)
		create_once(n);
}

static int write_at(uint16_t space, uint64_t addr)
{
	uint32_t value = 1;
	const struct bf_io_access access = {
		.addr = addr,
		.data = &value,
		.len = 4,
		.space = space,
		.write = true,
	};

	return bf_io_access(bus, &access);
}

static void *write_without_memory(void *arg)
{
	unsigned int before = written;

	alloc_fail_all(true);
	*(int *)arg = write_at(BF_IO_MMIO, place(1)) ||
		      write_at(BF_IO_CCW, place(1)) || written != before + 1;
	alloc_fail_all(false);
	return NULL;
}

/* A thread that cannot be counted is served all the same. */
static void test_access_while_counting(void **state)
{
	pthread_t thread;
	int failed = 1;

	assert_int_equal(bf_io_count(bus, true), 0);
	assert_int_equal(pthread_create(&thread, NULL, write_without_memory,
					&failed),
			 0);
	pthread_join(thread, NULL);
	assert_false(failed);
}

static void assert_gone(unsigned int i)
{
	assert_int_equal(write_at(BF_IO_MMIO, place(i)), -EOPNOTSUPP);
	assert_int_equal(write_at(BF_IO_PIO, place(i)), -EOPNOTSUPP);
	assert_int_equal(write_at(BF_IO_CCW, place(i)), -EOPNOTSUPP);
}

static void assert_there(unsigned int i)
{
	assert_int_equal(write_at(BF_IO_MMIO, place(i)), 0);
	assert_int_equal(write_at(BF_IO_PIO, place(i)), 0);
	assert_int_equal(write_at(BF_IO_CCW, place(i)), 0);
}

static void ignore(void *opaque, const struct kvm_coalesced_mmio *entry)
{
}

/* The first count of the entries are gone, and the others are not. */
static void assert_removed(unsigned int count)
{
	for (unsigned int i = 0; i < MANY; i++) {
		if (i < count)
			assert_gone(i);
		else
			assert_there(i);
		bf_io_ring_drain(&ring, 1, ignore, NULL);
	}
}

/* Where they were there is room again, and it is used. */
static void assert_usable(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		assert_int_equal(add_range(place(i), NULL), 0);
		assert_int_equal(add_zone(place(i), NULL), 0);
		assert_int_equal(add_doorbell(place(i), NULL), 0);
	}
	assert_removed(0);
}

static void test_removals_need_no_memory(void **state)
{
	alloc_fail_all(true);
	for (unsigned int i = 0; i < MANY / 2; i++) {
		assert_int_equal(bf_io_remove_range(bus, ranges[i]), 0);
		assert_int_equal(bf_io_remove_zone(bus, zones[i]), 0);
		assert_int_equal(bf_io_remove_doorbell(bus, doorbells[i]), 0);
		assert_gone(i);
	}
	assert_removed(MANY / 2);
	assert_int_equal(add_range(FREE, NULL), -ENOMEM);
	alloc_fail_all(false);
	assert_usable(MANY / 2);
}

static void remove_async(unsigned int i)
{
	bf_io_remove_range_async(bus, ranges[i], complete, NULL);
	bf_io_remove_zone_async(bus, zones[i], complete, NULL);
	bf_io_remove_doorbell_async(bus, doorbells[i], complete, NULL);
}

static void test_async_removals_need_no_memory(void **state)
{
	alloc_fail_all(true);
	for (unsigned int i = 0; i < MANY / 2; i++)
		remove_async(i);
	settle();
	assert_int_equal(__atomic_load_n(&completed, __ATOMIC_ACQUIRE),
			 3 * (MANY / 2));
	assert_removed(MANY / 2);
	alloc_fail_all(false);
	assert_usable(MANY / 2);
}

/* The last ones too. */
static void test_all_removed_without_memory(void **state)
{
	alloc_fail_all(true);
	for (unsigned int i = 0; i < MANY; i++)
		remove_async(i);
	assert_removed(MANY);
	alloc_fail_all(false);
	assert_usable(MANY);
}

/* Every second removal has memory: the two ways meet. */
static void test_removals_with_memory_now_and_then(void **state)
{
	for (unsigned int i = 0; i < MANY; i++) {
		alloc_fail_at(i % 4);
		remove_async(i);
		alloc_fail_at(0);
	}
	assert_removed(MANY);
	assert_usable(MANY);
}

static int remove_others(void *opaque, uint64_t offset, const void *data,
			 uint32_t len)
{
	alloc_fail_all(true);
	assert_int_equal(bf_io_remove_range(bus, ranges[0]), -EDEADLK);
	for (unsigned int i = 0; i < MANY / 2; i++)
		remove_async(i);
	alloc_fail_all(false);
	return 0;
}

static void test_removals_in_a_handler_need_no_memory(void **state)
{
	static const struct bf_io_ops remover = {.write = remove_others};
	const struct bf_io_range_desc desc = {
		.addr = FREE,
		.size = 8,
		.ops = &remover,
	};

	assert_int_equal(bf_io_add_range(bus, &desc, NULL, NULL), 0);
	assert_int_equal(write_at(BF_IO_MMIO, FREE), 0);
	assert_removed(MANY / 2);
	settle();
	assert_int_equal(__atomic_load_n(&completed, __ATOMIC_ACQUIRE),
			 3 * (MANY / 2));
	assert_usable(MANY / 2);
}

/*
 * Random operations while memory runs out now and then: those that fail do
 * nothing, and what was removed without memory stays away.
 */
static void test_random_operations(void **state)
{
	const struct stream_shape shape = {
		.room = 64,
		.spread = 48,
		.fail_at = alloc_fail_at,
	};
	struct stream_totals totals = {.operations = 0};
	static uint8_t bytes[1 << 16];
	long live = alloc_live();
	const char *problem;

	for (uint64_t seed = 1; seed <= 16; seed++) {
		uint64_t random = seed;

		random_bytes(&random, bytes, sizeof(bytes));
		problem = stream_run(&shape, bytes, sizeof(bytes), &totals);
		if (problem)
			fail_msg("seed %u: %s", (unsigned int)seed, problem);
		assert_int_equal(alloc_live(), live);
	}
	assert_true(totals.failed > 1000);
}

/* Old memory does not pile up where nobody reads it. */
static void test_no_memory_is_kept(void **state)
{
	struct bf_io_range *range;
	long live;

	settle();
	live = alloc_live();
	for (unsigned int i = 0; i < 1000; i++) {
		assert_int_equal(add_range(FREE, &range), 0);
		assert_int_equal(bf_io_remove_range(bus, range), 0);
	}
	settle();
	assert_in_range(alloc_live(), 0, live + 2);
}

/* Descriptors run out as memory does. */
static void test_no_descriptors(void **state)
{
	struct rlimit limit, low;
	int fd = eventfd(0, EFD_CLOEXEC), last = fd, copy;
	struct bf_io_doorbell_desc desc = doorbell_at(FREE, fd);
	struct bf_io_ring *other = NULL;
	const struct bf_io_ring_desc ring_desc = {
		.wake = BF_IO_WAKE_HALF,
		.eventfd = fd,
	};
	long live = alloc_live();

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)fd + 8;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while ((copy = dup(fd)) >= 0)
		last = copy > last ? copy : last;
	assert_int_equal(bf_io_add_doorbell(bus, &desc, NULL, NULL), -EMFILE);
	assert_int_equal(bf_io_ring_create(&other, &ring_desc), -EMFILE);
	while (last > fd)
		close(last--);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	settle();
	assert_int_equal(alloc_live(), live);
	assert_int_equal(bf_io_add_doorbell(bus, &desc, NULL, NULL), 0);
	close(fd);
}

#define OOM_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OOM_TEST(test_add_range),
		OOM_TEST(test_add_zone),
		OOM_TEST(test_add_doorbell),
		OOM_TEST(test_add_doorbell_of_another_eventfd),
		OOM_TEST(test_add_datamatches_at_one_address),
		OOM_TEST(test_add_callback),
		OOM_TEST(test_move_range),
		OOM_TEST(test_transaction),
		OOM_TEST(test_count),
		OOM_TEST(test_dump),
		OOM_TEST(test_create),
		OOM_TEST(test_access_while_counting),
		OOM_TEST(test_removals_need_no_memory),
		OOM_TEST(test_async_removals_need_no_memory),
		OOM_TEST(test_all_removed_without_memory),
		OOM_TEST(test_removals_with_memory_now_and_then),
		OOM_TEST(test_removals_in_a_handler_need_no_memory),
		OOM_TEST(test_random_operations),
		OOM_TEST(test_no_memory_is_kept),
		OOM_TEST(test_no_descriptors),
	};

	return cmocka_run_group_tests_name("io_bus_oom", tests, NULL, NULL);
}
