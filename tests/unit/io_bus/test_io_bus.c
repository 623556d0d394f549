// SPDX-License-Identifier: MIT
/* The I/O bus: bad accesses, precedence of entries, changes under accesses. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/io_txn.h"
#include "belfry/srcu.h"
#include "bus_fixture.h"
#include "base/util.h"

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

static void test_doorbell_wins_over_range(void **state)
{
	struct device device = {0};

	assert_int_equal(add_range(0x1000, 0x100, &device_ops, &device, NULL),
			 0);
	assert_int_equal(add_doorbell(match_at(0x1000, 4, 1), NULL), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_int_equal(device.calls, 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 2, 4), 0);
	assert_int_equal(device.calls, 1);
	assert_int_equal(taken(efd), 1);
}

/* A handler that changes the bus that called it. */
static struct bf_io_range *self;
static struct bf_io_doorbell *removed_doorbell;
static int remove_answer, add_answer;

static int reconfigure(void *opaque, uint64_t offset,
		       const struct bf_io_access *access)
{
	remove_answer = bf_io_remove_range(bus, self);
	bf_io_remove_doorbell(bus, removed_doorbell);
	add_answer = add_range(0x9000, 8, &device_ops, opaque, NULL);
	return 0;
}

static void test_handler_reconfigures_its_bus(void **state)
{
	static const struct bf_io_ops ops = {.write = reconfigure};
	struct device device = {0};

	assert_int_equal(add_range(0x1000, 8, &ops, &device, &self), 0);
	assert_int_equal(
		add_doorbell(doorbell_at(0x2000, 4), &removed_doorbell), 0);
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

/* An abort clears the removal's callback: a later removal does not call it. */
static void test_aborted_removal_calls_no_callback(void **state)
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

/* A handler that sleeps until leave is set. */
struct sleeper {
	int inside;
	int leave;
	int left;
};

static int sleep_in_handler(void *opaque, uint64_t offset,
			    const struct bf_io_access *access)
{
	struct sleeper *sleeper = opaque;

	__atomic_store_n(&sleeper->inside, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&sleeper->leave, __ATOMIC_ACQUIRE))
		usleep(100);
	__atomic_store_n(&sleeper->left, 1, __ATOMIC_RELEASE);
	return 0;
}

static void *write_to_sleeper(void *arg)
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

static void test_removal_waits_for_sleeping_handler(void **state)
{
	static const struct bf_io_ops ops = {.write = sleep_in_handler};
	struct sleeper sleeper = {0};
	struct bf_io_doorbell *doorbell;
	struct bf_io_range *range;
	pthread_t writer, waker;

	assert_int_equal(add_range(0x1000, 8, &ops, &sleeper, &range), 0);
	pthread_create(&writer, NULL, write_to_sleeper, NULL);
	while (!__atomic_load_n(&sleeper.inside, __ATOMIC_ACQUIRE))
		usleep(100);
	/* None of these calls waits for the handler: leave is not set yet. */
	assert_int_equal(add_range(0x2000, 8, &device_ops, NULL, NULL), 0);
	assert_int_equal(add_doorbell(doorbell_at(0x3000, 4), &doorbell), 0);
	bf_io_remove_doorbell(bus, doorbell);
	assert_int_equal(sleeper.left, 0);
	/* This removal waits. */
	pthread_create(&waker, NULL, wake_later, &sleeper);
	assert_int_equal(bf_io_remove_range(bus, range), 0);
	assert_int_equal(__atomic_load_n(&sleeper.left, __ATOMIC_ACQUIRE), 1);
	pthread_join(writer, NULL);
	pthread_join(waker, NULL);
}

/* Writers run while a doorbell and a range are added and removed. */
static int stop_writing;
static unsigned long nr_served;

static void *write_until_stopped(void *arg)
{
	while (!__atomic_load_n(&stop_writing, __ATOMIC_ACQUIRE))
		if (write_len(BF_IO_MMIO, 0x6000, 1, 4) == 0)
			__atomic_fetch_add(&nr_served, 1, __ATOMIC_RELAXED);
	return arg;
}

struct guarded {
	unsigned long entered;
	bool gone;
	bool entered_when_gone;
};

static int guarded_write(void *opaque, uint64_t offset,
			 const struct bf_io_access *access)
{
	struct guarded *guarded = opaque;

	__atomic_fetch_add(&guarded->entered, 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&guarded->gone, __ATOMIC_RELAXED))
		__atomic_store_n(&guarded->entered_when_gone, true,
				 __ATOMIC_RELAXED);
	return 0;
}

static void add_and_remove(struct guarded *guarded, unsigned long *signals)
{
	static const struct bf_io_ops ops = {.write = guarded_write};
	struct bf_io_doorbell *doorbell;
	struct bf_io_range *range;

	assert_int_equal(add_range(0x6000, 8, &ops, guarded, &range), 0);
	assert_int_equal(add_doorbell(doorbell_at(0x6000, 4), &doorbell), 0);
	bf_io_remove_doorbell(bus, doorbell);
	*signals += taken(efd);
	assert_int_equal(bf_io_remove_range(bus, range), 0);
	__atomic_store_n(&guarded->gone, true, __ATOMIC_RELAXED);
	/* No write signals the doorbell after its removal. */
	assert_int_equal(taken(efd), 0);
}

static void test_each_write_is_served_once(void **state)
{
	struct guarded guarded[500];
	unsigned long signals = 0;
	pthread_t threads[2];
	unsigned int i;

	memset(guarded, 0, sizeof(guarded));
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, write_until_stopped, NULL);
	for (i = 0; i < ARRAY_SIZE(guarded); i++)
		add_and_remove(&guarded[i], &signals);
	__atomic_store_n(&stop_writing, 1, __ATOMIC_RELEASE);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < ARRAY_SIZE(guarded); i++) {
		assert_false(guarded[i].entered_when_gone);
		signals += guarded[i].entered;
	}
	assert_int_equal(signals, nr_served);
}

static void exit_on_stall(enum bf_srcu_report what, const char *text)
{
	if (what == BF_SRCU_REPORT_STALL)
		_exit(0);
}

/* A handler did not return, so the section is never ended. */
static void destroy_with_open_section(void)
{
	struct bf_io_section section;
	struct bf_io_bus *held;

	bf_srcu_set_report_hook(exit_on_stall);
	bf_srcu_set_stall_timeout(1);
	if (bf_io_bus_create("held", &held))
		_exit(1);
	bf_io_section_begin(held, &section);
	bf_io_bus_destroy(held);
}

static void test_destruction_reports_an_open_section(void **state)
{
	pid_t child = fork();
	int status;

	if (!child) {
		destroy_with_open_section();
		_exit(2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_bad_accesses),
		BUS_TEST(test_doorbell_wins_over_range),
		BUS_TEST(test_handler_reconfigures_its_bus),
		BUS_TEST(test_aborted_removal_calls_no_callback),
		BUS_TEST(test_removal_waits_for_sleeping_handler),
		BUS_TEST(test_each_write_is_served_once),
		BUS_TEST(test_destruction_reports_an_open_section),
	};

	return cmocka_run_group_tests_name("io_bus", tests, NULL, NULL);
}
