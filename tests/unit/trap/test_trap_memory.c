/* SPDX-License-Identifier: MIT */
/* Slots of the trap engine that change while vCPUs run. */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "belfry/vm.h"
#include "trap_fixture.h"

#define REGIONS	  8
#define REGION	  0x1000u
#define ELSEWHERE 0x100000u /* gpa without memory */

GUEST(stores);
GUEST(stores_forever);
GUEST(insl);

static void *run_in_thread(void *arg)
{
	struct machine *m = arg;

	assert_int_equal(bf_trap_vcpu_run(m->vcpu), -EINTR);
	return NULL;
}

static bool claim_all(struct machine *m)
{
	return true;
}

static uint64_t gpa_of(unsigned int i)
{
	return ELSEWHERE + (uint64_t)i * REGION;
}

/* Changes the slots around that of the guest's code. */
static void add_and_remove(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < REGIONS; i++)
		assert_int_equal(machine_slot(m, 1 + i, gpa_of(i), REGION,
					      m->memory + OPERANDS),
				 0);
	for (i = 0; i < REGIONS; i++)
		assert_int_equal(machine_slot(m, 1 + i, 0, 0, NULL), 0);
}

/*
 * Each store is a trap that looks up the guest's code in the slots.  If the
 * slot of the code is missing for a moment, the fault kills the process.
 */
static void test_change_beside_stores(void **state)
{
	enum { ROUNDS = 1000 };
	struct machine *m = *state;
	unsigned long exits;
	pthread_t thread;
	int i;

	m->hook = claim_all;
	boot(m, stores_forever, window_addr(m, 0), 0, 1, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, run_in_thread, m), 0);
	for (i = 0; i < ROUNDS; i++) {
		exits = atomic_load(&m->exits);
		add_and_remove(m);
		while (atomic_load(&m->exits) == exits)
			sched_yield();
	}
	bf_trap_vcpu_kick(m->vcpu);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static bool change_in_exit(struct machine *m)
{
	add_and_remove(m);
	return true;
}

/* exit_fn is called outside of read-side sections, so it may wait for them. */
static void test_change_in_exit(void **state)
{
	struct machine *m = *state;

	m->hook = change_in_exit;
	boot(m, stores, window_addr(m, 0), 0, 1, 10, 0);
	run_to(m, KVM_EXIT_HLT);
	assert_int_equal(atomic_load(&m->exits), 10);
}

static void remove_and_unmap(struct machine *m, char *page)
{
	assert_int_equal(machine_slot(m, 1, 0, 0, NULL), 0);
	assert_int_equal(munmap(page, REGION), 0);
}

/* The caller removes and unmaps memory before it completes the exit. */
static void test_string_target_unmapped(void **state)
{
	struct machine *m = *state;
	char *page = mmap(NULL, REGION, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(machine_slot(m, 1, ELSEWHERE, REGION, page), 0);
	m->claim = false;
	boot(m, insl, (uintptr_t)page, 0, 0, 0, 2);
	run_to(m, KVM_EXIT_IO);
	remove_and_unmap(m, page);
	run_to(m, KVM_EXIT_INTERNAL_ERROR);
}

/* Slots of a VM that uses the machine's memory. */

static struct bf_vm *vm;

static int setup_vm(void **state)
{
	const struct bf_trap_config window = {WINDOW_GPA, WINDOW_SIZE};
	const struct bf_vm_config config = {
		.engine = &bf_trap_engine,
		.engine_config = &window,
	};

	assert_int_equal(machine_setup(state), 0);
	return bf_vm_create(&config, &vm);
}

static int teardown_vm(void **state)
{
	bf_vm_destroy(vm);
	return machine_teardown(state);
}

static int set_slot(uint32_t slot, uint64_t gpa, uint64_t size, char *hva)
{
	const struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return bf_memslots_set(bf_vm_memslots(vm), &region);
}

/* A removal goes by the slot number alone. */
static void test_remove_slot(void **state)
{
	struct machine *m = *state;

	assert_int_equal(set_slot(0, 0, 0, NULL), -EINVAL);
	assert_int_equal(set_slot(3, 0, REGION, m->memory), 0);
	assert_int_equal(set_slot(5, REGION, REGION, m->memory), 0);
	assert_int_equal(set_slot(4, 0, 0, NULL), -EINVAL);
	assert_int_equal(set_slot(5, 1, 0, NULL), -EINVAL);
	assert_int_equal(set_slot(5, 0, 0, NULL), 0);
	assert_int_equal(bf_vm_guest_addr(vm, REGION), 0);
	assert_int_equal(bf_vm_guest_addr(vm, 0), (uintptr_t)m->memory);
	assert_int_equal(set_slot(5, 0, 0, NULL), -EINVAL);
	assert_int_equal(set_slot(3, 0, 0, NULL), 0);
	assert_int_equal(bf_vm_guest_addr(vm, 0), 0);
	assert_int_equal(set_slot(3, 0, 2 * REGION, m->memory), 0);
}

static void test_change_slot(void **state)
{
	struct machine *m = *state;

	assert_int_equal(set_slot(1, 0, REGION, m->memory), 0);
	assert_int_equal(set_slot(1, 0, REGION, m->memory), 0);
	assert_int_equal(set_slot(1, 0, 2 * REGION, m->memory), -EINVAL);
	assert_int_equal(set_slot(1, 0, REGION, m->memory + REGION), -EINVAL);
	/* The changed size is found before the overlap. */
	assert_int_equal(set_slot(1, WINDOW_GPA, 2 * REGION, m->memory),
			 -EINVAL);
	assert_int_equal(bf_vm_guest_addr(vm, 0), (uintptr_t)m->memory);
}

static void test_overlapping_slots(void **state)
{
	struct machine *m = *state;

	assert_int_equal(set_slot(1, REGION, 2 * REGION, m->memory), 0);
	assert_int_equal(set_slot(2, 0, 2 * REGION, m->memory), -EEXIST);
	assert_int_equal(set_slot(2, WINDOW_GPA, REGION, m->memory), -EEXIST);
	assert_int_equal(set_slot(2, 0, 0, NULL), -EINVAL);
	assert_int_equal(set_slot(2, 0, REGION, m->memory), 0);
}

static void test_move_slot(void **state)
{
	struct machine *m = *state;

	assert_int_equal(set_slot(1, 0, 2 * REGION, m->memory), 0);
	assert_int_equal(set_slot(2, 4 * REGION, REGION, m->memory), 0);
	assert_int_equal(set_slot(2, REGION, REGION, m->memory), -EEXIST);
	assert_int_equal(set_slot(1, REGION, 2 * REGION, m->memory), 0);
	assert_int_equal(bf_vm_guest_addr(vm, 0), 0);
	assert_int_equal(bf_vm_guest_addr(vm, REGION), (uintptr_t)m->memory);
	assert_int_equal(set_slot(1, 1, 2 * REGION, m->memory), -EINVAL);
	assert_int_equal(set_slot(1, -(uint64_t)REGION, 2 * REGION, m->memory),
			 -EINVAL);
	assert_int_equal(set_slot(1, WINDOW_GPA - REGION, 2 * REGION,
				  m->memory),
			 -EEXIST);
	assert_int_equal(bf_vm_guest_addr(vm, REGION), (uintptr_t)m->memory);
	assert_int_equal(set_slot(1, 0, 0, NULL), 0);
	assert_int_equal(bf_vm_guest_addr(vm, REGION), 0);
}

#define vm_test(f) cmocka_unit_test_setup_teardown(f, setup_vm, teardown_vm)

#define machine_test(f) \
	cmocka_unit_test_setup_teardown(f, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		machine_test(test_change_beside_stores),
		machine_test(test_change_in_exit),
		machine_test(test_string_target_unmapped),
		vm_test(test_remove_slot),
		vm_test(test_change_slot),
		vm_test(test_overlapping_slots),
		vm_test(test_move_slot),
	};

	return cmocka_run_group_tests_name("trap_memory", tests, NULL, NULL);
}
