// SPDX-License-Identifier: MIT
/*
 * An id is created again as soon as the table has it free, while the removed
 * vCPU is on its way to the engine still: the SRCU worker, which brings it
 * there, is late whenever it gives a lock back.
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

#define LIVES 20

static bool late;
static pthread_t creator;

int __real_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock);

int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
	int ret = __real_pthread_mutex_unlock(lock);

	if (__atomic_load_n(&late, __ATOMIC_ACQUIRE) &&
	    !pthread_equal(pthread_self(), creator))
		usleep(5000);
	return ret;
}

static void be_late(bool how)
{
	__atomic_store_n(&late, how, __ATOMIC_RELEASE);
}

static void live_again(struct bf_vm *vm)
{
	struct bf_vcpu *vcpu;

	creator = pthread_self();
	be_late(true);
	for (int i = 0; i < LIVES; i++) {
		assert_int_equal(bf_vcpu_create(vm, 7, &vcpu), 0);
		bf_vcpus_remove_async(bf_vcpu_entry(vcpu));
		while (bf_vcpus_created(bf_vm_vcpus(vm)))
			sched_yield();
	}
	be_late(false);
	bf_vm_destroy(vm);
}

static void test_kvm(void **state)
{
	static const struct bf_vm_config config = {.engine = BF_ENGINE_KVM};
	struct bf_vm *vm;

	if (bf_vm_create(&vm, &config))
		skip();
	live_again(vm);
}

static void test_trap(void **state)
{
#ifdef BF_HAVE_TRAP
	static const struct bf_vm_config config = {.engine = BF_ENGINE_TRAP};
	struct bf_vm *vm;

	assert_int_equal(bf_vm_create(&vm, &config), 0);
	live_again(vm);
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kvm),
		cmocka_unit_test(test_trap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
