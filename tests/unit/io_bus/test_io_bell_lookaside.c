// SPDX-License-Identifier: MIT
/*
 * What a thread remembers of the doorbells that it rang is never more than the
 * bus says: each of these rings, so that it is remembered, changes the bus, and
 * writes again.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/alloc_fault.h"
#include "belfry/io_stats.h"
#include "belfry/io_txn.h"
#include "bus_fixture.h"
#include "base/util.h"

#define ADDR 0x1000

static int other_efd;

static int setup(void **state)
{
	other_efd = eventfd(0, EFD_NONBLOCK);
	return other_efd < 0 ? -1 : bus_setup(state);
}

static int teardown(void **state)
{
	close(other_efd);
	return bus_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static struct bf_io_doorbell *add_bell(struct bf_io_doorbell_desc desc)
{
	struct bf_io_doorbell *doorbell;

	assert_int_equal(add(desc, &doorbell), 0);
	return doorbell;
}

static struct bf_io_doorbell_desc with_fd(struct bf_io_doorbell_desc desc,
					  int fd)
{
	desc.eventfd = fd;
	return desc;
}

static int write4(uint64_t addr, uint64_t value)
{
	return write_len(BF_IO_MMIO, addr, value, 4);
}

/* More than once: remembered, and found again. */
static void assert_rings(uint64_t addr, uint64_t value, int fd)
{
	for (int i = 0; i < 3; i++) {
		assert_int_equal(write4(addr, value), 0);
		assert_int_equal(taken(fd), 1);
	}
}

static void assert_silent(uint64_t addr, uint64_t value)
{
	assert_int_equal(write4(addr, value), -EOPNOTSUPP);
	assert_int_equal(taken(efd), 0);
	assert_int_equal(taken(other_efd), 0);
}

static void test_each_consumer(void **state)
{
	add_bell(doorbell_at(ADDR, 4));
	add_bell(with_fd(doorbell_at(2 * ADDR, 4), other_efd));
	add_bell(match_at(3 * ADDR, 4, 1));
	add_bell(with_fd(match_at(3 * ADDR, 4, 2), other_efd));
	for (int i = 0; i < 3; i++) {
		assert_rings(ADDR, 5, efd);
		assert_rings(2 * ADDR, 5, other_efd);
		assert_rings(3 * ADDR, 1, efd);
		assert_rings(3 * ADDR, 2, other_efd);
		assert_silent(3 * ADDR, 3);
	}
}

/* What was called, with what. */
struct call {
	void *opaque;
	uint64_t addr;
	uint64_t value;
	uint32_t len;
};

static struct call last;

static void remember(void *opaque, uint64_t addr, uint32_t len, uint64_t value)
{
	last = (struct call){opaque, addr, value, len};
}

static void test_what_a_callback_is_told(void **state)
{
	struct bf_io_doorbell_desc desc = doorbell_at(ADDR, 0);
	int me;

	desc.ring = remember;
	desc.opaque = &me;
	add_bell(desc);
	for (uint64_t i = 1; i < 4; i++)
		for (uint32_t len = 1; len <= 8; len++) {
			last = (struct call){.opaque = NULL};
			assert_int_equal(
				write_len(BF_IO_MMIO, ADDR, i << 4, len), 0);
			assert_ptr_equal(last.opaque, &me);
			assert_int_equal(last.addr, ADDR);
			assert_int_equal(last.value, i << 4);
			assert_int_equal(last.len, len);
		}
}

/* All lengths at one address, and those that none has. */
static void test_lengths(void **state)
{
	add_bell(doorbell_at(ADDR, 1));
	add_bell(with_fd(doorbell_at(ADDR, 2), other_efd));
	add_bell(match_at(ADDR, 4, 7));
	add_bell(with_fd(match_at(ADDR, 8, 7), other_efd));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(write_len(BF_IO_MMIO, ADDR, 7, 1), 0);
		assert_int_equal(write_len(BF_IO_MMIO, ADDR, 7, 4), 0);
		assert_int_equal(taken(efd), 2);
		assert_int_equal(write_len(BF_IO_MMIO, ADDR, 7, 2), 0);
		assert_int_equal(write_len(BF_IO_MMIO, ADDR, 7, 8), 0);
		assert_int_equal(taken(other_efd), 2);
		assert_int_equal(write_len(BF_IO_MMIO, ADDR, 7, 3),
				 -EOPNOTSUPP);
		assert_silent(ADDR, 8);
	}
}

/* No bit of address or value is left out. */
static void test_each_bit_counts(void **state)
{
	const uint64_t value = 0x8000000180000001, addr = 0x8000000180001000;

	add_bell(match_at(addr, 8, value));
	for (unsigned int bit = 0; bit < 64; bit++) {
		assert_int_equal(write_len(BF_IO_MMIO, addr, value, 8), 0);
		assert_int_equal(taken(efd), 1);
		assert_int_equal(write_len(BF_IO_MMIO, addr,
					   value ^ 1ULL << bit, 8),
				 -EOPNOTSUPP);
		assert_int_equal(write_len(BF_IO_MMIO, addr ^ 1ULL << bit,
					   value, 8),
				 -EOPNOTSUPP);
	}
	assert_int_equal(taken(efd), 0);
}

static void test_removed(void **state)
{
	struct bf_io_doorbell *wild = add_bell(doorbell_at(ADDR, 4));
	struct bf_io_doorbell *match = add_bell(match_at(2 * ADDR, 4, 1));

	add_bell(match_at(2 * ADDR, 4, 2));
	assert_rings(ADDR, 1, efd);
	assert_rings(2 * ADDR, 1, efd);
	assert_int_equal(bf_io_remove_doorbell(bus, wild), 0);
	assert_silent(ADDR, 1);
	bf_io_remove_doorbell_async(bus, match, NULL, NULL);
	assert_silent(2 * ADDR, 1);
	assert_rings(2 * ADDR, 2, efd);
}

/* Both are of the state that there is, changed in place. */
static void test_removed_without_memory(void **state)
{
	struct bf_io_doorbell *wild = add_bell(doorbell_at(ADDR, 4));
	struct bf_io_doorbell *match = add_bell(match_at(2 * ADDR, 4, 1));

	add_bell(match_at(2 * ADDR, 4, 2));
	assert_rings(ADDR, 1, efd);
	assert_rings(2 * ADDR, 1, efd);
	alloc_fail_all(true);
	assert_int_equal(bf_io_remove_doorbell(bus, wild), 0);
	alloc_fail_all(false);
	assert_silent(ADDR, 1);
	assert_rings(2 * ADDR, 1, efd);
	alloc_fail_all(true);
	assert_int_equal(bf_io_remove_doorbell(bus, match), 0);
	alloc_fail_all(false);
	assert_silent(2 * ADDR, 1);
	assert_rings(2 * ADDR, 2, efd);
}

static void test_another_in_the_place_of_a_removed_one(void **state)
{
	struct bf_io_doorbell *doorbell;

	for (int i = 0; i < 3; i++) {
		doorbell = add_bell(match_at(ADDR, 4, 1));
		assert_rings(ADDR, 1, efd);
		assert_int_equal(bf_io_remove_doorbell(bus, doorbell), 0);
		doorbell = add_bell(with_fd(match_at(ADDR, 4, 1), other_efd));
		assert_rings(ADDR, 1, other_efd);
		assert_int_equal(bf_io_remove_doorbell(bus, doorbell), 0);
		doorbell = add_bell(with_fd(doorbell_at(ADDR, 4), other_efd));
		assert_rings(ADDR, 1, other_efd);
		assert_int_equal(bf_io_remove_doorbell(bus, doorbell), 0);
	}
}

static void test_moved(void **state)
{
	struct bf_io_doorbell *doorbell = add_bell(match_at(ADDR, 4, 1));
	struct bf_io_txn *txn;

	assert_rings(ADDR, 1, efd);
	assert_int_equal(bf_io_txn_begin(bus, &txn), 0);
	assert_int_equal(bf_io_txn_move_doorbell(txn, doorbell, 2 * ADDR), 0);
	assert_int_equal(bf_io_txn_commit(txn, NULL), 0);
	assert_silent(ADDR, 1);
	assert_rings(2 * ADDR, 1, efd);
}

static void test_two_that_change_places(void **state)
{
	struct bf_io_doorbell *one = add_bell(match_at(ADDR, 4, 1));
	struct bf_io_doorbell *two =
		add_bell(with_fd(match_at(2 * ADDR, 4, 1), other_efd));
	struct bf_io_txn *txn;

	assert_rings(ADDR, 1, efd);
	assert_rings(2 * ADDR, 1, other_efd);
	assert_int_equal(bf_io_txn_begin(bus, &txn), 0);
	assert_int_equal(bf_io_txn_move_doorbell(txn, one, 2 * ADDR), 0);
	assert_int_equal(bf_io_txn_move_doorbell(txn, two, ADDR), 0);
	assert_int_equal(bf_io_txn_commit(txn, NULL), 0);
	assert_rings(ADDR, 1, other_efd);
	assert_rings(2 * ADDR, 1, efd);
}

/* A change of another space leaves it; a bus that follows may lie there. */
static void test_spaces_and_buses(void **state)
{
	struct bf_io_doorbell_desc port = doorbell_at(ADDR, 4);

	port.space = BF_IO_PIO;
	for (int i = 0; i < 10; i++) {
		add_bell(doorbell_at(ADDR, 4));
		assert_rings(ADDR, 1, efd);
		assert_int_equal(write_len(BF_IO_PIO, ADDR, 1, 4), -EOPNOTSUPP);
		add_bell(port);
		assert_rings(ADDR, 1, efd);
		assert_int_equal(write_len(BF_IO_PIO, ADDR, 1, 4), 0);
		assert_int_equal(taken(efd), 1);
		bf_io_bus_destroy(bus);
		assert_int_equal(bf_io_bus_create(&bus, "next"), 0);
		assert_silent(ADDR, 1);
		assert_int_equal(write_len(BF_IO_PIO, ADDR, 1, 4), -EOPNOTSUPP);
	}
}

static void test_counting_begins_at_once(void **state)
{
	struct bf_io_doorbell *wild = add_bell(doorbell_at(ADDR, 4));
	struct bf_io_doorbell *match = add_bell(match_at(2 * ADDR, 4, 1));
	struct bf_io_stats stats;

	for (unsigned int i = 1; i < 4; i++) {
		assert_rings(ADDR, 1, efd);
		assert_rings(2 * ADDR, 1, efd);
		assert_int_equal(bf_io_count(bus, true), 0);
		assert_rings(ADDR, 1, efd);
		assert_rings(2 * ADDR, 1, efd);
		assert_int_equal(bf_io_count(bus, false), 0);
		bf_io_doorbell_stats(wild, &stats);
		assert_int_equal(stats.writes, 3 * i);
		bf_io_doorbell_stats(match, &stats);
		assert_int_equal(stats.writes, 3 * i);
	}
}

#define MANY 140000 /* more than are ever remembered */

static uint64_t value_of(uint64_t i)
{
	return i % 2 ? i : i << 20;
}

static struct bf_io_doorbell_desc many(uint64_t i)
{
	struct bf_io_doorbell_desc desc = i % 3 ? match_at(0, 8, value_of(i)) :
						  doorbell_at(i * ADDR, 8);

	desc.ring = remember;
	desc.opaque = (void *)(uintptr_t)i;
	return desc;
}

static void add_many(void)
{
	struct bf_io_txn *txn;

	assert_int_equal(bf_io_txn_begin(bus, &txn), 0);
	for (uint64_t i = 1; i <= MANY; i++) {
		const struct bf_io_doorbell_desc desc = many(i);

		assert_int_equal(bf_io_txn_add_doorbell(txn, &desc, NULL), 0);
	}
	assert_int_equal(bf_io_txn_commit(txn, NULL), 0);
}

/* Without an allocation. */
static int write8(uint64_t addr, uint64_t value)
{
	const struct bf_io_access access = {
		.addr = addr,
		.data = &value,
		.len = sizeof(value),
		.write = true,
	};

	return bf_io_access(bus, &access);
}

static void *ring_many(void *unused)
{
	for (uint64_t i = 1; i <= MANY; i++) {
		const struct bf_io_doorbell_desc desc = many(i);

		assert_int_equal(write8(desc.addr, desc.datamatch), 0);
		assert_int_equal((uintptr_t)last.opaque, i);
	}
	return NULL;
}

static void test_more_than_are_remembered(void **state)
{
	add_many();
	for (int round = 0; round < 3; round++)
		ring_many(NULL);
}

static void test_a_thread_leaves_nothing_behind(void **state)
{
	long live;

	add_many();
	live = alloc_live();
	run_thread(ring_many);
	assert_int_equal(alloc_live(), live);
}

static void *ring_without_memory(void *unused)
{
	alloc_fail_all(true);
	errno = EILSEQ;
	ring_many(NULL);
	assert_int_equal(errno, EILSEQ);
	alloc_fail_all(false);
	return ring_many(NULL);
}

static void test_without_memory_to_remember(void **state)
{
	add_many();
	run_thread(ring_without_memory);
}

/* While the table is replaced by a bigger one, again and again. */
static void ring_deeper(void *opaque, uint64_t addr, uint32_t len,
			uint64_t value)
{
	static unsigned int depth;

	assert_int_equal((uintptr_t)opaque, addr / ADDR);
	if (++depth < 2000)
		assert_int_equal(write4((uint64_t)(depth % 700) * ADDR, 0), 0);
	depth--;
	assert_int_equal((uintptr_t)opaque, addr / ADDR);
}

static void test_rings_within_rings(void **state)
{
	for (uint64_t i = 0; i < 700; i++) {
		struct bf_io_doorbell_desc desc = doorbell_at(i * ADDR, 4);

		desc.ring = ring_deeper;
		desc.opaque = (void *)(uintptr_t)i;
		add_bell(desc);
	}
	assert_int_equal(write4(0, 0), 0);
}

/* In itself, remembered or not: it must not wait for itself. */
static struct bf_io_doorbell *own;

static void remove_own(void *opaque, uint64_t addr, uint32_t len,
		       uint64_t value)
{
	if (!value)
		return;
	assert_int_equal(bf_io_synchronize(bus), -EDEADLK);
	assert_int_equal(bf_io_remove_doorbell(bus, own), -EDEADLK);
	bf_io_remove_doorbell_async(bus, own, opaque, &last);
	assert_null(last.opaque);
}

static void note_removal(void *opaque)
{
	struct call *call = opaque;

	call->opaque = call;
}

static void test_removed_by_its_consumer(void **state)
{
	struct bf_io_doorbell_desc desc = doorbell_at(ADDR, 4);

	desc.ring = remove_own;
	desc.opaque = note_removal;
	for (uint64_t remembered = 0; remembered < 2; remembered++) {
		own = add_bell(desc);
		last = (struct call){.opaque = NULL};
		if (remembered)
			assert_int_equal(write4(ADDR, 0), 0);
		assert_int_equal(write4(ADDR, 1), 0);
		assert_silent(ADDR, 1);
		assert_int_equal(bf_io_synchronize(bus), 0);
		bf_io_bus_destroy(bus);
		assert_ptr_equal(last.opaque, &last);
		assert_int_equal(bf_io_bus_create(&bus, "next"), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_consumer),
		TEST(test_what_a_callback_is_told),
		TEST(test_lengths),
		TEST(test_each_bit_counts),
		TEST(test_removed),
		TEST(test_removed_without_memory),
		TEST(test_another_in_the_place_of_a_removed_one),
		TEST(test_moved),
		TEST(test_two_that_change_places),
		TEST(test_spaces_and_buses),
		TEST(test_counting_begins_at_once),
		TEST(test_more_than_are_remembered),
		TEST(test_a_thread_leaves_nothing_behind),
		TEST(test_without_memory_to_remember),
		TEST(test_rings_within_rings),
		TEST(test_removed_by_its_consumer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
