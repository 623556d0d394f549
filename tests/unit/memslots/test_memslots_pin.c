// SPDX-License-Identifier: MIT
/*
 * Pins and removals.  The linker wraps pthread_mutex_lock(), and the race below
 * delays each thread before it takes a lock of the map.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "memslots_fixture.h"

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);

static bool delays;
static __thread unsigned int seed;

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	struct timespec delay = {.tv_sec = 0};

	if (__atomic_load_n(&delays, __ATOMIC_RELAXED)) {
		delay.tv_nsec = rand_r(&seed) % 100000;
		nanosleep(&delay, NULL);
	}
	return __real_pthread_mutex_lock(mutex);
}

struct holder {
	struct bf_memslots_pinned *pin;
	char *hva;
	int revoked;   /* calls of revoke_pin() */
	bool lets_go;  /* what revoke_pin() returns */
	bool unpinned; /* the memory is not used any more */
	sem_t removed;
};

static bool revoke_pin(void *opaque)
{
	struct holder *holder = opaque;

	if (holder->lets_go)
		__atomic_store_n(&holder->unpinned, true, __ATOMIC_RELAXED);
	__atomic_fetch_add(&holder->revoked, 1, __ATOMIC_RELAXED);
	return holder->lets_go;
}

static int pin(struct holder *holder, uint64_t gpa, uint64_t len)
{
	const struct bf_memslots_pin_desc desc = {
		.gpa = gpa,
		.len = len,
		.write = true,
		.revoke = revoke_pin,
		.opaque = holder,
	};
	void *hva;
	int ret = bf_memslots_pin(map, &desc, &holder->pin, &hva);

	holder->hva = ret ? NULL : hva;
	return ret;
}

static void test_pin_finds_memory(void **state)
{
	struct kvm_userspace_memory_region rom = region(1, PAGE, 1, 1);
	const struct bf_memslots_pin_desc without = {.len = 1};
	struct holder holder = {.lets_go = false};

	rom.flags = KVM_MEM_READONLY;
	assert_int_equal(set(0, 0, 1, 0), 0);
	assert_int_equal(bf_memslots_set(map, &rom), 0);
	assert_int_equal(bf_memslots_pin(map, &without, NULL, NULL), -EINVAL);
	assert_int_equal(pin(&holder, 2 * PAGE, 1), -ENOENT);
	assert_int_equal(pin(&holder, PAGE, 1), -ENOENT);
	assert_int_equal(pin(&holder, 8, PAGE), -ENOENT);
	assert_int_equal(pin(&holder, 8, PAGE - 8), 0);
	assert_ptr_equal(holder.hva, memory + 8);
	bf_memslots_unpin(holder.pin);
	assert_int_equal(bf_memslots_remove(map, 0), 0);
	assert_int_equal(holder.revoked, 0);
}

/* Changes that leave the memory at its place do not revoke. */
static void test_unconcerned_changes(void **state)
{
	struct kvm_userspace_memory_region changes[] = {
		{.slot = 0}, region(0, 0, 3, 0), /* slot 0, grown */
	};
	struct holder holder = {.lets_go = false};

	assert_int_equal(set(0, 0, 1, 0), 0);
	assert_int_equal(set(1, 4 * PAGE, 1, 4), 0);
	assert_int_equal(pin(&holder, 0, PAGE), 0);
	assert_int_equal(bf_memslots_remove(map, 1), 0);
	assert_int_equal(bf_memslots_commit(map, changes, NULL, 2, NULL), 0);
	changes[1].flags = KVM_MEM_LOG_DIRTY_PAGES;
	assert_int_equal(bf_memslots_set(map, &changes[1]), 0);
	assert_int_equal(bf_memslots_remove(map, 9), -EINVAL);
	assert_int_equal(holder.revoked, 0);
	bf_memslots_unpin(holder.pin);
}

static void *unpin_later(void *arg)
{
	const struct timespec in_flight = {.tv_nsec = 20000000};
	struct holder *holder = arg;

	while (!__atomic_load_n(&holder->revoked, __ATOMIC_RELAXED))
		sched_yield();
	nanosleep(&in_flight, NULL);
	__atomic_store_n(&holder->unpinned, true, __ATOMIC_RELAXED);
	bf_memslots_unpin(holder->pin);
	return NULL;
}

static void test_removal_waits_for_unpin(void **state)
{
	struct holder holder = {.lets_go = false}, other = {.lets_go = true};
	pthread_t thread;

	assert_int_equal(set(0, 0, 1, 0), 0);
	assert_int_equal(pin(&holder, 0, 1), 0);
	assert_int_equal(pin(&other, 0, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, unpin_later, &holder),
			 0);
	assert_int_equal(bf_memslots_remove(map, 0), 0);
	assert_true(__atomic_load_n(&holder.unpinned, __ATOMIC_RELAXED));
	assert_int_equal(other.revoked, 1);
	pthread_join(thread, NULL);
	assert_int_equal(holder.revoked, 1);
	assert_int_equal(pin(&holder, 0, 1), -ENOENT);
}

static void test_move_waits_for_unpin(void **state)
{
	struct holder holder = {.lets_go = false};
	pthread_t thread;

	assert_int_equal(set(0, 0, 1, 0), 0);
	assert_int_equal(pin(&holder, 0, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, unpin_later, &holder),
			 0);
	assert_int_equal(set(0, PAGE, 1, 0), 0);
	assert_true(__atomic_load_n(&holder.unpinned, __ATOMIC_RELAXED));
	pthread_join(thread, NULL);
}

static void note_removed(void *opaque)
{
	struct holder *holder = opaque;

	assert_true(__atomic_load_n(&holder->unpinned, __ATOMIC_RELAXED));
	sem_post(&holder->removed);
}

/* The callback comes after the last of two unpins, and not before. */
static void test_async_removal_waits_for_unpin(void **state)
{
	struct holder a = {.lets_go = false}, b = {.lets_go = false};

	sem_init(&b.removed, 0, 0);
	assert_int_equal(set(0, 0, 1, 0), 0);
	assert_int_equal(pin(&a, 0, 1), 0);
	assert_int_equal(pin(&b, 0, 1), 0);
	assert_int_equal(bf_memslots_remove_async(map, 0, note_removed, &b), 0);
	assert_int_equal(a.revoked, 1);
	assert_int_equal(b.revoked, 1);
	bf_memslots_unpin(a.pin);
	srcu_barrier(&map->srcu);
	assert_int_equal(sem_trywait(&b.removed), -1);
	b.unpinned = true;
	bf_memslots_unpin(b.pin);
	sem_wait(&b.removed);
	sem_destroy(&b.removed);
}

/* A second removal does not revoke again, and does not wait for the pin. */
static void test_revoked_once(void **state)
{
	struct holder holder = {.lets_go = false};

	sem_init(&holder.removed, 0, 0);
	assert_int_equal(set(0, 0, 1, 0), 0);
	assert_int_equal(pin(&holder, 0, 1), 0);
	assert_int_equal(
		bf_memslots_remove_async(map, 0, note_removed, &holder), 0);
	assert_int_equal(set(0, 0, 1, 1), 0);
	assert_int_equal(bf_memslots_remove(map, 0), 0);
	assert_int_equal(holder.revoked, 1);
	holder.unpinned = true;
	bf_memslots_unpin(holder.pin);
	sem_wait(&holder.removed);
	sem_destroy(&holder.removed);
}

/*
 * Holders pin, use and unpin the page while the updater adds and removes it.
 * After a removal the page belongs to the updater.
 */
#define HOLDERS	 3
#define REMOVALS 300

static bool stop;
static unsigned long pinned, wrong;

static void use_page(struct holder *holder, unsigned int rounds)
{
	while (rounds--) {
		if (*(volatile char *)holder->hva != 'g')
			__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
		sched_yield();
	}
}

static void *pin_and_unpin(void *arg)
{
	struct holder holder = {.lets_go = false};

	seed = (unsigned int)(uintptr_t)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		holder.revoked = 0;
		if (pin(&holder, 0, 1))
			continue;
		__atomic_fetch_add(&pinned, 1, __ATOMIC_RELAXED);
		use_page(&holder, (unsigned int)rand_r(&seed) % 4);
		if (rand_r(&seed) % 2)
			while (!__atomic_load_n(&holder.revoked,
						__ATOMIC_RELAXED) &&
			       !__atomic_load_n(&stop, __ATOMIC_RELAXED))
				use_page(&holder, 1);
		use_page(&holder, 1);
		bf_memslots_unpin(holder.pin);
	}
	return NULL;
}

static void post(void *opaque)
{
	sem_post(opaque);
}

static void remove_page(bool async)
{
	sem_t removed;

	if (!async) {
		assert_int_equal(bf_memslots_remove(map, 0), 0);
		return;
	}
	sem_init(&removed, 0, 0);
	assert_int_equal(bf_memslots_remove_async(map, 0, post, &removed), 0);
	sem_wait(&removed);
	sem_destroy(&removed);
}

static void test_pins_beside_removals(void **state)
{
	const struct timespec in_use = {.tv_nsec = 100000};
	pthread_t threads[HOLDERS];
	uintptr_t i;

	stop = false;
	__atomic_store_n(&delays, true, __ATOMIC_RELAXED);
	for (i = 0; i < HOLDERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						pin_and_unpin, (void *)(i + 1)),
				 0);
	for (i = 0; i < REMOVALS; i++) {
		memory[0] = 'g';
		assert_int_equal(set(0, 0, 1, 0), 0);
		sched_yield();
		remove_page(i % 2);
		memory[0] = 'u';
		nanosleep(&in_use, NULL);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < HOLDERS; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&delays, false, __ATOMIC_RELAXED);
	assert_int_equal(wrong, 0);
	assert_true(pinned > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MAP_TEST(test_pin_finds_memory),
		MAP_TEST(test_unconcerned_changes),
		MAP_TEST(test_removal_waits_for_unpin),
		MAP_TEST(test_move_waits_for_unpin),
		MAP_TEST(test_async_removal_waits_for_unpin),
		MAP_TEST(test_revoked_once),
		MAP_TEST(test_pins_beside_removals),
	};

	return cmocka_run_group_tests_name("memslots_pin", tests, NULL, NULL);
}
