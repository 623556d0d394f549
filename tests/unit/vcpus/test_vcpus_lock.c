// SPDX-License-Identifier: MIT
/* The vCPU table: locking one vCPU, and all. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "tests/flags.h"
#include "vcpus_fixture.h"

static void test_lock_one(void **state)
{
	struct bf_vcpu_entry *entry = &cpus[0].entry;

	assert_int_equal(bf_vcpus_reserve(vcpus, entry, 1, &vcpu_ops, 0), 0);
	assert_int_equal(bf_vcpu_entry_lock(entry), 0);
	bf_vcpu_entry_publish(entry);
	assert_int_equal(bf_vcpu_entry_trylock(entry), -EBUSY);
	bf_vcpu_entry_unlock(entry);
	assert_int_equal(bf_vcpu_entry_trylock(entry), 0);
	bf_vcpu_entry_unlock(entry);
}

static void test_trylock_all_backs_out(void **state)
{
	unsigned int i;

	add_some(4);
	assert_int_equal(bf_vcpu_entry_lock(&cpus[2].entry), 0);
	assert_int_equal(bf_vcpus_trylock_all(vcpus), -EINTR);
	for (i = 0; i < 4; i++) {
		assert_int_equal(bf_vcpu_entry_trylock(&cpus[i].entry),
				 i == 2 ? -EBUSY : 0);
		bf_vcpu_entry_unlock(&cpus[i].entry);
	}
	assert_int_equal(bf_vcpus_trylock_all(vcpus), 0);
	/* The list from which unlock_all() unlocks, last locked first. */
	for (i = 4; i-- > 1;)
		assert_ptr_equal(cpus[i].entry.locked_before,
				 &cpus[i - 1].entry);
	assert_ptr_equal(vcpus->locked, &cpus[3].entry);
	assert_int_equal(bf_vcpus_trylock_all(vcpus), -EBUSY);
	for (i = 0; i < 4; i++)
		assert_int_equal(bf_vcpu_entry_trylock(&cpus[i].entry), -EBUSY);
	bf_vcpus_unlock_all(vcpus);
	assert_int_equal(bf_vcpus_lock_all(vcpus), 0);
	bf_vcpus_unlock_all(vcpus);
}

static void test_lock_all_beside_a_creation(void **state)
{
	struct bf_vcpu_entry *entry = &cpus[3].entry;

	add_some(2);
	assert_int_equal(bf_vcpus_reserve(vcpus, entry, 1, &vcpu_ops, 0), 0);
	assert_int_equal(bf_vcpus_lock_all(vcpus), -EBUSY);
	assert_int_equal(bf_vcpus_trylock_all(vcpus), -EBUSY);
	assert_int_equal(bf_vcpu_entry_trylock(&cpus[0].entry), 0);
	bf_vcpu_entry_unlock(&cpus[0].entry);
	bf_vcpu_entry_cancel(entry);
	assert_int_equal(bf_vcpus_lock_all(vcpus), 0);
	bf_vcpus_unlock_all(vcpus);
}

static void test_removal_beside_lock_all(void **state)
{
	add_some(3);
	assert_int_equal(bf_vcpus_lock_all(vcpus), 0);
	assert_int_equal(bf_vcpu_entry_remove_async(&cpus[1].entry, NULL, NULL),
			 0);
	assert_null(table_index(1));
	usleep(2000);
	assert_int_equal(get(&cpus[1].released), 0);
	bf_vcpus_unlock_all(vcpus);
	wait_for(&cpus[1].released, 1);
	assert_int_equal(bf_vcpu_entry_trylock(&cpus[2].entry), 0);
	bf_vcpu_entry_unlock(&cpus[2].entry);
}

static int creator_began, creator_done;

static void *creator_main(void *unused)
{
	set(&creator_began, 1);
	assert_int_equal(add_vcpu(9, 99), 0);
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

/* A thread that waits in lock(). */
struct waiter {
	pthread_t thread;
	int (*lock)(void);
	int done, result;
};

static int lock_second(void)
{
	return bf_vcpu_entry_lock(&cpus[1].entry);
}

static int lock_all(void)
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

static void handle_signal(int signal)
{
}

/*
 * Sends signals until the wait ends: a signal that arrives just before the
 * sleep does not interrupt it.
 */
static void interrupt_waiter(struct waiter *waiter)
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
	struct sigaction action = {.sa_handler = handle_signal}, old;
	struct waiter waiter;

	assert_int_equal(sigaction(SIGUSR1, &action, &old), 0);
	add_some(3);
	assert_int_equal(bf_vcpu_entry_lock(&cpus[1].entry), 0);
	start_waiter(&waiter, lock_second);
	interrupt_waiter(&waiter);
	start_waiter(&waiter, lock_all);
	interrupt_waiter(&waiter);
	assert_int_equal(bf_vcpu_entry_trylock(&cpus[0].entry), 0);
	bf_vcpu_entry_unlock(&cpus[0].entry);
	bf_vcpu_entry_unlock(&cpus[1].entry);
	assert_int_equal(bf_vcpus_lock_all(vcpus), 0);
	/* A signal ends the wait at the gate as well. */
	start_waiter(&waiter, lock_all);
	interrupt_waiter(&waiter);
	bf_vcpus_unlock_all(vcpus);
	sigaction(SIGUSR1, &old, NULL);
}

static void test_lock_all_waits_for_each(void **state)
{
	struct waiter waiter;

	add_some(3);
	assert_int_equal(bf_vcpu_entry_lock(&cpus[1].entry), 0);
	start_waiter(&waiter, lock_all);
	/* Until the waiter has locked the first vCPU. */
	while (!bf_vcpu_entry_trylock(&cpus[0].entry)) {
		bf_vcpu_entry_unlock(&cpus[0].entry);
		usleep(100);
	}
	usleep(2000);
	assert_int_equal(get(&waiter.done), 0);
	bf_vcpu_entry_unlock(&cpus[1].entry);
	pthread_join(waiter.thread, NULL);
	assert_int_equal(waiter.result, 0);
	assert_int_equal(bf_vcpu_entry_trylock(&cpus[2].entry), -EBUSY);
	bf_vcpus_unlock_all(vcpus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE_TEST(test_lock_one),
		TABLE_TEST(test_trylock_all_backs_out),
		TABLE_TEST(test_lock_all_beside_a_creation),
		TABLE_TEST(test_removal_beside_lock_all),
		TABLE_TEST(test_creation_sleeps_while_all_are_locked),
		TABLE_TEST(test_signal_ends_the_wait),
		TABLE_TEST(test_lock_all_waits_for_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
