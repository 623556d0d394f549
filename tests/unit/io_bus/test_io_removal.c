// SPDX-License-Identifier: MIT
/* Removals that do not wait, and calls that handlers may not make. */
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
	assert_int_equal(add_doorbell(doorbell_at(0x2000, 4), &doorbell), 0);
	bf_io_remove_range_async(bus, range, count_done, &done);
	bf_io_remove_doorbell_async(bus, doorbell, count_done, &done);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x2000, 1, 4), -EOPNOTSUPP);
	bf_io_bus_destroy(bus);
	bus = NULL;
	assert_int_equal(get(&done), 2);
	assert_int_equal(taken(efd), 0);
}

/* A handler and a consumer that stay inside until leave is set. */
static int inside, leave;

static void stay_inside(void)
{
	set(&inside, 1);
	wait_for(&leave, 1);
}

static int stay_in_handler(void *opaque, uint64_t offset,
			   const struct bf_io_access *access)
{
	stay_inside();
	return 0;
}

static void stay_in_consumer(void *opaque, uint64_t value,
			     const struct bf_io_access *access)
{
	stay_inside();
}

static void *write_to(void *addr)
{
	write_len(BF_IO_MMIO, (uintptr_t)addr, 0, 4);
	return NULL;
}

static pthread_t start_write(uintptr_t addr)
{
	pthread_t thread;

	set(&inside, 0);
	set(&leave, 0);
	pthread_create(&thread, NULL, write_to, (void *)addr);
	wait_for(&inside, 1);
	return thread;
}

static void test_async_completes_after_handler(void **state)
{
	static const struct bf_io_ops ops = {.write = stay_in_handler};
	struct bf_io_range *range;
	pthread_t thread;
	int done = 0;

	assert_int_equal(add_range(0x1000, 8, &ops, NULL, &range), 0);
	thread = start_write(0x1000);
	bf_io_remove_range_async(bus, range, count_done, &done);
	/* The call returned beside the handler, and later writes miss. */
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 0, 4), -EOPNOTSUPP);
	usleep(20000);
	assert_int_equal(get(&done), 0);
	set(&leave, 1);
	pthread_join(thread, NULL);
	wait_for(&done, 1);
}

static void test_async_completes_after_consumer(void **state)
{
	struct bf_io_doorbell_desc desc = doorbell_at(0x1000, 4);
	struct bf_io_doorbell *doorbell;
	pthread_t thread;
	int done = 0;

	desc.consumer = BF_IO_CONSUMER_CALLBACK;
	desc.callback = stay_in_consumer;
	assert_int_equal(add_doorbell(desc, &doorbell), 0);
	thread = start_write(0x1000);
	bf_io_remove_doorbell_async(bus, doorbell, count_done, &done);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 0, 4), -EOPNOTSUPP);
	usleep(20000);
	assert_int_equal(get(&done), 0);
	set(&leave, 1);
	pthread_join(thread, NULL);
	wait_for(&done, 1);
}

/*
 * Inside a handler or a consumer, a call that would wait fails and changes
 * nothing; a call that does not wait works.
 */
static struct bf_io_range *range;
static struct bf_io_zone *zone;
static struct bf_io_doorbell *own_doorbell, *other_doorbell;
static int range_ret, zone_ret, synchronize_ret, doorbell_ret;

static void try_calls(void)
{
	range_ret = bf_io_remove_range(bus, range);
	zone_ret = bf_io_remove_zone(bus, zone);
	synchronize_ret = bf_io_synchronize(bus);
	doorbell_ret = bf_io_remove_doorbell(bus, other_doorbell);
}

static int try_in_handler(void *opaque, uint64_t offset,
			  const struct bf_io_access *access)
{
	try_calls();
	return 0;
}

static void try_in_consumer(void *opaque, uint64_t value,
			    const struct bf_io_access *access)
{
	try_calls();
	assert_int_equal(access->addr, 0x5000);
	assert_int_equal(access->len, 2);
	assert_int_equal(value, 0xbeef);
	bf_io_remove_doorbell_async(bus, own_doorbell, count_done, opaque);
}

static struct bf_io_ring *fill_bus(int *done)
{
	static const struct bf_io_ops ops = {.write = try_in_handler};
	struct bf_io_doorbell_desc desc = doorbell_at(0x5000, 2);
	struct bf_io_zone_desc zone_desc = {.addr = 0x2000, .size = 8};
	struct bf_io_ring *ring = NULL;

	assert_int_equal(bf_io_ring_create(NULL, &ring), 0);
	zone_desc.ring = ring;
	assert_int_equal(add_range(0x1000, 8, &ops, NULL, &range), 0);
	assert_int_equal(bf_io_add_zone(bus, &zone_desc, &zone, NULL), 0);
	assert_int_equal(add_doorbell(doorbell_at(0x3000, 4), &other_doorbell),
			 0);
	desc.consumer = BF_IO_CONSUMER_CALLBACK;
	desc.callback = try_in_consumer;
	desc.opaque = done;
	assert_int_equal(add_doorbell(desc, &own_doorbell), 0);
	assert_ptr_equal(bf_io_doorbell_opaque(own_doorbell), done);
	return ring;
}

static void assert_waits_refused(void)
{
	assert_int_equal(range_ret, -EDEADLK);
	assert_int_equal(zone_ret, -EDEADLK);
	assert_int_equal(synchronize_ret, -EDEADLK);
	assert_int_equal(write_len(BF_IO_MMIO, 0x2000, 1, 4), 0);
}

static void test_waits_refused_in_handler(void **state)
{
	int done = 0;
	struct bf_io_ring *ring = fill_bus(&done);

	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_waits_refused();
	assert_int_equal(doorbell_ret, 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x3000, 1, 4), -EOPNOTSUPP);
	bf_io_bus_destroy(bus);
	bus = NULL;
	assert_int_equal(bf_io_ring_destroy(ring), 0);
}

static void test_waits_refused_in_consumer(void **state)
{
	int done = 0;
	struct bf_io_ring *ring = fill_bus(&done);

	assert_int_equal(write_len(BF_IO_MMIO, 0x5000, 0xbeef, 2), 0);
	assert_waits_refused();
	assert_int_equal(doorbell_ret, -EDEADLK);
	assert_int_equal(write_len(BF_IO_MMIO, 0x3000, 1, 4), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x5000, 1, 2), -EOPNOTSUPP);
	bf_io_bus_destroy(bus);
	bus = NULL;
	assert_int_equal(get(&done), 1);
	assert_int_equal(bf_io_ring_destroy(ring), 0);
}

/* A handler of one bus may wait for a removal from another bus. */
static struct bf_io_bus *outer;

static int remove_from_inner(void *opaque, uint64_t offset,
			     const struct bf_io_access *access)
{
	return bf_io_remove_range(bus, range);
}

static void test_removal_in_a_handler_of_another_bus(void **state)
{
	static const struct bf_io_ops ops = {.write = remove_from_inner};
	const struct bf_io_range_desc desc = {.size = 8, .ops = &ops};
	struct device device = {.calls = 0};
	uint32_t value = 0;
	struct bf_io_access access = {
		.data = &value,
		.len = 4,
		.write = true,
	};

	assert_int_equal(bf_io_bus_create("outer", &outer), 0);
	assert_int_equal(bf_io_add_range(outer, &desc, NULL, NULL), 0);
	assert_int_equal(add_range(0x1000, 8, &device_ops, &device, &range), 0);
	assert_int_equal(bf_io_dispatch(outer, &access), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), -EOPNOTSUPP);
	bf_io_bus_destroy(outer);
}

/* The handler and the callback are of the bus, and so are the handles. */
static struct bf_io_doorbell *own_doorbell;

static int remove_by_wrong_bus(void *opaque, uint64_t offset,
			       const struct bf_io_access *access)
{
	return bf_io_remove_range(outer, range);
}

static int doorbell_answer;

static void remove_doorbell_by_wrong_bus(void *opaque, uint64_t value,
					 const struct bf_io_access *access)
{
	doorbell_answer = bf_io_remove_doorbell(outer, own_doorbell);
}

/* A removal waits on the bus of the handle, whatever bus it gets. */
static void test_removal_by_another_bus(void **state)
{
	static const struct bf_io_ops ops = {.write = remove_by_wrong_bus};
	struct bf_io_doorbell_desc desc = doorbell_at(0x2000, 4);

	desc.consumer = BF_IO_CONSUMER_CALLBACK;
	desc.callback = remove_doorbell_by_wrong_bus;
	assert_int_equal(bf_io_bus_create("outer", &outer), 0);
	assert_int_equal(add_range(0x1000, 8, &ops, NULL, &range), 0);
	assert_int_equal(add_doorbell(desc, &own_doorbell), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), -EDEADLK);
	assert_int_equal(write_len(BF_IO_MMIO, 0x2000, 1, 4), 0);
	assert_int_equal(doorbell_answer, -EDEADLK);
	assert_int_equal(bf_io_remove_range(outer, range), 0);
	assert_int_equal(bf_io_remove_doorbell(outer, own_doorbell), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x2000, 1, 4), -EOPNOTSUPP);
	bf_io_bus_destroy(outer);
}

/* After bf_io_synchronize() no access is in an entry that was removed. */
static int left;

static int stay_and_set_left(void *opaque, uint64_t offset,
			     const struct bf_io_access *access)
{
	stay_inside();
	set(&left, 1);
	return 0;
}

static void *leave_later(void *arg)
{
	usleep(20000);
	set(&leave, 1);
	return NULL;
}

static void test_synchronize_waits_for_handlers(void **state)
{
	static const struct bf_io_ops ops = {.write = stay_and_set_left};
	struct bf_io_range *moved;
	pthread_t thread, waker;

	assert_int_equal(add_range(0x1000, 8, &ops, NULL, &moved), 0);
	thread = start_write(0x1000);
	assert_int_equal(bf_io_move_range(bus, moved, 0x2000, NULL), 0);
	assert_int_equal(get(&left), 0);
	pthread_create(&waker, NULL, leave_later, NULL);
	assert_int_equal(bf_io_synchronize(bus), 0);
	assert_int_equal(get(&left), 1);
	pthread_join(thread, NULL);
	pthread_join(waker, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_async_is_completed_once),
		BUS_TEST(test_async_completes_after_handler),
		BUS_TEST(test_async_completes_after_consumer),
		BUS_TEST(test_waits_refused_in_handler),
		BUS_TEST(test_waits_refused_in_consumer),
		BUS_TEST(test_removal_in_a_handler_of_another_bus),
		BUS_TEST(test_removal_by_another_bus),
		BUS_TEST(test_synchronize_waits_for_handlers),
	};

	return cmocka_run_group_tests_name("io_removal", tests, NULL, NULL);
}
