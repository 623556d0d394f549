// SPDX-License-Identifier: MIT
/* Removals that do not wait, and what is refused inside. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "belfry/io_ring.h"
#include "belfry/srcu.h"
#include "bus_fixture.h"
#include "tests/flags.h"

static void count_done(void *opaque)
{
	__atomic_fetch_add((int *)opaque, 1, __ATOMIC_RELEASE);
}

static void test_async_is_completed_once(void **state)
{
	struct device device = {.calls = 0};
	struct bf_io_range *range;
	struct bf_io_doorbell *doorbell;
	int done = 0;

	assert_int_equal(add_range(0x1000, 8, &device_ops, &device, &range), 0);
	assert_int_equal(add(doorbell_at(0x2000, 4), &doorbell), 0);
	bf_io_remove_range_async(bus, range, count_done, &done);
	bf_io_remove_doorbell_async(bus, doorbell, count_done, &done);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x2000, 1, 4), -EOPNOTSUPP);
	bf_io_bus_destroy(bus);
	bus = NULL;
	assert_int_equal(get(&done), 2);
	assert_int_equal(taken(efd), 0);
}

/* A handler, or a consumer, that stays inside until it is told. */
static int inside, leave;

static void stay(void)
{
	set(&inside, 1);
	wait_for(&leave, 1);
}

static int stay_in_handler(void *opaque, uint64_t offset, const void *data,
			   uint32_t len)
{
	stay();
	return 0;
}

static void stay_in_consumer(void *opaque, uint64_t addr, uint32_t len,
			     uint64_t value)
{
	stay();
}

static void *write_to(void *addr)
{
	write_len(BF_IO_MMIO, (uintptr_t)addr, 0, 4);
	return NULL;
}

static pthread_t enter(uintptr_t addr)
{
	pthread_t thread;

	set(&inside, 0);
	set(&leave, 0);
	pthread_create(&thread, NULL, write_to, (void *)addr);
	wait_for(&inside, 1);
	return thread;
}

static void test_async_completes_behind_the_handler(void **state)
{
	static const struct bf_io_ops ops = {.write = stay_in_handler};
	struct bf_io_range *range;
	pthread_t thread;
	int done = 0;

	assert_int_equal(add_range(0x1000, 8, &ops, NULL, &range), 0);
	thread = enter(0x1000);
	bf_io_remove_range_async(bus, range, count_done, &done);
	/* Returned although the handler runs; and it is over for others. */
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 0, 4), -EOPNOTSUPP);
	usleep(20000);
	assert_int_equal(get(&done), 0);
	set(&leave, 1);
	pthread_join(thread, NULL);
	wait_for(&done, 1);
}

static void test_async_completes_behind_the_consumer(void **state)
{
	struct bf_io_doorbell_desc desc = doorbell_at(0x1000, 4);
	struct bf_io_doorbell *doorbell;
	pthread_t thread;
	int done = 0;

	desc.ring = stay_in_consumer;
	assert_int_equal(add(desc, &doorbell), 0);
	thread = enter(0x1000);
	bf_io_remove_doorbell_async(bus, doorbell, count_done, &done);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 0, 4), -EOPNOTSUPP);
	usleep(20000);
	assert_int_equal(get(&done), 0);
	set(&leave, 1);
	pthread_join(thread, NULL);
	wait_for(&done, 1);
}

/* Inside, what waits is refused and changes nothing; what does not, works. */
static struct bf_io_range *range;
static struct bf_io_zone *zone;
static struct bf_io_doorbell *own, *other;
static int refused_range, refused_zone, refused_wait, refused_bell;

static void try_all(void)
{
	refused_range = bf_io_remove_range(bus, range);
	refused_zone = bf_io_remove_zone(bus, zone);
	refused_wait = bf_io_synchronize(bus);
	refused_bell = bf_io_remove_doorbell(bus, other);
}

static int try_in_handler(void *opaque, uint64_t offset, const void *data,
			  uint32_t len)
{
	try_all();
	return 0;
}

static void try_in_consumer(void *opaque, uint64_t addr, uint32_t len,
			    uint64_t value)
{
	try_all();
	assert_int_equal(addr, 0x5000);
	assert_int_equal(len, 2);
	assert_int_equal(value, 0xbeef);
	bf_io_remove_doorbell_async(bus, own, count_done, opaque);
}

static struct bf_io_ring *fill_bus(int *done)
{
	static const struct bf_io_ops ops = {.write = try_in_handler};
	struct bf_io_doorbell_desc desc = doorbell_at(0x5000, 2);
	struct bf_io_zone_desc zone_desc = {.addr = 0x2000, .size = 8};
	struct bf_io_ring *ring = NULL;

	assert_int_equal(bf_io_ring_create(&ring, NULL), 0);
	zone_desc.ring = ring;
	assert_int_equal(add_range(0x1000, 8, &ops, NULL, &range), 0);
	assert_int_equal(bf_io_add_zone(bus, &zone_desc, &zone, NULL), 0);
	assert_int_equal(add(doorbell_at(0x3000, 4), &other), 0);
	desc.ring = try_in_consumer;
	desc.opaque = done;
	assert_int_equal(add(desc, &own), 0);
	assert_ptr_equal(bf_io_doorbell_opaque(own), done);
	return ring;
}

static void assert_still_there(void)
{
	assert_int_equal(refused_range, -EDEADLK);
	assert_int_equal(refused_zone, -EDEADLK);
	assert_int_equal(refused_wait, -EDEADLK);
	assert_int_equal(write_len(BF_IO_MMIO, 0x2000, 1, 4), 0);
}

static void test_what_handlers_may_not(void **state)
{
	int done = 0;
	struct bf_io_ring *ring = fill_bus(&done);

	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_still_there();
	assert_int_equal(refused_bell, 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x3000, 1, 4), -EOPNOTSUPP);
	bf_io_bus_destroy(bus);
	bus = NULL;
	assert_int_equal(bf_io_ring_destroy(ring), 0);
}

static void test_what_consumers_may_not(void **state)
{
	int done = 0;
	struct bf_io_ring *ring = fill_bus(&done);

	assert_int_equal(write_len(BF_IO_MMIO, 0x5000, 0xbeef, 2), 0);
	assert_still_there();
	assert_int_equal(refused_bell, -EDEADLK);
	assert_int_equal(write_len(BF_IO_MMIO, 0x3000, 1, 4), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x5000, 1, 2), -EOPNOTSUPP);
	bf_io_bus_destroy(bus);
	bus = NULL;
	assert_int_equal(get(&done), 1);
	assert_int_equal(bf_io_ring_destroy(ring), 0);
}

/* From a handler of another bus it is allowed. */
static struct bf_io_bus *outer;

static int remove_of_other(void *opaque, uint64_t offset, const void *data,
			   uint32_t len)
{
	return bf_io_remove_range(bus, range);
}

static void test_removal_in_a_handler_of_another_bus(void **state)
{
	static const struct bf_io_ops ops = {.write = remove_of_other};
	const struct bf_io_range_desc desc = {.size = 8, .ops = &ops};
	struct device device = {.calls = 0};
	uint32_t value = 0;
	const struct bf_io_access access = {
		.data = &value,
		.len = 4,
		.write = true,
	};

	assert_int_equal(bf_io_bus_create(&outer, "outer"), 0);
	assert_int_equal(bf_io_add_range(outer, &desc, NULL, NULL), 0);
	assert_int_equal(add_range(0x1000, 8, &device_ops, &device, &range), 0);
	assert_int_equal(bf_io_access(outer, &access), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), -EOPNOTSUPP);
	bf_io_bus_destroy(outer);
}

/* What was removed before is seen by nobody behind this. */
static int left;

static int stay_and_tell(void *opaque, uint64_t offset, const void *data,
			 uint32_t len)
{
	stay();
	set(&left, 1);
	return 0;
}

static void *let_go(void *arg)
{
	usleep(20000);
	set(&leave, 1);
	return NULL;
}

static void test_synchronize_waits_for_handlers(void **state)
{
	static const struct bf_io_ops ops = {.write = stay_and_tell};
	struct bf_io_range *moved;
	pthread_t thread, waker;

	assert_int_equal(add_range(0x1000, 8, &ops, NULL, &moved), 0);
	thread = enter(0x1000);
	assert_int_equal(bf_io_move_range(bus, moved, 0x2000, NULL), 0);
	assert_int_equal(get(&left), 0);
	pthread_create(&waker, NULL, let_go, NULL);
	assert_int_equal(bf_io_synchronize(bus), 0);
	assert_int_equal(get(&left), 1);
	pthread_join(thread, NULL);
	pthread_join(waker, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_async_is_completed_once),
		BUS_TEST(test_async_completes_behind_the_handler),
		BUS_TEST(test_async_completes_behind_the_consumer),
		BUS_TEST(test_what_handlers_may_not),
		BUS_TEST(test_what_consumers_may_not),
		BUS_TEST(test_removal_in_a_handler_of_another_bus),
		BUS_TEST(test_synchronize_waits_for_handlers),
	};

	return cmocka_run_group_tests_name("io_removal", tests, NULL, NULL);
}
