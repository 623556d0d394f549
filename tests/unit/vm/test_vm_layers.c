// SPDX-License-Identifier: MIT
/* The vCPUs of a VM are the entries of its table, on both engines. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

#include "testing/random.h"
#include "base/util.h"
#include "testing/trap/optional.h"
#include "vm_layers_fixture.h"

static int section_enter(void)
{
	return srcu_read_lock(bf_vcpus_srcu(table()));
}

static void section_leave(int idx)
{
	srcu_read_unlock(bf_vcpus_srcu(table()), idx);
}

static bool is_online(uint64_t id)
{
	int idx = section_enter();
	bool online = bf_vcpus_by_id(table(), id);

	section_leave(idx);
	return online;
}

static void test_bad_config(void **state)
{
	struct bf_vm_config config = config_of(trap_engine);
	struct bf_vm *none = NULL;

	config.pause = NULL;
	assert_int_equal(bf_vm_create(&config, &none), -EINVAL);
	config = config_of(trap_engine);
	config.kick_signal = -1;
	assert_int_equal(bf_vm_create(&config, &none), -EINVAL);
	config.kick_signal = SIGRTMAX + 1;
	assert_int_equal(bf_vm_create(&config, &none), -EINVAL);
	assert_null(none);
}

struct ids {
	struct bf_vcpu *vcpus[48]; /* NULL: does not exist */
	uint32_t index[48];
	uint32_t online, next_index;
};

static void create_one(struct ids *ids, unsigned int id)
{
	struct bf_vcpu *new = NULL;
	int ret = bf_vcpu_create(fixture.vm, id, &new);

	if (ids->vcpus[id]) {
		assert_int_equal(ret, -EEXIST);
		assert_null(new);
		return;
	}
	assert_int_equal(ret, 0);
	ids->vcpus[id] = new;
	ids->index[id] = ids->next_index++;
	ids->online++;
}

static void destroy_one(struct ids *ids, unsigned int id)
{
	if (!ids->vcpus[id])
		return;
	bf_vcpu_destroy(ids->vcpus[id]);
	ids->vcpus[id] = NULL;
	ids->online--;
}

/* An iteration visits all vCPUs in the order of their indices. */
static void check_ids(const struct ids *ids)
{
	struct bf_vcpu_entry *entry;
	struct bf_vcpus_iter iter;
	uint32_t count = 0, id;
	int64_t last = -1;
	int idx = section_enter();

	bf_vcpus_iter_begin(&iter, table(), 0, UINT64_MAX);
	while ((entry = bf_vcpus_iter_next(&iter))) {
		id = bf_vcpu_entry_id(entry);
		assert_ptr_equal(bf_vcpu_of(entry), ids->vcpus[id]);
		assert_ptr_equal(bf_vcpu_get_entry(ids->vcpus[id]), entry);
		assert_int_equal(bf_vcpu_entry_index(entry), ids->index[id]);
		assert_true(ids->index[id] > last);
		last = ids->index[id];
		count++;
	}
	section_leave(idx);
	assert_int_equal(count, ids->online);
	assert_int_equal(bf_vcpus_online(table()), ids->online);
	assert_int_equal(bf_vcpus_created(table()), ids->online);
}

static void test_vcpus_match_the_table(void **state)
{
	struct ids ids = {
		.vcpus = {vcpu.vcpu},
		.online = 1,
		.next_index = 1,
	};
	uint64_t random = 3;
	unsigned int i, id;

	table();
	for (i = 0; i < ROUNDS; i++) {
		id = random_below(&random, ARRAY_SIZE(ids.vcpus));
		if (random_below(&random, 3))
			create_one(&ids, id);
		else
			destroy_one(&ids, id);
		check_ids(&ids);
	}
}

static void *destroy_vcpu(void *arg)
{
	bf_vcpu_destroy(arg);
	return NULL;
}

/* A reader that has found the vCPU may use its page and its descriptor. */
static void check_usable(struct bf_vcpu *found)
{
	assert_int_equal(bf_vcpu_page(found)->immediate_exit, 0);
	if (on_kvm)
		assert_int_not_equal(fcntl(bf_vcpu_fd(found), F_GETFD), -1);
}

static void test_destruction_waits_for_readers(void **state)
{
	struct bf_vcpu *found;
	pthread_t thread;
	int idx = section_enter();

	found = bf_vcpu_of(bf_vcpus_by_id(table(), 0));
	assert_ptr_equal(found, vcpu.vcpu);
	pthread_create(&thread, NULL, destroy_vcpu, vcpu.vcpu);
	while (bf_vcpus_by_id(table(), 0))
		sched_yield();
	check_usable(found);
	section_leave(idx);
	pthread_join(thread, NULL);
	assert_int_equal(bf_vcpus_created(table()), 0);
}

static void test_removal_within_a_section(void **state)
{
	int idx = section_enter();

	assert_int_equal(bf_vcpu_entry_remove_async(
				 bf_vcpu_get_entry(vcpu.vcpu), NULL, NULL),
			 0);
	assert_null(bf_vcpus_by_id(table(), 0));
	check_usable(vcpu.vcpu);
	section_leave(idx);
	srcu_barrier(bf_vcpus_srcu(table()));
	assert_int_equal(bf_vcpus_created(table()), 0);
}

/*
 * The removed vCPU left an exit that was not completed.  A new vCPU with its id
 * starts without that exit.
 */
static void test_reused_id_has_no_pending_exit(void **state)
{
	unsigned int i;

	table();
	for (i = 0; i < 3; i++) {
		fixture_boot(&vcpu, &guest_hotplug, FIXTURE_WINDOW, 0, 0);
		assert_int_equal(fixture_run(&vcpu), KVM_EXIT_MMIO);
		bf_vcpus_kick_all(table());
		bf_vcpu_destroy(vcpu.vcpu);
		fixture_add_vcpu(&fixture, &vcpu, 0);
		fixture_boot(&vcpu, &guest_write_mmio4, FIXTURE_WINDOW, 1, 7);
		assert_int_equal(fixture_run(&vcpu), KVM_EXIT_MMIO);
		assert_memory_equal(bf_vcpu_page(vcpu.vcpu)->mmio.data,
				    "\7\0\0\0", 4);
		assert_int_equal(fixture_run(&vcpu), KVM_EXIT_HLT);
	}
}

static void *run_until_kicked(void *arg)
{
	struct fixture_vcpu *runner = arg;

	runner->ret = bf_vcpu_run(runner->vcpu);
	return NULL;
}

/* Loads a word that a guest stores to without exits. */
static uint32_t load_word(uint64_t gpa)
{
	uint32_t value = 0;

	assert_int_equal(bf_memslots_read(bf_vm_memslots(fixture.vm), 0, gpa,
					  &value, sizeof(value)),
			 sizeof(value));
	return value;
}

#define WORD(id) (0x1f000 + 64 * (id))

static void test_kick_ends_every_run(void **state)
{
	struct fixture_vcpu runners[2];
	unsigned int i;

	table();
	runners[0] = vcpu;
	fixture_add_vcpu(&fixture, &runners[1], 1);
	/* Boot all before one runs, because they share their page tables. */
	for (i = 0; i < 2; i++)
		fixture_boot(&runners[i], &guest_write_mmio4, WORD(i),
			     1ULL << 60, 7);
	for (i = 0; i < 2; i++) {
		pthread_create(&runners[i].thread, NULL, run_until_kicked,
			       &runners[i]);
		while (load_word(WORD(i)) != 7)
			sched_yield();
	}
	assert_int_equal(bf_vcpus_kick_all(table()), 2);
	for (i = 0; i < 2; i++) {
		pthread_join(runners[i].thread, NULL);
		assert_int_equal(runners[i].ret, -EINTR);
	}
	/* A kick before the run ends it, unless immediate_exit is cleared. */
	assert_int_equal(bf_vcpus_kick_all(table()), 2);
	assert_int_equal(bf_vcpu_run(vcpu.vcpu), -EINTR);
	bf_vcpu_page(vcpu.vcpu)->immediate_exit = 0;
	fixture_boot(&vcpu, &guest_write_mmio4, WORD(0), 1, 8);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_HLT);
	assert_int_equal(load_word(WORD(0)), 8);
}

/* The loop of belfry_vm(3) goes on after a kick. */
static void test_loop_clears_kick(void **state)
{
	struct kvm_run *page;
	unsigned int kicks = 0;
	int ret;

	table();
	page = bf_vcpu_page(vcpu.vcpu);
	fixture_boot(&vcpu, &guest_write_mmio4, WORD(0), 1, 9);
	assert_int_equal(bf_vcpus_kick_all(table()), 1);
	while ((ret = bf_vcpu_run(vcpu.vcpu)) == -EINTR) {
		__atomic_exchange_n(&page->immediate_exit, 0, __ATOMIC_ACQUIRE);
		kicks++;
	}
	assert_int_equal(ret, 0);
	assert_int_equal(page->exit_reason, KVM_EXIT_HLT);
	assert_int_equal(kicks, 1);
	assert_int_equal(load_word(WORD(0)), 9);
}

static void test_destroy_with_vcpus_and_slots(void **state)
{
	const struct kvm_userspace_memory_region removal = {.slot = 0};
	struct fixture_vcpu others[3];
	unsigned int i;

	table();
	for (i = 0; i < ARRAY_SIZE(others); i++)
		fixture_add_vcpu(&fixture, &others[i], 1 + i);
	assert_int_equal(bf_vcpu_entry_remove_async(
				 bf_vcpu_get_entry(others[0].vcpu), NULL, NULL),
			 0);
	assert_int_equal(bf_memslots_set(bf_vm_memslots(fixture.vm), &removal),
			 0);
	assert_true(is_online(3));
	assert_false(is_online(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_config),
		ON_BOTH(test_vcpus_match_the_table),
		ON_BOTH(test_destruction_waits_for_readers),
		ON_BOTH(test_removal_within_a_section),
		ON_BOTH(test_reused_id_has_no_pending_exit),
		ON_BOTH(test_kick_ends_every_run),
		ON_BOTH(test_loop_clears_kick),
		ON_BOTH(test_destroy_with_vcpus_and_slots),
	};

	return cmocka_run_group_tests_name("vm_layers", tests, NULL, NULL);
}
