// SPDX-License-Identifier: MIT
/* The vCPU table: what is found, what is refused, what a removal means. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "flags.h"
#include "vcpus/vcpus.h"
#include "vcpus_fixture.h"

#define NR_VCPUS 600

static struct bf_vcpus *vcpus;
static struct vcpu cpus[NR_VCPUS];

static int setup(void **state)
{
	memset(cpus, 0, sizeof(cpus));
	return bf_vcpus_create(&vcpus, NULL);
}

static int teardown(void **state)
{
	bf_vcpus_destroy(vcpus);
	vcpus = NULL;
	return 0;
}

/* With another table than setup() made. */
static void configure(const struct bf_vcpus_config *config)
{
	bf_vcpus_destroy(vcpus);
	assert_int_equal(bf_vcpus_create(&vcpus, config), 0);
}

static int enter(void)
{
	return srcu_read_lock(bf_vcpus_srcu(vcpus));
}

static void leave(int idx)
{
	srcu_read_unlock(bf_vcpus_srcu(vcpus), idx);
}

static struct bf_vcpus_entry *by_index(uint64_t index)
{
	int idx = enter();
	struct bf_vcpus_entry *entry = bf_vcpus_by_index(vcpus, index);

	leave(idx);
	return entry;
}

static struct bf_vcpus_entry *by_id(uint64_t id)
{
	int idx = enter();
	struct bf_vcpus_entry *entry = bf_vcpus_by_id(vcpus, id);

	leave(idx);
	return entry;
}

static int add(unsigned int n, uint64_t id)
{
	return bf_vcpus_add(vcpus, &cpus[n].entry, id, &vcpu_ops, 0);
}

/* vCPUs 0 to count - 1, with the ids 10, 11, ... */
static void add_some(unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		assert_int_equal(add(i, 10 + i), 0);
}

static void remove_cpu(unsigned int n)
{
	assert_int_equal(bf_vcpus_remove(&cpus[n].entry), 0);
}

static void check_counts(unsigned int created, unsigned int online)
{
	assert_int_equal(bf_vcpus_created(vcpus), created);
	assert_int_equal(bf_vcpus_online(vcpus), online);
}

static void test_found_by_index_and_id(void **state)
{
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++)
		assert_int_equal(add(i, 3 * i), 0);
	check_counts(NR_VCPUS, NR_VCPUS);
	for (i = 0; i < NR_VCPUS; i++) {
		assert_ptr_equal(by_index(i), &cpus[i].entry);
		assert_ptr_equal(by_id(3 * i), &cpus[i].entry);
		assert_null(by_id(3 * i + 1));
		assert_int_equal(bf_vcpus_index(&cpus[i].entry), i);
		assert_int_equal(bf_vcpus_id(&cpus[i].entry), 3 * i);
	}
	assert_null(by_index(NR_VCPUS));
}

/* Whatever a guest, or a program with signed numbers, may ask for. */
static void check_nowhere(void)
{
	static const uint64_t numbers[] = {
		1,
		255,
		256,
		65535,
		65536,
		1ULL << 24,
		INT_MAX,
		UINT32_MAX,
		1ULL << 32,
		(1ULL << 32) + 1,
		INT64_MAX,
		(uint64_t)-2,
		(uint64_t)-1,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		assert_null(by_index(numbers[i]));
		assert_null(by_id(numbers[i]));
	}
}

static void test_out_of_range_is_null(void **state)
{
	assert_null(by_index(0));
	assert_null(by_id(0));
	check_nowhere();
	assert_int_equal(add(0, 0), 0);
	check_nowhere();
	assert_non_null(by_id(0));
}

static void test_largest_id(void **state)
{
	assert_int_equal(add(0, UINT32_MAX), 0);
	assert_ptr_equal(by_id(UINT32_MAX), &cpus[0].entry);
	assert_null(by_id(UINT32_MAX - 1));
	assert_null(by_id((uint64_t)-1));
	assert_null(by_id(0));
}

static void test_being_created_is_null(void **state)
{
	struct bf_vcpus_entry *entry = &cpus[0].entry;

	assert_int_equal(bf_vcpus_reserve(vcpus, entry, 7, &vcpu_ops, 0), 0);
	check_counts(1, 0);
	assert_null(by_id(7));
	assert_null(by_index(0));
	assert_int_equal(bf_vcpus_index(entry), UINT32_MAX);
	assert_int_equal(add(1, 7), -EEXIST);
	assert_int_equal(bf_vcpus_remove(entry), -ENOENT);
	assert_int_equal(bf_vcpus_remove_async(entry), -ENOENT);
	bf_vcpus_publish(entry);
	check_counts(1, 1);
	assert_ptr_equal(by_id(7), entry);
	assert_ptr_equal(by_index(0), entry);
}

static void test_index_in_order_of_publication(void **state)
{
	assert_int_equal(
		bf_vcpus_reserve(vcpus, &cpus[0].entry, 1, &vcpu_ops, 0), 0);
	assert_int_equal(
		bf_vcpus_reserve(vcpus, &cpus[1].entry, 2, &vcpu_ops, 0), 0);
	bf_vcpus_publish(&cpus[1].entry);
	bf_vcpus_publish(&cpus[0].entry);
	assert_ptr_equal(by_index(0), &cpus[1].entry);
	assert_ptr_equal(by_index(1), &cpus[0].entry);
}

/* As many creations at once as reach into a leaf that nobody needed before. */
static void test_many_creations_at_once(void **state)
{
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++)
		assert_int_equal(bf_vcpus_reserve(vcpus, &cpus[i].entry, i,
						  &vcpu_ops, 0),
				 0);
	check_counts(NR_VCPUS, 0);
	for (i = NR_VCPUS; i-- > 0;)
		bf_vcpus_publish(&cpus[i].entry);
	check_counts(NR_VCPUS, NR_VCPUS);
	for (i = 0; i < NR_VCPUS; i++)
		assert_ptr_equal(by_index(NR_VCPUS - 1 - i), &cpus[i].entry);
}

static void test_cancel(void **state)
{
	assert_int_equal(
		bf_vcpus_reserve(vcpus, &cpus[0].entry, 1, &vcpu_ops, 0), 0);
	bf_vcpus_cancel(&cpus[0].entry);
	check_counts(0, 0);
	assert_int_equal(cpus[0].released, 0);
	assert_int_equal(add(1, 1), 0);
	assert_ptr_equal(by_index(0), &cpus[1].entry);
}

static void test_limits_come_first(void **state)
{
	const struct bf_vcpus_config config = {.max_ids = 20, .max_vcpus = 3};

	configure(&config);
	assert_int_equal(add(0, 20), -EINVAL);
	assert_int_equal(add(0, (uint64_t)-1), -EINVAL);
	assert_int_equal(add(0, 1ULL << 32), -EINVAL);
	add_some(2);
	assert_int_equal(add(2, 10), -EEXIST);
	assert_int_equal(add(2, 19), 0);
	/* Full: that is found out before the id is looked at. */
	assert_int_equal(add(3, 10), -EINVAL);
	check_counts(3, 3);
	remove_cpu(1);
	/* What is being created counts. */
	assert_int_equal(
		bf_vcpus_reserve(vcpus, &cpus[3].entry, 12, &vcpu_ops, 0), 0);
	assert_int_equal(add(4, 13), -EINVAL);
	bf_vcpus_cancel(&cpus[3].entry);
	assert_int_equal(add(4, 13), 0);
}

static void test_largest_limits(void **state)
{
	const struct bf_vcpus_config config = {
		.max_ids = UINT64_MAX,
		.max_vcpus = UINT64_MAX,
	};

	configure(&config);
	assert_int_equal(add(0, 1ULL << 32), -EINVAL);
	assert_int_equal(add(0, UINT32_MAX), 0);
}

static void test_unknown_flags(void **state)
{
	const struct bf_vcpus_config config = {.flags = 2};
	struct bf_vcpus *none = NULL;

	assert_int_equal(bf_vcpus_create(&none, &config), -EINVAL);
	assert_null(none);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[0].entry, 1, &vcpu_ops, 2),
			 -EINVAL);
	check_counts(0, 0);
}

/* A refused creation leaves the caller's memory alone: it may be in use. */
static void test_refused_entry_is_untouched(void **state)
{
	assert_int_equal(add(0, 1), 0);
	assert_int_equal(add(0, 1), -EEXIST);
	assert_ptr_equal(by_id(1), &cpus[0].entry);
	remove_cpu(0);
	assert_int_equal(cpus[0].released, 1);
}

static void test_indices_run_out(void **state)
{
	uint64_t end = vcpus->end;

	vcpus->end = UINT32_MAX - 1;
	assert_int_equal(add(0, 1), 0);
	assert_ptr_equal(by_index(UINT32_MAX - 1), &cpus[0].entry);
	assert_int_equal(add(1, 2), -ENOSPC);
	check_counts(1, 1);
	remove_cpu(0);
	vcpus->end = end;
}

static void test_removed_is_a_hole(void **state)
{
	add_some(3);
	remove_cpu(1);
	assert_int_equal(cpus[1].released, 1);
	check_counts(2, 2);
	assert_null(by_index(1));
	assert_null(by_id(11));
	assert_ptr_equal(by_index(2), &cpus[2].entry);
	/* The id may be used again, the index is not. */
	assert_int_equal(add(1, 11), 0);
	assert_null(by_index(1));
	assert_ptr_equal(by_index(3), &cpus[1].entry);
	assert_ptr_equal(by_id(11), &cpus[1].entry);
}

static void test_index_used_again_when_asked_for(void **state)
{
	add_some(4);
	remove_cpu(1);
	remove_cpu(2);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[4].entry, 1, &vcpu_ops,
				      BF_VCPUS_REUSE_INDEX),
			 0);
	assert_ptr_equal(by_index(2), &cpus[4].entry);
	assert_int_equal(add(5, 2), 0);
	assert_ptr_equal(by_index(4), &cpus[5].entry);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[6].entry, 3, &vcpu_ops,
				      BF_VCPUS_REUSE_INDEX),
			 0);
	assert_ptr_equal(by_index(1), &cpus[6].entry);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[7].entry, 4, &vcpu_ops,
				      BF_VCPUS_REUSE_INDEX),
			 0);
	assert_ptr_equal(by_index(5), &cpus[7].entry);
}

static void test_table_that_uses_indices_again(void **state)
{
	const struct bf_vcpus_config config = {.flags = BF_VCPUS_REUSE_INDEX};
	unsigned int i;

	configure(&config);
	add_some(2);
	for (i = 0; i < 1000; i++) {
		remove_cpu(0);
		assert_int_equal(add(0, i + 100), 0);
		assert_ptr_equal(by_index(0), &cpus[0].entry);
	}
	assert_int_equal(vcpus->end, 2);
}

/* Nothing of a removed vCPU is given away while somebody may look at it. */
static void test_reader_keeps_what_it_found(void **state)
{
	struct bf_vcpus_entry *entry;
	int idx;

	add_some(1);
	idx = enter();
	entry = bf_vcpus_by_id(vcpus, 10);
	assert_int_equal(bf_vcpus_remove_async(entry), 0);
	assert_int_equal(bf_vcpus_remove_async(entry), -ENOENT);
	assert_null(bf_vcpus_by_id(vcpus, 10));
	assert_null(bf_vcpus_by_index(vcpus, 0));
	check_counts(1, 0);
	assert_int_equal(add(1, 10), -EEXIST);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[1].entry, 11, &vcpu_ops,
				      BF_VCPUS_REUSE_INDEX),
			 0);
	assert_int_equal(bf_vcpus_index(&cpus[1].entry), 1);
	usleep(2000);
	assert_int_equal(get(&cpus[0].released), 0);
	leave(idx);
	wait_for(&cpus[0].released, 1);
	srcu_barrier(bf_vcpus_srcu(vcpus));
	check_counts(1, 1);
	assert_int_equal(add(2, 10), 0);
}

static int reader_in, reader_out;

static void *reader_main(void *unused)
{
	int idx = enter();
	struct bf_vcpus_entry *entry = bf_vcpus_by_id(vcpus, 10);

	set(&reader_in, 1);
	usleep(20000);
	assert_int_equal(get(&vcpu_of(entry)->released), 0);
	set(&reader_out, 1);
	leave(idx);
	return NULL;
}

static void test_remove_waits_for_readers(void **state)
{
	pthread_t reader;

	add_some(1);
	assert_int_equal(pthread_create(&reader, NULL, reader_main, NULL), 0);
	wait_for(&reader_in, 1);
	remove_cpu(0);
	assert_int_equal(get(&reader_out), 1);
	assert_int_equal(cpus[0].released, 1);
	pthread_join(reader, NULL);
}

/* The release function finds the id free, and the memory its own. */
static void add_again(struct bf_vcpus_entry *entry)
{
	struct vcpu *cpu = vcpu_of(entry);

	if (cpu->released++ == 0)
		assert_int_equal(bf_vcpus_add(vcpus, entry, bf_vcpus_id(entry),
					      entry->ops, 0),
				 0);
}

static void test_release_may_create(void **state)
{
	static const struct bf_vcpus_ops ops = {.release = add_again};
	struct bf_vcpus_entry *entry = &cpus[0].entry;

	assert_int_equal(bf_vcpus_add(vcpus, entry, 5, &ops, 0), 0);
	assert_int_equal(bf_vcpus_remove(entry), 0);
	assert_ptr_equal(by_id(5), entry);
	assert_int_equal(bf_vcpus_remove_async(entry), 0);
	srcu_barrier(bf_vcpus_srcu(vcpus));
	assert_int_equal(cpus[0].released, 2);
	check_counts(0, 0);
}

static void test_without_functions(void **state)
{
	static const struct bf_vcpus_ops none;

	assert_int_equal(bf_vcpus_add(vcpus, &cpus[0].entry, 1, NULL, 0), 0);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[1].entry, 2, &none, 0), 0);
	assert_int_equal(add(2, 3), 0);
	assert_int_equal(bf_vcpus_kick_all(vcpus), 1);
	remove_cpu(0);
	check_counts(2, 2);
}

static void release_late(struct bf_vcpus_entry *entry)
{
	usleep(20000);
	vcpu_released(entry);
}

/* It waits for a removal that is under way. */
static void test_destroy_releases_the_rest(void **state)
{
	static const struct bf_vcpus_ops late = {.release = release_late};

	add_some(4);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[4].entry, 1, &late, 0), 0);
	remove_cpu(1);
	assert_int_equal(bf_vcpus_remove_async(&cpus[4].entry), 0);
	bf_vcpus_destroy(vcpus);
	vcpus = NULL;
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(cpus[i].released, 1);
	assert_int_equal(cpus[5].released, 0);
}

static void check_domain(struct srcu_struct *domain)
{
	const struct bf_vcpus_config config = {.srcu = domain};

	configure(&config);
	assert_ptr_equal(bf_vcpus_srcu(vcpus), domain);
	add_some(3);
	assert_int_equal(bf_vcpus_kick_all(vcpus), 3);
	assert_int_equal(bf_vcpus_lock_all(vcpus), 0);
	bf_vcpus_unlock_all(vcpus);
	assert_int_equal(bf_vcpus_remove_async(&cpus[0].entry), 0);
	remove_cpu(1);
	bf_vcpus_destroy(vcpus);
	vcpus = NULL;
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(cpus[i].released, 1);
}

static void test_domain_of_the_caller(void **state)
{
	struct srcu_struct domain;

	assert_int_equal(init_srcu_struct(&domain), 0);
	check_domain(&domain);
	assert_int_equal(cleanup_srcu_struct(&domain), 0);
	memset(cpus, 0, sizeof(cpus));
	assert_int_equal(init_srcu_struct_fast(&domain), 0);
	check_domain(&domain);
	assert_int_equal(cleanup_srcu_struct(&domain), 0);
}

/* Visits [first, last], and checks that it meets those of the string. */
static void check_visited(uint64_t first, uint64_t last, const char *expected)
{
	struct bf_vcpus_entry *entry;
	struct bf_vcpus_iter iter;
	char met[64] = "";
	size_t count = 0;
	int idx = enter();

	bf_vcpus_iter_begin(&iter, vcpus, first, last);
	while ((entry = bf_vcpus_iter_next(&iter)))
		met[count++] = (char)('0' + (vcpu_of(entry) - cpus));
	assert_null(bf_vcpus_iter_next(&iter));
	leave(idx);
	assert_string_equal(met, expected);
}

static void test_iteration(void **state)
{
	check_visited(0, UINT64_MAX, "");
	add_some(6);
	check_visited(0, UINT64_MAX, "012345");
	remove_cpu(2);
	check_visited(0, UINT64_MAX, "01345");
	check_visited(0, 0, "0");
	check_visited(1, 3, "13");
	check_visited(2, 2, "");
	check_visited(4, 100, "45");
	check_visited(3, 2, "");
	check_visited(6, UINT64_MAX, "");
	check_visited(UINT64_MAX, UINT64_MAX, "");
	check_visited(UINT32_MAX, 1ULL << 40, "");
}

/* Those that leave are left out, those that come are too. */
static void test_iteration_beside_changes(void **state)
{
	struct bf_vcpus_entry *entry;
	struct bf_vcpus_iter iter;
	char met[8] = "";
	size_t count = 0;
	int idx;

	add_some(5);
	remove_cpu(3);
	idx = enter();
	bf_vcpus_iter_begin(&iter, vcpus, 0, UINT64_MAX);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[5].entry, 1, &vcpu_ops,
				      BF_VCPUS_REUSE_INDEX),
			 0);
	assert_ptr_equal(bf_vcpus_by_index(vcpus, 3), &cpus[5].entry);
	assert_int_equal(add(6, 2), 0);
	while ((entry = bf_vcpus_iter_next(&iter))) {
		met[count++] = (char)('0' + (vcpu_of(entry) - cpus));
		if (entry == &cpus[1].entry)
			assert_int_equal(bf_vcpus_remove_async(entry), 0);
		if (entry == &cpus[0].entry)
			bf_vcpus_remove_async(&cpus[2].entry);
	}
	leave(idx);
	assert_string_equal(met, "014");
	check_visited(0, UINT64_MAX, "0546");
}

static void test_kick_all(void **state)
{
	add_some(4);
	remove_cpu(2);
	assert_int_equal(bf_vcpus_kick_all(vcpus), 3);
	assert_int_equal(cpus[0].kicked, 1);
	assert_int_equal(cpus[2].kicked, 0);
	assert_int_equal(cpus[3].kicked, 1);
}

static void test_lock_one(void **state)
{
	struct bf_vcpus_entry *entry = &cpus[0].entry;

	assert_int_equal(bf_vcpus_reserve(vcpus, entry, 1, &vcpu_ops, 0), 0);
	assert_int_equal(bf_vcpus_lock(entry), 0);
	bf_vcpus_publish(entry);
	assert_int_equal(bf_vcpus_trylock(entry), -EBUSY);
	bf_vcpus_unlock(entry);
	assert_int_equal(bf_vcpus_trylock(entry), 0);
	bf_vcpus_unlock(entry);
}

static void test_trylock_all_backs_out(void **state)
{
	unsigned int i;

	add_some(4);
	assert_int_equal(bf_vcpus_lock(&cpus[2].entry), 0);
	assert_int_equal(bf_vcpus_trylock_all(vcpus), -EINTR);
	for (i = 0; i < 4; i++) {
		assert_int_equal(bf_vcpus_trylock(&cpus[i].entry),
				 i == 2 ? -EBUSY : 0);
		bf_vcpus_unlock(&cpus[i].entry);
	}
	assert_int_equal(bf_vcpus_trylock_all(vcpus), 0);
	/* Unlocked from the head of this list on. */
	for (i = 4; i-- > 1;)
		assert_ptr_equal(cpus[i].entry.locked_before,
				 &cpus[i - 1].entry);
	assert_ptr_equal(vcpus->locked, &cpus[3].entry);
	assert_int_equal(bf_vcpus_trylock_all(vcpus), -EBUSY);
	for (i = 0; i < 4; i++)
		assert_int_equal(bf_vcpus_trylock(&cpus[i].entry), -EBUSY);
	bf_vcpus_unlock_all(vcpus);
	assert_int_equal(bf_vcpus_lock_all(vcpus), 0);
	bf_vcpus_unlock_all(vcpus);
}

static void test_lock_all_beside_a_creation(void **state)
{
	struct bf_vcpus_entry *entry = &cpus[3].entry;

	add_some(2);
	assert_int_equal(bf_vcpus_reserve(vcpus, entry, 1, &vcpu_ops, 0), 0);
	assert_int_equal(bf_vcpus_lock_all(vcpus), -EBUSY);
	assert_int_equal(bf_vcpus_trylock_all(vcpus), -EBUSY);
	assert_int_equal(bf_vcpus_trylock(&cpus[0].entry), 0);
	bf_vcpus_unlock(&cpus[0].entry);
	bf_vcpus_cancel(entry);
	assert_int_equal(bf_vcpus_lock_all(vcpus), 0);
	bf_vcpus_unlock_all(vcpus);
}

static void test_removal_beside_lock_all(void **state)
{
	add_some(3);
	assert_int_equal(bf_vcpus_lock_all(vcpus), 0);
	assert_int_equal(bf_vcpus_remove_async(&cpus[1].entry), 0);
	assert_null(by_index(1));
	usleep(2000);
	assert_int_equal(get(&cpus[1].released), 0);
	bf_vcpus_unlock_all(vcpus);
	wait_for(&cpus[1].released, 1);
	assert_int_equal(bf_vcpus_trylock(&cpus[2].entry), 0);
	bf_vcpus_unlock(&cpus[2].entry);
}

static int creator_began, creator_done;

static void *creator_main(void *unused)
{
	set(&creator_began, 1);
	assert_int_equal(add(9, 99), 0);
	set(&creator_done, 1);
	return NULL;
}

static void test_creation_sleeps_while_all_are_locked(void **state)
{
	pthread_t creator;

	add_some(3);
	assert_int_equal(bf_vcpus_lock_all(vcpus), 0);
	assert_int_equal(pthread_create(&creator, NULL, creator_main, NULL), 0);
	wait_for(&creator_began, 1);
	usleep(5000);
	assert_int_equal(get(&creator_done), 0);
	check_counts(3, 3);
	bf_vcpus_unlock_all(vcpus);
	pthread_join(creator, NULL);
	check_counts(4, 4);
}

/* Waits in lock(), which gives what it returned. */
struct waiter {
	pthread_t thread;
	int (*lock)(void);
	int done, result;
};

static int lock_second(void)
{
	return bf_vcpus_lock(&cpus[1].entry);
}

static int lock_them_all(void)
{
	return bf_vcpus_lock_all(vcpus);
}

static void *waiter_main(void *arg)
{
	struct waiter *waiter = arg;

	waiter->result = waiter->lock();
	set(&waiter->done, 1);
	return NULL;
}

static void start_waiter(struct waiter *waiter, int (*lock)(void))
{
	*waiter = (struct waiter){.lock = lock};
	assert_int_equal(
		pthread_create(&waiter->thread, NULL, waiter_main, waiter), 0);
}

static void handle(int signal)
{
}

/* Until it is noticed: a signal that comes just before the sleep is not. */
static void interrupt(struct waiter *waiter)
{
	while (!get(&waiter->done)) {
		pthread_kill(waiter->thread, SIGUSR1);
		usleep(1000);
	}
	pthread_join(waiter->thread, NULL);
	assert_int_equal(waiter->result, -EINTR);
}

static void test_signal_ends_the_wait(void **state)
{
	struct sigaction action = {.sa_handler = handle}, old;
	struct waiter waiter;

	assert_int_equal(sigaction(SIGUSR1, &action, &old), 0);
	add_some(3);
	assert_int_equal(bf_vcpus_lock(&cpus[1].entry), 0);
	start_waiter(&waiter, lock_second);
	interrupt(&waiter);
	start_waiter(&waiter, lock_them_all);
	interrupt(&waiter);
	assert_int_equal(bf_vcpus_trylock(&cpus[0].entry), 0);
	bf_vcpus_unlock(&cpus[0].entry);
	bf_vcpus_unlock(&cpus[1].entry);
	assert_int_equal(bf_vcpus_lock_all(vcpus), 0);
	/* At the gate, too. */
	start_waiter(&waiter, lock_them_all);
	interrupt(&waiter);
	bf_vcpus_unlock_all(vcpus);
	sigaction(SIGUSR1, &old, NULL);
}

static void test_lock_all_waits_for_each(void **state)
{
	struct waiter waiter;

	add_some(3);
	assert_int_equal(bf_vcpus_lock(&cpus[1].entry), 0);
	start_waiter(&waiter, lock_them_all);
	/* It has the first one, and waits for the second. */
	while (!bf_vcpus_trylock(&cpus[0].entry)) {
		bf_vcpus_unlock(&cpus[0].entry);
		usleep(100);
	}
	usleep(2000);
	assert_int_equal(get(&waiter.done), 0);
	bf_vcpus_unlock(&cpus[1].entry);
	pthread_join(waiter.thread, NULL);
	assert_int_equal(waiter.result, 0);
	assert_int_equal(bf_vcpus_trylock(&cpus[2].entry), -EBUSY);
	bf_vcpus_unlock_all(vcpus);
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_found_by_index_and_id),
		TEST(test_out_of_range_is_null),
		TEST(test_largest_id),
		TEST(test_being_created_is_null),
		TEST(test_index_in_order_of_publication),
		TEST(test_many_creations_at_once),
		TEST(test_cancel),
		TEST(test_limits_come_first),
		TEST(test_largest_limits),
		TEST(test_unknown_flags),
		TEST(test_refused_entry_is_untouched),
		TEST(test_indices_run_out),
		TEST(test_removed_is_a_hole),
		TEST(test_index_used_again_when_asked_for),
		TEST(test_table_that_uses_indices_again),
		TEST(test_reader_keeps_what_it_found),
		TEST(test_remove_waits_for_readers),
		TEST(test_release_may_create),
		TEST(test_without_functions),
		TEST(test_destroy_releases_the_rest),
		TEST(test_domain_of_the_caller),
		TEST(test_iteration),
		TEST(test_iteration_beside_changes),
		TEST(test_kick_all),
		TEST(test_lock_one),
		TEST(test_trylock_all_backs_out),
		TEST(test_lock_all_beside_a_creation),
		TEST(test_removal_beside_lock_all),
		TEST(test_creation_sleeps_while_all_are_locked),
		TEST(test_signal_ends_the_wait),
		TEST(test_lock_all_waits_for_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
