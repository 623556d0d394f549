// SPDX-License-Identifier: MIT
/*
 * A map and a KVM VM get the same random changes and calls of dirty logs, and
 * must return the same results.  Then a map forwards random transactions to a
 * VM, and both must have the same slots.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/memslots.h"
#include "tests/model/memslots/memslots_model.h"

#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

static int kvm_fd, vm_fd;
static int calls = 5000; /* of each kind */

static int setup(void **state)
{
	vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	return vm_fd < 0;
}

static int teardown(void **state)
{
	return close(vm_fd);
}

static int kernel_set(const struct kvm_userspace_memory_region *change)
{
	return ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, change) ? -errno : 0;
}

/* The width of a guest-physical address, probed with a slot. */
static uint32_t kernel_gpa_bits(void)
{
	struct kvm_userspace_memory_region change = {.userspace_addr = 1 << 30};
	uint32_t bits = 32;
	int ret;

	do {
		change.guest_phys_addr = 1ULL << bits;
		change.memory_size = PAGE;
		ret = kernel_set(&change);
		change.memory_size = 0;
	} while (!ret && !kernel_set(&change) && ++bits < 64);
	return bits;
}

static struct bf_memslots_config config_of_vm(void)
{
	return (struct bf_memslots_config){
		.slots = (uint32_t)ioctl(vm_fd, KVM_CHECK_EXTENSION,
					 KVM_CAP_NR_MEMSLOTS),
		.spaces = (uint32_t)ioctl(vm_fd, KVM_CHECK_EXTENSION,
					  KVM_CAP_MULTI_ADDRESS_SPACE),
		.gpa_bits = kernel_gpa_bits(),
	};
}

static void print_call(const char *side, int n, int ret,
		       const struct kvm_userspace_memory_region *change)
{
	print_message("call %d: slot %#x flags %#x gpa %#llx size %#llx hva "
		      "%#llx: %s says %d\n",
		      n, change->slot, change->flags, change->guest_phys_addr,
		      change->memory_size, change->userspace_addr, side, ret);
}

/* Some changes are near the limits of addresses and slot numbers. */
static struct kvm_userspace_memory_region
next_call(uint64_t *random, const struct bf_memslots_config *config)
{
	struct kvm_userspace_memory_region change =
		model_change(random, config->spaces ? config->spaces : 1);
	uint64_t dice = model_random(random);

	if (dice % 8 == 0)
		change.guest_phys_addr =
			(1ULL << config->gpa_bits) - dice / 8 % 32 * PAGE;
	if (dice % 64 == 1)
		change.slot = config->slots - 1 + (uint32_t)(dice / 64 % 3);
	return change;
}

static void test_same_answers(void **state)
{
	const struct bf_memslots_config config = config_of_vm();
	struct kvm_userspace_memory_region change;
	unsigned int seen[200] = {0};
	uint64_t random = 7;
	struct bf_memslots *map;
	int n, kernel, ours;

	assert_int_equal(bf_memslots_create(&config, &map), 0);
	for (n = 0; n < calls; n++) {
		change = next_call(&random, &config);
		kernel = kernel_set(&change);
		ours = bf_memslots_set(map, &change);
		if (kernel != ours)
			print_call("the kernel", n, kernel, &change);
		assert_int_equal(ours, kernel);
		assert_in_range(-ours, 0, 199);
		seen[-ours]++;
	}
	bf_memslots_destroy(map);
	print_message("%u made, %u EINVAL, %u EEXIST\n", seen[0], seen[EINVAL],
		      seen[EEXIST]);
	assert_true(seen[0] && seen[EINVAL] && seen[EEXIST]);
}

/* A small slot, mostly with a log. */
static struct kvm_userspace_memory_region next_logged(uint64_t *random)
{
	uint64_t dice = model_random(random);

	return (struct kvm_userspace_memory_region){
		.slot = (uint32_t)(dice % 3),
		.flags = dice / 4 % 4 ? KVM_MEM_LOG_DIRTY_PAGES : 0,
		.guest_phys_addr = (dice % 3 * 1024 + dice / 16 % 2) * PAGE,
		.memory_size = dice / 32 % 4 ? (100 + dice % 3 * 64) * PAGE : 0,
		.userspace_addr = 1 << 30,
	};
}

static int kernel_log(unsigned long request, const void *log)
{
	return ioctl(vm_fd, request, log) ? -errno : 0;
}

static uint64_t ours_log[8], kernels_log[8];

static void compare_get(struct bf_memslots *map, uint64_t dice)
{
	struct kvm_dirty_log log = {
		.slot = (uint32_t)(dice % 4) | (dice % 16 ? 0 : 3 << 16),
		.dirty_bitmap = kernels_log,
	};
	int kernel = kernel_log(KVM_GET_DIRTY_LOG, &log);

	log.dirty_bitmap = ours_log;
	assert_int_equal(bf_memslots_get_dirty_log(map, &log), kernel);
	assert_memory_equal(ours_log, kernels_log, sizeof(ours_log));
}

/* 100, 164 or 228 pages, of which the calls name some. */
static int compare_clear(struct bf_memslots *map, uint64_t dice)
{
	const struct kvm_clear_dirty_log log = {
		.slot = (uint32_t)(dice % 4) | (dice % 16 ? 0 : 3 << 16),
		.first_page = dice / 16 % 5 * 64 + (dice / 128 % 8 ? 0 : 3),
		.num_pages = (uint32_t)(dice / 1024 % 5 * 64) +
			     (dice / 8192 % 2 ? 36 : 0),
		.dirty_bitmap = kernels_log,
	};
	int kernel = kernel_log(KVM_CLEAR_DIRTY_LOG, &log);

	assert_int_equal(bf_memslots_clear_dirty_log(map, &log), kernel);
	return kernel;
}

/* No guest runs, and no device writes: both logs are empty. */
static void test_same_logs(void **state)
{
	const struct bf_memslots_config config = config_of_vm();
	unsigned int cleared = 0, refused = 0, none = 0;
	struct kvm_userspace_memory_region change;
	struct bf_memslots *map;
	uint64_t random = 5;
	int n, ret;

	assert_int_equal(bf_memslots_create(&config, &map), 0);
	for (n = 0; n < calls; n++) {
		if (n % 8 == 0) {
			change = next_logged(&random);
			assert_int_equal(bf_memslots_set(map, &change),
					 kernel_set(&change));
		}
		compare_get(map, model_random(&random));
		ret = compare_clear(map, model_random(&random));
		cleared += !ret;
		refused += ret == -EINVAL;
		none += ret == -ENOENT;
	}
	bf_memslots_destroy(map);
	print_message("%u cleared, %u EINVAL, %u ENOENT\n", cleared, refused,
		      none);
	assert_true(cleared && refused && none);
}

static void do_nothing(void *opaque)
{
}

#ifndef KVM_CREATE_GUEST_MEMFD /* Linux 6.8 */
#define KVM_CAP_GUEST_MEMFD    234
#define KVM_CREATE_GUEST_MEMFD _IOWR(KVMIO, 0xd4, struct kvm_create_guest_memfd)
struct kvm_create_guest_memfd {
	uint64_t size, flags, reserved[6];
};
#endif
#ifndef GUEST_MEMFD_FLAG_MMAP /* Linux 6.18 */
#define GUEST_MEMFD_FLAG_MMAP (1ULL << 0)
#endif

#define FILE_PAGES 64
#define SLOT_PAGES 8
#define FILE_SLOTS 6
#define BAD_FILES  3 /* closed, no guest_memfd, of another VM */

/* A VM, and descriptors to pass as guest_memfd; the first two are good. */
struct side {
	int vm_fd;
	uint32_t files[2 + BAD_FILES];
};

/* KVM on arm64 takes only files that can be mapped. */
static uint64_t file_flags;

static int create_file(int vm)
{
	struct kvm_create_guest_memfd desc = {
		.size = FILE_PAGES * PAGE,
		.flags = file_flags,
	};

	return ioctl(vm, KVM_CREATE_GUEST_MEMFD, &desc);
}

static struct side create_side(int other_vm)
{
	struct side side = {.vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0)};

	side.files[0] = (uint32_t)create_file(side.vm_fd);
	side.files[1] = (uint32_t)create_file(side.vm_fd);
	side.files[2] = UINT32_MAX;
	side.files[3] = (uint32_t)kvm_fd;
	side.files[4] = (uint32_t)create_file(other_vm);
	return side;
}

static void end_side(struct side *side)
{
	close((int)side->files[0]);
	close((int)side->files[1]);
	close((int)side->files[4]);
	close(side->vm_fd);
}

/*
 * A change with guest_memfd as an index of side.files.  With bound, each slot
 * has a part of a good file of its own, so that KVM refuses no file.
 */
static struct kvm_userspace_memory_region2 next_call2(uint64_t *random,
						      bool bound)
{
	uint64_t dice = model_random(random), more = model_random(random);
	struct kvm_userspace_memory_region2 change = {
		.slot = (uint32_t)(dice % FILE_SLOTS),
		.guest_phys_addr = dice / 8 % 24 * PAGE,
		.memory_size = dice / 256 % (SLOT_PAGES + 1) * PAGE,
		.userspace_addr = 1 << 30,
		.guest_memfd_offset = dice % FILE_SLOTS * SLOT_PAGES * PAGE,
	};

	if (dice / 4096 % 4)
		change.flags = KVM_MEM_GUEST_MEMFD;
	if (dice / 16384 % 16 == 0)
		change.flags ^= (uint32_t)more % 8;
	if (dice / 262144 % 16 == 0)
		change.guest_memfd_offset = more % 2 ? -PAGE : more | 1;
	if (bound)
		return change;
	if (more / 8 % 2)
		change.guest_memfd_offset = more / 16 % (FILE_PAGES + 2) * PAGE;
	change.guest_memfd = (uint32_t)(more / 4096 % 8 ?
						more / 65536 % 2 :
						2 + more / 65536 % BAD_FILES);
	return change;
}

static int kernel_set2(const struct side *side,
		       struct kvm_userspace_memory_region2 change)
{
	change.guest_memfd = side->files[change.guest_memfd];
	return ioctl(side->vm_fd, KVM_SET_USER_MEMORY_REGION2, &change) ?
		       -errno :
		       0;
}

static int ours_set2(struct bf_memslots *map, const struct side *side,
		     struct kvm_userspace_memory_region2 change)
{
	change.guest_memfd = side->files[change.guest_memfd];
	return bf_memslots_commit2(map, &change, NULL, 1, NULL);
}

static void compare_calls2(struct bf_memslots *map, const struct side *kernels,
			   const struct side *ours, bool bound)
{
	struct kvm_userspace_memory_region2 change;
	unsigned int seen[200] = {0};
	uint64_t random = 13;
	int n, ret;

	for (n = 0; n < calls; n++) {
		change = next_call2(&random, bound);
		ret = kernel_set2(kernels, change);
		if (ours_set2(map, ours, change) != ret)
			fail_msg("call %d: slot %u flags %#x gpa %#llx size "
				 "%#llx file %u + %#llx: KVM says %d",
				 n, change.slot, change.flags,
				 change.guest_phys_addr, change.memory_size,
				 change.guest_memfd, change.guest_memfd_offset,
				 ret);
		assert_in_range(-ret, 0, 199);
		seen[-ret]++;
	}
	print_message("%u made, %u EINVAL, %u EEXIST, %u EBADF\n", seen[0],
		      seen[EINVAL], seen[EEXIST], seen[EBADF]);
	assert_true(seen[0] && seen[EINVAL] && seen[EEXIST]);
	assert_true(bound || seen[EBADF]);
}

/* Does KVM take a slot with a file of these flags? */
static bool kernel_takes_files(uint64_t flags)
{
	struct kvm_userspace_memory_region2 change = {
		.flags = KVM_MEM_GUEST_MEMFD,
		.memory_size = PAGE,
		.userspace_addr = 1 << 30,
	};
	struct side side;
	bool takes;

	file_flags = flags;
	side = create_side(vm_fd);
	takes = !kernel_set2(&side, change);
	end_side(&side);
	return takes;
}

static void need_guest_memfd(void)
{
	if (ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD) > 0 &&
	    (kernel_takes_files(0) ||
	     kernel_takes_files(GUEST_MEMFD_FLAG_MMAP)))
		return;
	print_message("no guest_memfd\n");
	skip();
}

/* A map without a VM has the rules of the slots. */
static void test_same_rules_of_files(void **state)
{
	struct bf_memslots_config config = config_of_vm();
	struct bf_memslots *map;
	struct side kernels;

	need_guest_memfd();
	config.slot_flags = KVM_MEM_GUEST_MEMFD;
	kernels = create_side(vm_fd);
	assert_int_equal(bf_memslots_create(&config, &map), 0);
	compare_calls2(map, &kernels, &kernels, true);
	bf_memslots_destroy(map);
	end_side(&kernels);
}

/* A map that forwards answers for the files as well. */
static void test_same_answers_for_files(void **state)
{
	struct bf_memslots_config config = {.forward = true};
	struct bf_memslots *map;
	struct side kernels, ours;

	need_guest_memfd();
	kernels = create_side(vm_fd);
	ours = create_side(vm_fd);
	config.vm_fd = ours.vm_fd;
	assert_int_equal(bf_memslots_create(&config, &map), 0);
	compare_calls2(map, &kernels, &ours, false);
	bf_memslots_destroy(map);
	end_side(&ours);
	end_side(&kernels);
}

/* The kernel has a slot at gpa if it refuses another one there. */
static bool kernel_has(uint64_t gpa, uint32_t spare_slot)
{
	struct kvm_userspace_memory_region probe = {
		.slot = spare_slot,
		.guest_phys_addr = gpa & ~(PAGE - 1),
		.memory_size = PAGE,
		.userspace_addr = 1 << 30,
	};
	int ret = kernel_set(&probe);

	if (ret == -EEXIST)
		return true;
	assert_int_equal(ret, 0);
	probe.memory_size = 0;
	assert_int_equal(kernel_set(&probe), 0);
	return false;
}

static void compare_place(struct bf_memslots *map, uint64_t gpa, uint32_t spare)
{
	struct bf_memslots_snapshot snapshot;
	bool ours;

	bf_memslots_take(map, &snapshot);
	ours = bf_memslots_hva(&snapshot, 0, gpa, 1, false);
	bf_memslots_drop(&snapshot);
	assert_int_equal(kernel_has(gpa, spare), ours);
}

/* KVM refuses some transactions; after each one both have the same slots. */
static void test_forwarded(void **state)
{
	const uint32_t bits = kernel_gpa_bits();
	const struct bf_memslots_config config = {
		.forward = true,
		.vm_fd = vm_fd,
		.pause = do_nothing,
		.resume = do_nothing,
	};
	struct kvm_userspace_memory_region changes[3];
	unsigned int made = 0, refused = 0;
	uint64_t random = 11, gpa;
	struct bf_memslots *map;
	int n, i, ret;

	assert_int_equal(bf_memslots_create(&config, &map), 0);
	for (n = 0; n < calls / 16; n++) {
		for (i = 0; i < 3; i++)
			changes[i] = model_change(&random, 1);
		if (n % 8 == 0)
			changes[2].guest_phys_addr = 1ULL << bits;
		ret = bf_memslots_commit(map, changes, NULL, 1 + (size_t)n % 3,
					 NULL);
		assert_int_not_equal(ret, -ENOTRECOVERABLE);
		made += !ret;
		refused += !!ret;
		gpa = model_gpa(&random) & ((1ULL << bits) - 1);
		compare_place(map, gpa, MODEL_SLOTS + 1);
	}
	assert_true(made && refused);
	bf_memslots_destroy(map);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same_answers, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_same_logs, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_same_rules_of_files, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_same_answers_for_files,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_forwarded, setup,
						teardown),
	};

	if (argc > 1)
		calls = atoi(argv[1]);
	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm_fd < 0) {
		puts("no /dev/kvm to compare with");
		return 77;
	}
	return cmocka_run_group_tests_name("memslots_kvm", tests, NULL, NULL);
}
