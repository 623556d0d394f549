// SPDX-License-Identifier: MIT
/*
 * An id is created again as soon as it is free in the table, when the removed
 * vCPU has not reached the engine yet.  The SRCU worker takes it there; to
 * widen the window, the worker sleeps after each unlock.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/vm.h"
#include "testing/trap/optional.h"

#define ROUNDS 20

static bool delayed;
static pthread_t creator;

int __real_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock);

int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
	int ret = __real_pthread_mutex_unlock(lock);

	if (__atomic_load_n(&delayed, __ATOMIC_ACQUIRE) &&
	    !pthread_equal(pthread_self(), creator))
		usleep(5000);
	return ret;
}

static void set_delayed(bool value)
{
	__atomic_store_n(&delayed, value, __ATOMIC_RELEASE);
}

static void create_and_remove(struct bf_vm *vm)
{
	struct bf_vcpu *vcpu;

	creator = pthread_self();
	set_delayed(true);
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(bf_vcpu_create(vm, 7, &vcpu), 0);
		bf_vcpu_entry_remove_async(bf_vcpu_get_entry(vcpu), NULL, NULL);
		while (bf_vcpus_created(bf_vm_vcpus(vm)))
			sched_yield();
	}
	set_delayed(false);
	bf_vm_destroy(vm);
}

static void test_kvm(void **state)
{
	struct bf_vm *vm;

	if (bf_vm_create(NULL, &vm))
		skip();
	create_and_remove(vm);
}

static void test_trap(void **state)
{
	const struct bf_vm_config config = {.engine = trap_engine};
	struct bf_vm *vm;

	if (!trap_engine)
		skip();
	assert_int_equal(bf_vm_create(&config, &vm), 0);
	create_and_remove(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kvm),
		cmocka_unit_test(test_trap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
