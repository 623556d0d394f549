// SPDX-License-Identifier: MIT
/* The vCPU table from many threads: creations and removals beside readers. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/flags.h"
#include "vcpus_vcpu.h"

#define NR_VCPUS  4096
#define STRIDE	  5 /* between ids */
#define NR_RIVALS 4
#define NR_WAITED 64 /* synchronous removals */

enum magic {
	LIVE = 0x600d0b1e,
	POISON = 0xdeadbeef,
};

static struct bf_vcpus *vcpus;
static unsigned int nr_released;

/* A failed assertion would end one thread only, so failures are counted. */
static int wrong;

static void expect(bool right)
{
	if (!right)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static void poison_and_free(struct bf_vcpu_entry *entry)
{
	struct vcpu *cpu = vcpu_of(entry);

	expect(cpu->magic == LIVE);
	__atomic_store_n(&cpu->magic, POISON, __ATOMIC_RELAXED);
	free(cpu);
	__atomic_fetch_add(&nr_released, 1, __ATOMIC_RELEASE);
}

static void check_live(struct bf_vcpu_entry *entry)
{
	expect(__atomic_load_n(&vcpu_of(entry)->magic, __ATOMIC_RELAXED) ==
	       LIVE);
}

/*
 * Now and then other threads run between the checks, so that vCPUs are removed
 * meanwhile.  Not at every index: on a busy machine a yield takes long.
 */
static void check_live_twice(struct bf_vcpu_entry *entry)
{
	check_live(entry);
	if (bf_vcpu_entry_index(entry) % 1024 == 0)
		sched_yield();
	check_live(entry);
}

static const struct bf_vcpu_entry_ops ops = {.release = poison_and_free,
					     .kick = check_live_twice};

static int setup(void **state)
{
	const struct bf_vcpus_config config = {
		.flags = *(unsigned int *)*state,
	};

	wrong = 0;
	nr_released = 0;
	return bf_vcpus_create(&config, &vcpus);
}

static int teardown(void **state)
{
	bf_vcpus_destroy(vcpus);
	return 0;
}

static struct bf_vcpu_entry *new_vcpu(void)
{
	struct vcpu *cpu = calloc(1, sizeof(*cpu));

	assert_non_null(cpu);
	cpu->magic = LIVE;
	return &cpu->entry;
}

static void look_up_all(void)
{
	for (unsigned int i = 0; i < NR_VCPUS; i++) {
		int idx = srcu_read_lock(bf_vcpus_srcu(vcpus));
		struct bf_vcpu_entry *by_id = bf_vcpus_by_id(vcpus, STRIDE * i);
		struct bf_vcpu_entry *by_index = bf_vcpus_by_index(vcpus, i);

		if (by_id) {
			check_live(by_id);
			expect(bf_vcpu_entry_id(by_id) == STRIDE * i);
		}
		if (by_index) {
			check_live(by_index);
			expect(bf_vcpu_entry_index(by_index) == i);
		}
		srcu_read_unlock(bf_vcpus_srcu(vcpus), idx);
	}
}

/* Indices increase, so the iteration visits no vCPU twice. */
static void iterate_all(void)
{
	int idx = srcu_read_lock(bf_vcpus_srcu(vcpus));
	struct bf_vcpu_entry *entry;
	struct bf_vcpus_iter iter;
	uint64_t next = 0;

	bf_vcpus_iter_begin(&iter, vcpus, 0, UINT64_MAX);
	while ((entry = bf_vcpus_iter_next(&iter))) {
		check_live_twice(entry);
		expect(bf_vcpu_entry_index(entry) >= next);
		next = (uint64_t)bf_vcpu_entry_index(entry) + 1;
	}
	srcu_read_unlock(bf_vcpus_srcu(vcpus), idx);
}

static void lock_and_unlock_all(void)
{
	int ret = bf_vcpus_lock_all(vcpus);

	expect(ret == 0 || ret == -EBUSY);
	if (!ret)
		bf_vcpus_unlock_all(vcpus);
}

static int readers_stop, readers_began;

static void *reader_main(void *locks)
{
	do {
		look_up_all();
		iterate_all();
		if (locks)
			lock_and_unlock_all();
		else
			bf_vcpus_kick_all(vcpus);
		__atomic_fetch_add(&readers_began, 1, __ATOMIC_RELEASE);
	} while (!get(&readers_stop));
	return NULL;
}

static void start_readers(pthread_t readers[2])
{
	set(&readers_stop, 0);
	set(&readers_began, 0);
	assert_int_equal(pthread_create(&readers[0], NULL, reader_main, NULL),
			 0);
	assert_int_equal(pthread_create(&readers[1], NULL, reader_main, &wrong),
			 0);
	while (get(&readers_began) < 2)
		sched_yield();
}

static void stop_readers(pthread_t readers[2])
{
	set(&readers_stop, 1);
	pthread_join(readers[0], NULL);
	pthread_join(readers[1], NULL);
}

static void add_all(struct bf_vcpu_entry *entries[])
{
	for (unsigned int i = 0; i < NR_VCPUS; i++) {
		entries[i] = new_vcpu();
		assert_int_equal(bf_vcpus_add(vcpus, entries[i], STRIDE * i,
					      &ops, 0),
				 0);
	}
	assert_int_equal(bf_vcpus_online(vcpus), NR_VCPUS);
}

/* Waits for each of the first removals, and once for all others. */
static void remove_all(struct bf_vcpu_entry *entries[])
{
	unsigned int i;

	for (i = 0; i < NR_WAITED; i++)
		assert_int_equal(bf_vcpu_entry_remove(entries[i]), 0);
	for (; i < NR_VCPUS; i++)
		assert_int_equal(
			bf_vcpu_entry_remove_async(entries[i], NULL, NULL), 0);
	assert_int_equal(bf_vcpus_online(vcpus), 0);
	srcu_barrier(bf_vcpus_srcu(vcpus));
	assert_int_equal(bf_vcpus_created(vcpus), 0);
}

static void test_add_and_remove_beside_readers(void **state)
{
	static struct bf_vcpu_entry *entries[NR_VCPUS];
	pthread_t readers[2];

	start_readers(readers);
	for (int round = 0; round < 2; round++) {
		add_all(entries);
		remove_all(entries);
	}
	stop_readers(readers);
	assert_int_equal(nr_released, 2 * NR_VCPUS);
	assert_int_equal(wrong, 0);
}

/* Threads that add vCPUs with the same ids, and then remove the same vCPUs. */
static int nr_won;

static void add_or_free(struct bf_vcpu_entry *entry, uint64_t id)
{
	int ret = bf_vcpus_add(vcpus, entry, id, &ops, 0);

	expect(ret == 0 || ret == -EEXIST);
	if (ret)
		free(vcpu_of(entry));
	else
		__atomic_fetch_add(&nr_won, 1, __ATOMIC_RELAXED);
}

static void *rival_add_main(void *unused)
{
	for (uint64_t id = 0; id < NR_VCPUS; id++)
		add_or_free(new_vcpu(), id);
	return NULL;
}

static void *rival_remove_main(void *unused)
{
	for (uint64_t id = 0; id < NR_VCPUS; id++) {
		int idx = srcu_read_lock(bf_vcpus_srcu(vcpus));
		struct bf_vcpu_entry *entry = bf_vcpus_by_id(vcpus, id);

		if (entry && !bf_vcpu_entry_remove_async(entry, NULL, NULL))
			__atomic_fetch_add(&nr_won, 1, __ATOMIC_RELAXED);
		srcu_read_unlock(bf_vcpus_srcu(vcpus), idx);
	}
	return NULL;
}

static void run_rivals(void *(*main)(void *))
{
	pthread_t rivals[NR_RIVALS];

	nr_won = 0;
	for (int i = 0; i < NR_RIVALS; i++)
		assert_int_equal(pthread_create(&rivals[i], NULL, main, NULL),
				 0);
	for (int i = 0; i < NR_RIVALS; i++)
		pthread_join(rivals[i], NULL);
	assert_int_equal(nr_won, NR_VCPUS);
}

static void test_one_of_many_rivals_wins(void **state)
{
	run_rivals(rival_add_main);
	assert_int_equal(bf_vcpus_online(vcpus), NR_VCPUS);
	for (uint64_t i = 0; i < NR_VCPUS; i++) {
		int idx = srcu_read_lock(bf_vcpus_srcu(vcpus));

		assert_non_null(bf_vcpus_by_index(vcpus, i));
		assert_non_null(bf_vcpus_by_id(vcpus, i));
		srcu_read_unlock(bf_vcpus_srcu(vcpus), idx);
	}
	run_rivals(rival_remove_main);
	srcu_barrier(bf_vcpus_srcu(vcpus));
	assert_int_equal(nr_released, NR_VCPUS);
	assert_int_equal(wrong, 0);
}

/*
 * The count only grows in this test: a reader that reads a count of n finds n
 * vCPUs.  The creator yields between reservation and publication, so that both
 * counts differ for a while.
 */
static int creator_done;

static void *creator_main(void *unused)
{
	for (uint64_t id = 0; id < NR_VCPUS; id++) {
		struct bf_vcpu_entry *entry = new_vcpu();

		expect(!bf_vcpus_reserve(vcpus, entry, id, &ops, 0));
		if (id % 64 == 0)
			sched_yield();
		bf_vcpu_entry_publish(entry);
	}
	set(&creator_done, 1);
	return NULL;
}

static void test_counted_vcpus_are_found(void **state)
{
	pthread_t creator;
	bool done;

	set(&creator_done, 0);
	assert_int_equal(pthread_create(&creator, NULL, creator_main, NULL), 0);
	do {
		int idx = srcu_read_lock(bf_vcpus_srcu(vcpus));
		uint32_t online, created;

		done = get(&creator_done);
		online = bf_vcpus_online(vcpus);
		created = bf_vcpus_created(vcpus);
		assert_in_range(created, online, NR_VCPUS);
		if (online) {
			assert_non_null(bf_vcpus_by_index(vcpus, online - 1));
			assert_non_null(bf_vcpus_by_id(vcpus, online - 1));
		}
		srcu_read_unlock(bf_vcpus_srcu(vcpus), idx);
	} while (!done);
	pthread_join(creator, NULL);
	assert_int_equal(wrong, 0);
}

static unsigned int unique_indices;
static unsigned int reused_indices = BF_VCPUS_REUSE_INDEX;

#define TEST(function, flags)                                         \
	{                                                             \
		.name = #function ", " #flags, .test_func = function, \
		.setup_func = setup, .teardown_func = teardown,       \
		.initial_state = &(flags),                            \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_add_and_remove_beside_readers, unique_indices),
		TEST(test_add_and_remove_beside_readers, reused_indices),
		TEST(test_one_of_many_rivals_wins, unique_indices),
		TEST(test_one_of_many_rivals_wins, reused_indices),
		TEST(test_counted_vcpus_are_found, unique_indices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
