// SPDX-License-Identifier: MIT
/*
 * A VM of all layers, on both engines: its vCPUs are those of its table, its
 * guest has the memory of its slots.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "tests/io_bus/random.h"
#include "tests/vm_fixture.h"
#include "util.h"

#define PAGE   4096ULL
#define ROUNDS 2000

static struct fixture fixture;
static struct fixture_vcpu vcpu;
static bool on_kvm;

static void ignore(int sig)
{
}

/* No vCPU runs while this test changes slots. */
static void nothing(void *opaque)
{
}

static struct bf_vm_config config_of(enum bf_engine engine)
{
	return (struct bf_vm_config){
		.engine = engine,
		.kick_signal = SIGUSR1,
		.pause = nothing,
		.resume = nothing,
	};
}

static int setup_engine(enum bf_engine engine)
{
	const struct sigaction action = {.sa_handler = ignore};
	const struct bf_vm_config config = config_of(engine);

	on_kvm = engine == BF_ENGINE_KVM;
	sigaction(SIGUSR1, &action, NULL);
	fixture_setup(&fixture, &config);
	fixture_add_vcpu(&fixture, &vcpu, 0);
	return 0;
}

static int setup_kvm(void **state)
{
	fixture.vm = NULL;
	return fixture_have_kvm() ? setup_engine(BF_ENGINE_KVM) : 0;
}

static int setup_trap(void **state)
{
	return setup_engine(BF_ENGINE_TRAP);
}

/* The VM takes the vCPUs that are left with it. */
static int teardown(void **state)
{
	if (fixture.vm)
		fixture_teardown(&fixture);
	return 0;
}

static struct bf_vcpus *table(void)
{
	if (!fixture.vm)
		skip();
	return bf_vm_vcpus(fixture.vm);
}

static int enter(void)
{
	return srcu_read_lock(bf_vcpus_srcu(table()));
}

static void leave(int idx)
{
	srcu_read_unlock(bf_vcpus_srcu(table()), idx);
}

static bool is_online(uint64_t id)
{
	int idx = enter();
	bool online = bf_vcpus_by_id(table(), id);

	leave(idx);
	return online;
}

/* vCPUs. */

static void test_bad_config(void **state)
{
	struct bf_vm_config config = config_of(BF_ENGINE_TRAP);
	struct bf_vm *none = NULL;

	config.pause = NULL;
	assert_int_equal(bf_vm_create(&none, &config), -EINVAL);
	config = config_of(BF_ENGINE_TRAP);
	config.kick_signal = -1;
	assert_int_equal(bf_vm_create(&none, &config), -EINVAL);
	config.kick_signal = SIGRTMAX + 1;
	assert_int_equal(bf_vm_create(&none, &config), -EINVAL);
	assert_null(none);
}

struct ids {
	struct bf_vcpu *vcpus[48]; /* NULL: not there */
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

/* In the order of their indices, each where its id says. */
static void check_ids(const struct ids *ids)
{
	struct bf_vcpus_entry *entry;
	struct bf_vcpus_iter iter;
	uint32_t count = 0, id;
	int64_t last = -1;
	int idx = enter();

	bf_vcpus_iter_begin(&iter, table(), 0, UINT64_MAX);
	while ((entry = bf_vcpus_iter_next(&iter))) {
		id = bf_vcpus_id(entry);
		assert_ptr_equal(bf_vcpu_of(entry), ids->vcpus[id]);
		assert_ptr_equal(bf_vcpu_entry(ids->vcpus[id]), entry);
		assert_int_equal(bf_vcpus_index(entry), ids->index[id]);
		assert_true(ids->index[id] > last);
		last = ids->index[id];
		count++;
	}
	leave(idx);
	assert_int_equal(count, ids->online);
	assert_int_equal(bf_vcpus_online(table()), ids->online);
	assert_int_equal(bf_vcpus_created(table()), ids->online);
}

static void test_vcpus_are_those_of_the_table(void **state)
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

/* Its page and its fd are there for who has found it. */
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
	int idx = enter();

	found = bf_vcpu_of(bf_vcpus_by_id(table(), 0));
	assert_ptr_equal(found, vcpu.vcpu);
	pthread_create(&thread, NULL, destroy_vcpu, vcpu.vcpu);
	while (bf_vcpus_by_id(table(), 0))
		sched_yield();
	check_usable(found);
	leave(idx);
	pthread_join(thread, NULL);
	assert_int_equal(bf_vcpus_created(table()), 0);
}

static void test_removal_within_a_section(void **state)
{
	int idx = enter();

	assert_int_equal(bf_vcpus_remove_async(bf_vcpu_entry(vcpu.vcpu)), 0);
	assert_null(bf_vcpus_by_id(table(), 0));
	check_usable(vcpu.vcpu);
	leave(idx);
	srcu_barrier(bf_vcpus_srcu(table()));
	assert_int_equal(bf_vcpus_created(table()), 0);
}

/* What it left behind, an exit that nobody completed, does not come with it. */
static void test_id_is_used_again(void **state)
{
	unsigned int i;

	table();
	for (i = 0; i < 3; i++) {
		fixture_boot(&vcpu, &guest_hotplug, FIXTURE_WINDOW, 0, 0);
		assert_int_equal(fixture_run(&vcpu), KVM_EXIT_MMIO);
		bf_vcpus_kick_all(table());
		bf_vcpu_destroy(vcpu.vcpu);
		fixture_add_vcpu(&fixture, &vcpu, 0);
		fixture_boot(&vcpu, &guest_ring_mmio4, FIXTURE_WINDOW, 1, 7);
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

/* A word of memory that a guest stores into again and again, without exits. */
static uint32_t load(uint64_t gpa)
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
	/* All boots before a run: they make the same page tables. */
	for (i = 0; i < 2; i++)
		fixture_boot(&runners[i], &guest_ring_mmio4, WORD(i),
			     1ULL << 60, 7);
	for (i = 0; i < 2; i++) {
		pthread_create(&runners[i].thread, NULL, run_until_kicked,
			       &runners[i]);
		while (load(WORD(i)) != 7)
			sched_yield();
	}
	assert_int_equal(bf_vcpus_kick_all(table()), 2);
	for (i = 0; i < 2; i++) {
		pthread_join(runners[i].thread, NULL);
		assert_int_equal(runners[i].ret, -EINTR);
	}
	/* And again before it runs, and no more when that is taken back. */
	assert_int_equal(bf_vcpus_kick_all(table()), 2);
	assert_int_equal(bf_vcpu_run(vcpu.vcpu), -EINTR);
	bf_vcpu_page(vcpu.vcpu)->immediate_exit = 0;
	fixture_boot(&vcpu, &guest_ring_mmio4, WORD(0), 1, 8);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_HLT);
	assert_int_equal(load(WORD(0)), 8);
}

/* Memory. */

#define AREA	   0x40000000ULL /* slots come and go in 16 pages from here */
#define AREA_PAGES 16
#define NR_SLOTS   5

static char *backing;

/* Memory and size are the slot's own, so that it is moved rather than refused. */
static struct kvm_userspace_memory_region random_change(uint64_t *random)
{
	const uint32_t slot = 1 + random_below(random, NR_SLOTS);
	struct kvm_userspace_memory_region change = {
		.slot = slot,
		.guest_phys_addr =
			AREA + random_below(random, AREA_PAGES) * PAGE,
		.memory_size = (1 + slot % 4) * PAGE,
		.userspace_addr = (uintptr_t)backing + slot * 4 * PAGE,
	};

	if (!random_below(random, 4))
		change.memory_size = 0;
	if (!random_below(random, 4))
		change.flags = KVM_MEM_LOG_DIRTY_PAGES;
	if (on_kvm && !random_below(random, 4))
		change.flags |= KVM_MEM_READONLY;
	if (!random_below(random, 8))
		change.userspace_addr += PAGE;
	return change;
}

static uint32_t *find_word(uint64_t gpa)
{
	struct bf_memslots_snapshot snapshot;
	uint32_t *hva;

	bf_memslots_take(bf_vm_memslots(fixture.vm), &snapshot);
	hva = bf_memslots_hva(&snapshot, 0, gpa, sizeof(*hva), true);
	bf_memslots_drop(&snapshot);
	return hva;
}

/* Where the map has no memory, nor has the guest. */
static void check_absent(uint64_t gpa)
{
	struct kvm_run *run = bf_vcpu_page(vcpu.vcpu);

	if (!on_kvm) {
		assert_int_equal(bf_vm_guest_addr(fixture.vm, gpa), 0);
		return;
	}
	fixture_boot(&vcpu, &guest_ring_mmio4, gpa, 1, 1);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_MMIO);
	assert_int_equal(run->mmio.phys_addr, gpa);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_HLT);
}

/* The guest stores a word; it is where the map says.  Was it there? */
static bool check_word(uint64_t gpa, uint32_t value)
{
	const uint32_t *hva = find_word(gpa);

	if (!hva) {
		check_absent(gpa);
		return false;
	}
	fixture_boot(&vcpu, &guest_ring_mmio4, gpa, 1, value);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_HLT);
	assert_int_equal(__atomic_load_n(hva, __ATOMIC_RELAXED), value);
	return true;
}

static int commit_some(uint64_t *random)
{
	struct kvm_userspace_memory_region changes[3];
	size_t i, count = 1 + random_below(random, 3);

	for (i = 0; i < count; i++)
		changes[i] = random_change(random);
	return bf_memslots_commit(bf_vm_memslots(fixture.vm), changes, count,
				  NULL);
}

static void test_guest_has_the_memory_of_the_slots(void **state)
{
	const size_t size = (NR_SLOTS + 1) * 4 * PAGE + PAGE;
	unsigned int there = 0, made = 0, i;
	uint64_t random = 9, gpa;
	int ret;

	table();
	backing = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(backing, MAP_FAILED);
	for (i = 0; i < ROUNDS; i++) {
		ret = commit_some(&random);
		assert_true(!ret || ret == -EINVAL || ret == -EEXIST);
		made += !ret;
		gpa = AREA + random_below(&random, AREA_PAGES * 1024) * 4ULL;
		there += check_word(gpa, i);
		there += check_word(gpa ^ 2 * PAGE, ~i);
	}
	assert_in_range(made, ROUNDS / 20, ROUNDS);
	assert_in_range(there, ROUNDS / 10, 2 * ROUNDS - ROUNDS / 10);
	bf_vm_destroy(fixture.vm);
	fixture.vm = NULL;
	munmap(backing, size);
}

static void test_vm_ends_with_all_that_is_left(void **state)
{
	const struct kvm_userspace_memory_region gone = {.slot = 0};
	struct fixture_vcpu others[3];
	unsigned int i;

	table();
	for (i = 0; i < ARRAY_SIZE(others); i++)
		fixture_add_vcpu(&fixture, &others[i], 1 + i);
	assert_int_equal(bf_vcpus_remove_async(bf_vcpu_entry(others[0].vcpu)),
			 0);
	assert_int_equal(bf_memslots_set(bf_vm_memslots(fixture.vm), &gone), 0);
	assert_true(is_online(3));
	assert_false(is_online(1));
}

#define on(engine, f)                                              \
	{                                                          \
#f "_" #engine, f, setup_##engine, teardown, NULL, \
	}
#define on_both(f) on(kvm, f), on(trap, f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_config),
		on_both(test_vcpus_are_those_of_the_table),
		on_both(test_destruction_waits_for_readers),
		on_both(test_removal_within_a_section),
		on_both(test_id_is_used_again),
		on_both(test_kick_ends_every_run),
		on_both(test_guest_has_the_memory_of_the_slots),
		on_both(test_vm_ends_with_all_that_is_left),
	};

	return cmocka_run_group_tests_name("vm_layers", tests, NULL, NULL);
}
