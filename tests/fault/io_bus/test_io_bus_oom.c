// SPDX-License-Identifier: MIT
/*
 * Each allocation of each operation fails in turn.  The operation returns
 * -ENOMEM, the bus does not change, and nothing leaks.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/alloc_fault.h"
#include "belfry/io_stats.h"
#include "belfry/io_txn.h"
#include "bus_oom_fixture.h"

#define TURNS 40 /* repetitions of each operation, at other addresses */

static uint64_t turn;

/* The dump of the bus; free it by libc_free(). */
static char *dump_bus(void)
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

/* Calls operation() with the nth allocation failing; returns its answer. */
static int try_once(int (*operation)(void), int n)
{
	uint64_t publications = bf_io_publications(bus);
	char *before = dump_bus(), *after;
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
		after = dump_bus();
		assert_string_equal(before, after);
		libc_free(after);
	}
	libc_free(before);
	return ret;
}

/* Fails each allocation in turn, until operation() succeeds. */
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

static int add_one_range(void)
{
	return add_range(turn % 2 ? FREE + turn * STEP :
				    place((unsigned int)turn) + STEP / 2,
			 NULL);
}

static void test_add_range(void **state)
{
	try_all(add_one_range);
}

static int add_one_zone(void)
{
	return add_zone(place((unsigned int)turn) + STEP / 2, NULL);
}

static void test_add_zone(void **state)
{
	try_all(add_one_zone);
}

static int add_one_doorbell(void)
{
	return add_doorbell(place((unsigned int)turn) + turn % 5 * 4 + 4, NULL);
}

static void test_add_doorbell(void **state)
{
	try_all(add_one_doorbell);
}

static int add_another_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC), ret;
	struct bf_io_doorbell_desc desc = doorbell_at(FREE + turn, fd);

	ret = bf_io_add_doorbell(bus, &desc, NULL, NULL);
	close(fd);
	return ret;
}

static void test_add_doorbell_of_another_eventfd(void **state)
{
	try_all(add_another_eventfd);
}

static int add_one_datamatch(void)
{
	struct bf_io_doorbell_desc desc = doorbell_at(FREE, efd);

	desc.wildcard = false;
	desc.datamatch = turn;
	return bf_io_add_doorbell(bus, &desc, NULL, NULL);
}

static void test_add_datamatches_at_one_address(void **state)
{
	try_all(add_one_datamatch);
}

static void ignore_signal(void *opaque, uint64_t value,
			  const struct bf_io_access *access)
{
}

static int add_one_callback(void)
{
	struct bf_io_doorbell_desc desc = doorbell_at(FREE + turn, -1);

	desc.consumer = BF_IO_CONSUMER_CALLBACK;
	desc.callback = ignore_signal;
	return bf_io_add_doorbell(bus, &desc, NULL, NULL);
}

static void test_add_callback(void **state)
{
	try_all(add_one_callback);
}

static int move_one_range(void)
{
	return bf_io_move_range(bus, ranges[turn],
				turn % 2 ? FREE + turn * STEP :
					   place((unsigned int)turn) + 1,
				NULL);
}

static void test_move_range(void **state)
{
	try_all(move_one_range);
}

static int fill_txn(struct bf_io_txn *txn, unsigned int i)
{
	const struct bf_io_range_desc range = {
		.addr = FREE + i * STEP,
		.size = STEP,
		.ops = &counting_ops,
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

static int commit_one_txn(void)
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

/* A removal in a failed transaction does not happen: no callback is called. */
static void test_transaction(void **state)
{
	try_all(commit_one_txn);
	assert_int_equal(__atomic_load_n(&completed, __ATOMIC_ACQUIRE),
			 3 * TURNS);
}

static int switch_counting(void)
{
	return bf_io_count(bus, turn % 2 == 0);
}

static void test_count(void **state)
{
	try_all(switch_counting);
}

static int dump_once(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int ret = bf_io_dump(bus, out);

	fclose(out);
	libc_free(text);
	return ret;
}

/* The dump may need no memory; if it needs some, it returns -ENOMEM. */
static void test_dump(void **state)
{
	for (int n = 1; try_once(dump_once, n); n++)
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
	ret = bf_io_bus_create("other", &other);
	assert_true(ret == 0 || (ret == -ENOMEM && !other));
	if (!ret)
		ret = bf_io_ring_create(&desc, &other_ring);
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

static void *write_without_memory(void *arg)
{
	unsigned int before = written;

	alloc_fail_all(true);
	*(int *)arg = write_at(BF_IO_MMIO, place(1)) ||
		      write_at(BF_IO_CCW, place(1)) || written != before + 1;
	alloc_fail_all(false);
	return NULL;
}

/* A thread without memory for its counters is served as well. */
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

/* The process has no free descriptor. */
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
	assert_int_equal(bf_io_ring_create(&ring_desc, &other), -EMFILE);
	while (last > fd)
		close(last--);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	settle();
	assert_int_equal(alloc_live(), live);
	assert_int_equal(bf_io_add_doorbell(bus, &desc, NULL, NULL), 0);
	close(fd);
}

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
		OOM_TEST(test_no_descriptors),
	};

	return cmocka_run_group_tests_name("io_bus_oom", tests, NULL, NULL);
}
