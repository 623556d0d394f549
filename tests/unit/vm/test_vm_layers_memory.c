// SPDX-License-Identifier: MIT
/* The guest of a VM has the memory that the map has. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "testing/random.h"
#include "vm_layers_fixture.h"

#define AREA	   0x40000000ULL /* gpa of the random slots */
#define AREA_PAGES 16
#define NR_SLOTS   5

static char *backing;

/* Memory and size depend on the slot alone, so most changes move a slot. */
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

/* The guest has no memory where the map has none. */
static void check_absent(uint64_t gpa)
{
	struct kvm_run *run = bf_vcpu_page(vcpu.vcpu);

	if (!on_kvm) {
		assert_int_equal(bf_vm_guest_addr(fixture.vm, gpa), 0);
		return;
	}
	fixture_boot(&vcpu, &guest_write_mmio4, gpa, 1, 1);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_MMIO);
	assert_int_equal(run->mmio.phys_addr, gpa);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_HLT);
}

/*
 * The guest stores a word, and the map finds it.  Returns false where both have
 * no memory.
 */
static bool check_word(uint64_t gpa, uint32_t value)
{
	const uint32_t *hva = find_word(gpa);

	if (!hva) {
		check_absent(gpa);
		return false;
	}
	fixture_boot(&vcpu, &guest_write_mmio4, gpa, 1, value);
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
	return bf_memslots_commit(bf_vm_memslots(fixture.vm), changes, NULL,
				  count, NULL);
}

static void test_guest_memory_matches_the_map(void **state)
{
	const size_t size = (NR_SLOTS + 1) * 4 * PAGE + PAGE;
	unsigned int found = 0, made = 0, i;
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
		found += check_word(gpa, i);
		found += check_word(gpa ^ 2 * PAGE, ~i);
	}
	assert_in_range(made, ROUNDS / 20, ROUNDS);
	assert_in_range(found, ROUNDS / 10, 2 * ROUNDS - ROUNDS / 10);
	bf_vm_destroy(fixture.vm);
	fixture.vm = NULL;
	munmap(backing, size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(test_guest_memory_matches_the_map),
	};

	return cmocka_run_group_tests_name("vm_layers_memory", tests, NULL,
					   NULL);
}
