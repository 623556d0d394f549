/* SPDX-License-Identifier: MIT */
/* What is known of fd numbers, without any KVM. */
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "io_bus/eventfd.h"
#include "preload/interpose/config.h"
#include "preload/fds/fdtable.h"
#include "preload/fds/own.h"

#define MAX_FD ((1 << 20) - 1)

static uint32_t refs(struct object *obj)
{
	return atomic_load(&obj->refs);
}

static void test_unknown_numbers(void **state)
{
	const int numbers[] = {-1,   INT_MIN, 0,	  5,
			       1023, MAX_FD,  MAX_FD + 1, INT_MAX};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_false(fdtable_knows(numbers[i]));
		assert_null(fdtable_get(numbers[i]));
		assert_null(fdtable_take(numbers[i]));
	}
}

static void test_set_get_take(void **state)
{
	const int numbers[] = {0, 3, 1023, 1024, MAX_FD};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct object *vm = object_new_vm();

		assert_true(fdtable_set(numbers[i], vm));
		assert_true(fdtable_knows(numbers[i]));
		assert_ptr_equal(fdtable_get(numbers[i]), vm);
		assert_int_equal(refs(vm), 2);
		object_put(vm);
		assert_null(fdtable_get_kind(numbers[i], OBJECT_VCPU));
		assert_int_equal(refs(vm), 1);
		assert_ptr_equal(fdtable_take(numbers[i]), vm);
		assert_null(fdtable_get(numbers[i]));
		object_put(vm);
		assert_int_equal(refs(vm), 0);
	}
}

static void test_numbers_too_large(void **state)
{
	struct object *vm = object_new_vm();

	assert_false(fdtable_set(MAX_FD + 1, vm));
	assert_false(fdtable_set(-1, vm));
	assert_int_equal(refs(vm), 1);
	object_put(vm);
}

/* A number that was closed where nobody looked belongs to its new owner. */
static void test_stale_number(void **state)
{
	struct object *old = object_new_vm(), *new = object_new_vm();

	assert_true(fdtable_set(7, old));
	assert_true(fdtable_set(7, new));
	assert_int_equal(refs(old), 0);
	assert_ptr_equal(fdtable_take(7), new);
	object_put(new);
}

static void test_vcpu_holds_vm(void **state)
{
	struct object *vm = object_new_vm();
	struct object *vcpu = object_new_vcpu(vm);

	assert_true(fdtable_set(8, vm));
	assert_true(fdtable_set(9, vcpu));
	object_put(fdtable_take(8));
	assert_int_equal(refs(vm), 1);
	object_put(fdtable_take(9));
	assert_int_equal(refs(vm), 0);
}

static void test_tryget_of_dead(void **state)
{
	struct object *vm = object_new_vm();

	assert_true(object_tryget(vm));
	object_put(vm);
	object_put(vm);
	assert_false(object_tryget(vm));
}

static int walked[8];
static size_t nr_walked;

static void walk(int fd)
{
	assert_true(nr_walked < 8);
	walked[nr_walked++] = fd;
}

static void test_walk(void **state)
{
	const int numbers[] = {2, 1023, 1024, 5000};
	size_t count = sizeof(numbers) / sizeof(numbers[0]);

	for (size_t i = 0; i < count; i++)
		fdtable_set(numbers[i], object_new_vm());
	nr_walked = 0;
	fdtable_walk(0, UINT_MAX, walk);
	assert_int_equal(nr_walked, 4);
	nr_walked = 0;
	fdtable_walk(3, 1024, walk);
	assert_int_equal(nr_walked, 2);
	assert_int_equal(walked[0], 1023);
	assert_int_equal(walked[1], 1024);
	nr_walked = 0;
	fdtable_walk(3, 1023, walk);
	assert_int_equal(nr_walked, 1);
	fdtable_walk(UINT_MAX, UINT_MAX, walk);
	assert_int_equal(nr_walked, 1);
	for (size_t i = 0; i < count; i++)
		object_put(fdtable_take(numbers[i]));
}

static void test_forget(void **state)
{
	struct object *vm = object_new_vm();

	assert_true(fdtable_set(11, vm));
	fdtable_forget();
	assert_false(fdtable_knows(11));
	assert_int_equal(refs(vm), 1);
	object_put(vm);
}

static void test_own_numbers(void **state)
{
	int first = own_dup(0), second = own_dup(0);
	int low = first - 1, high = second + 1;

	assert_true(first >= OWN_MIN && second > first);
	assert_true(own_has(first) && own_has(second));
	assert_false(own_has(low) || own_has(high) || own_has(-1));
	assert_int_equal(own_first(0, UINT_MAX), first);
	assert_int_equal(own_first((unsigned int)first + 1, UINT_MAX), second);
	assert_int_equal(own_first((unsigned int)high, UINT_MAX), -1);
	assert_int_equal(own_first(0, (unsigned int)low), -1);
	assert_int_equal(own_first(UINT_MAX, UINT_MAX), -1);
	own_close(first);
	assert_false(own_has(first));
	assert_int_equal(close(first), -1);
	assert_int_equal(own_first(0, UINT_MAX), second);
	own_close(second);
}

/* High where there is room, and anywhere else but in the way. */
static void test_own_under_limit(void **state)
{
	int efd = eventfd(0, EFD_CLOEXEC);
	const struct bf_eventfd_numbers numbers = {own_dup, own_close_run};
	struct bf_eventfd bell[2];
	struct rlimit limit, tight;
	int own;

	bf_eventfd_set_numbers(&numbers);
	assert_int_equal(bf_eventfd_get(&bell[0], efd), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	tight = limit;
	tight.rlim_cur = 32;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	assert_int_equal(bf_eventfd_get(&bell[1], efd), 0);
	own = own_dup(efd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);

	assert_true(bell[0].fd >= OWN_MIN);
	assert_in_range(bell[1].fd, STDERR_FILENO + 1, 31);
	assert_in_range(own, STDERR_FILENO + 1, 31);
	assert_true(own_has(own) && own_has(bell[0].fd) && own_has(bell[1].fd));
	own_close(own);
	bf_eventfd_put(&bell[0]);
	bf_eventfd_put(&bell[1]);
	assert_false(own_has(bell[0].fd) || own_has(bell[1].fd));
	close(efd);
}

enum { STRESS_FD = 20, STRESS_ROUNDS = 1000000 };

static atomic_bool stop;

/* Whatever is found is whole: a vCPU whose VM is a VM, and alive. */
static void *look_up(void *found)
{
	_Atomic uint64_t *count = found;

	while (!atomic_load(&stop)) {
		struct object *obj = fdtable_get(STRESS_FD);

		if (!obj)
			continue;
		if (obj->kind != OBJECT_VCPU ||
		    obj->vcpu.vm->kind != OBJECT_VM || !refs(obj->vcpu.vm))
			return NULL;
		object_put(obj);
		atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
	}
	return found;
}

static void replace(void)
{
	struct object *vm = object_new_vm();
	struct object *vcpu = object_new_vcpu(vm);

	object_put(vm);
	fdtable_set(STRESS_FD, vcpu);
	vcpu = fdtable_take(STRESS_FD);
	assert_non_null(vcpu);
	object_put(vcpu);
}

static void test_readers_and_reuse(void **state)
{
	_Atomic uint64_t found[2] = {0, 0};
	pthread_t threads[2];
	void *ret;

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, look_up, &found[i]);
	for (int i = 0; i < STRESS_ROUNDS; i++)
		replace();
	/* Until both have found one, on a machine with one processor too. */
	fdtable_set(STRESS_FD, object_new_vcpu(object_new_vm()));
	for (int i = 0; i < 2; i++) {
		while (!atomic_load(&found[i]))
			sched_yield();
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &ret);
		assert_ptr_equal(ret, &found[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown_numbers),
		cmocka_unit_test(test_set_get_take),
		cmocka_unit_test(test_numbers_too_large),
		cmocka_unit_test(test_stale_number),
		cmocka_unit_test(test_vcpu_holds_vm),
		cmocka_unit_test(test_tryget_of_dead),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_own_numbers),
		cmocka_unit_test(test_own_under_limit),
		cmocka_unit_test(test_readers_and_reuse),
	};

	config.pid = getpid();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
