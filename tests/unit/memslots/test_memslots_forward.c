// SPDX-License-Identifier: MIT
/*
 * The ioctls by which a map forwards its changes to KVM: their order, and what
 * remains when KVM refuses one.  The test is linked with --wrap=syscall, and
 * the wrapper stands for KVM.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "memslots/change.h"

#define PAGE	  ((uint64_t)sysconf(_SC_PAGESIZE))
#define MAX_CALLS 32

long __real_syscall(long nr, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);

#ifndef KVM_CAP_GUEST_MEMFD
#define KVM_CAP_GUEST_MEMFD 234
#endif

static struct bf_memslots *map;
static bool has_gmem = true;
static _Alignas(65536) char memory[65536];

static struct {
	struct kvm_userspace_memory_region calls[MAX_CALLS];
	struct bf_gmem gmem[MAX_CALLS];
	bool in_map[MAX_CALLS]; /* watched was in the map at this call */
	bool paused[MAX_CALLS];
	int count;
	int refuse_at, error; /* the call that fails, -1: none */
	int refuse_all_from;
	bool pausing;
	int pauses;
	uint64_t watched;	      /* gpa */
	void (*device)(uint64_t gpa); /* runs in the call that fails */
	uint64_t device_gpa;
} kvm;

static bool is_in_map(uint64_t gpa)
{
	struct bf_memslots_snapshot snapshot;
	bool found;

	bf_memslots_take(map, &snapshot);
	found = bf_memslots_hva(&snapshot, 0, gpa, 1, false);
	bf_memslots_drop(&snapshot);
	return found;
}

static long check_extension(uintptr_t capability)
{
	if (capability == KVM_CAP_NR_MEMSLOTS)
		return 100;
	if (capability == KVM_CAP_GUEST_MEMFD)
		return has_gmem;
	return capability == KVM_CAP_MULTI_ADDRESS_SPACE ? 2 : -EINVAL;
}

static long kvm_ioctl(int fd, unsigned long request, void *arg)
{
	int n = kvm.count;

	assert_int_equal(fd, 42);
	if (request == KVM_CHECK_EXTENSION)
		return check_extension((uintptr_t)arg);
	assert_true(n < MAX_CALLS);
	memcpy(&kvm.calls[n], arg, sizeof(kvm.calls[n]));
	if (kvm.calls[n].flags & KVM_MEM_GUEST_MEMFD) {
		assert_int_equal(request, KVM_SET_USER_MEMORY_REGION2);
		kvm.gmem[n] = bf_gmem_of(arg);
	} else {
		assert_int_equal(request, KVM_SET_USER_MEMORY_REGION);
	}
	kvm.in_map[n] = is_in_map(kvm.watched);
	kvm.paused[n] = kvm.pausing;
	kvm.count++;
	if (n == kvm.refuse_at && kvm.device)
		kvm.device(kvm.device_gpa);
	if (n == kvm.refuse_at || n >= kvm.refuse_all_from)
		return kvm.error;
	return 0;
}

long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;

	if (nr != SYS_ioctl)
		return __real_syscall(nr, a, b, c, d, e, f);
	ret = kvm_ioctl((int)a, (unsigned long)b, (void *)c);
	if (ret >= 0)
		return ret;
	errno = (int)-ret;
	return -1;
}

static void reset(void)
{
	memset(&kvm, 0, sizeof(kvm));
	kvm.refuse_at = -1;
	kvm.refuse_all_from = MAX_CALLS;
}

static void pause_vcpus(void *opaque)
{
	assert_ptr_equal(opaque, &kvm);
	assert_false(kvm.pausing);
	kvm.pausing = true;
	kvm.pauses++;
}

static void resume_vcpus(void *opaque)
{
	assert_true(kvm.pausing);
	kvm.pausing = false;
}

static int create(bool with_pause)
{
	const struct bf_memslots_config config = {
		.forward = true,
		.vm_fd = 42,
		.pause = with_pause ? pause_vcpus : NULL,
		.resume = with_pause ? resume_vcpus : NULL,
		.opaque = &kvm,
	};

	reset();
	return bf_memslots_create(&config, &map);
}

static int setup(void **state)
{
	return create(false);
}

static int setup_with_pause(void **state)
{
	return create(true);
}

static int teardown(void **state)
{
	bf_memslots_destroy(map);
	return 0;
}

static struct kvm_userspace_memory_region region(uint32_t slot, uint64_t page,
						 uint64_t pages)
{
	return (struct kvm_userspace_memory_region){
		.slot = slot,
		.guest_phys_addr = page * PAGE,
		.memory_size = pages * PAGE,
		.userspace_addr = (1ULL << 40) + slot * (1ULL << 30),
	};
}

static struct kvm_userspace_memory_region removal_of(uint32_t slot)
{
	return (struct kvm_userspace_memory_region){.slot = slot};
}

static void add(uint32_t slot, uint64_t page, uint64_t pages)
{
	const struct kvm_userspace_memory_region change =
		region(slot, page, pages);

	assert_int_equal(bf_memslots_set(map, &change), 0);
}

static void expect_call(int n, struct kvm_userspace_memory_region change)
{
	assert_true(n < kvm.count);
	assert_memory_equal(&kvm.calls[n], &change, sizeof(change));
}

static void test_limits_of_the_vm(void **state)
{
	struct kvm_userspace_memory_region change = region(99, 0, 1);

	assert_int_equal(bf_memslots_set(map, &change), 0);
	change.slot = 99 | 1 << 16;
	assert_int_equal(bf_memslots_set(map, &change), 0);
	assert_int_equal(kvm.count, 2);
	change.slot = 100;
	assert_int_equal(bf_memslots_set(map, &change), -EINVAL);
	change.slot = 99 | 2 << 16;
	assert_int_equal(bf_memslots_set(map, &change), -EINVAL);
	assert_int_equal(kvm.count, 2);
}

static void test_addition_calls_kvm_before_publication(void **state)
{
	add(1, 0, 1);
	assert_int_equal(kvm.count, 1);
	assert_false(kvm.in_map[0]);
	assert_true(is_in_map(0));
	add(1, 0, 1);
	assert_int_equal(kvm.count, 1);
}

static void test_removal_is_published_before_kvm(void **state)
{
	add(1, 0, 1);
	assert_int_equal(bf_memslots_remove(map, 1), 0);
	expect_call(1, removal_of(1));
	assert_false(kvm.in_map[1]);
}

static void test_move_takes_one_call(void **state)
{
	const struct kvm_userspace_memory_region found = region(1, 1, 4);

	add(1, 0, 4);
	kvm.watched = 4 * PAGE;
	assert_int_equal(bf_memslots_set(map, &found), 0);
	expect_call(1, found);
	assert_int_equal(kvm.count, 2);
	assert_false(kvm.in_map[1]);
	assert_true(is_in_map(4 * PAGE));
	assert_false(is_in_map(0));
}

/* No call touches a slot that stays; additions come before removals. */
static void test_transaction_without_pause(void **state)
{
	const struct kvm_userspace_memory_region changes[] = {
		removal_of(1),
		region(3, 20, 1),
		region(2, 30, 1),
	};

	add(1, 0, 1);
	add(2, 10, 1);
	kvm.watched = 20 * PAGE;
	assert_int_equal(bf_memslots_commit(map, changes, NULL, 3, NULL), 0);
	assert_int_equal(kvm.count, 5);
	expect_call(2, changes[1]);
	expect_call(3, changes[2]);
	expect_call(4, changes[0]);
	assert_false(kvm.in_map[4]);
	assert_true(is_in_map(20 * PAGE));
	assert_false(is_in_map(0));
}

/* A slot that one transaction adds and removes is not forwarded. */
static void test_only_the_outcome_is_forwarded(void **state)
{
	const struct kvm_userspace_memory_region changes[] = {
		region(1, 0, 1),
		removal_of(1),
		region(2, 0, 1),
		region(2, 9, 1),
	};

	assert_int_equal(bf_memslots_commit(map, changes, NULL, 4, NULL), 0);
	assert_int_equal(kvm.count, 1);
	expect_call(0, changes[3]);
}

static void test_replacement_needs_pause(void **state)
{
	const struct kvm_userspace_memory_region resize[] = {
		removal_of(1),
		region(1, 0, 4),
	};
	const struct kvm_userspace_memory_region in_its_place[] = {
		removal_of(1),
		region(2, 0, 1),
	};

	add(1, 0, 2);
	assert_int_equal(bf_memslots_commit(map, resize, NULL, 2, NULL),
			 -EBUSY);
	assert_int_equal(bf_memslots_commit(map, in_its_place, NULL, 2, NULL),
			 -EBUSY);
	assert_int_equal(kvm.count, 1);
	assert_true(is_in_map(0));
}

static void test_resize_in_a_pause(void **state)
{
	const struct kvm_userspace_memory_region resize[] = {
		removal_of(1),
		region(1, 0, 4),
	};

	add(1, 0, 2);
	assert_int_equal(bf_memslots_commit(map, resize, NULL, 2, NULL), 0);
	assert_int_equal(kvm.count, 3);
	expect_call(1, removal_of(1));
	expect_call(2, resize[1]);
	assert_true(kvm.in_map[1] && kvm.in_map[2]);
	assert_true(kvm.paused[1] && kvm.paused[2]);
	assert_false(kvm.pausing);
	assert_true(is_in_map(3 * PAGE));
}

static void test_exchange_in_a_pause(void **state)
{
	const struct kvm_userspace_memory_region exchange[] = {
		region(1, 20, 1),
		region(2, 0, 1),
		region(1, 10, 1),
	};

	add(1, 0, 1);
	add(2, 10, 1);
	assert_int_equal(bf_memslots_commit(map, exchange, NULL, 3, NULL), 0);
	expect_call(2, removal_of(1));
	expect_call(3, removal_of(2));
	expect_call(4, exchange[2]);
	expect_call(5, exchange[1]);
	assert_int_equal(kvm.count, 6);
	assert_int_equal(kvm.pauses, 1);
}

static void note_pause(void *opaque)
{
	*(bool *)opaque = kvm.pausing;
}

/* A table of a device is right before a vCPU can use it. */
static void test_listener_hears_before_vcpus_resume(void **state)
{
	const struct kvm_userspace_memory_region resize[] = {
		{.slot = 1},
		region(1, 0, 8),
	};
	bool pausing = false;
	const struct bf_memslots_listener_desc desc = {
		.commit = note_pause,
		.opaque = &pausing,
	};
	struct bf_memslots_listener *listener;

	add(1, 0, 4);
	assert_int_equal(bf_memslots_listen(map, &desc, &listener), 0);
	assert_false(pausing);
	assert_int_equal(bf_memslots_commit(map, resize, NULL, 2, NULL), 0);
	assert_int_equal(kvm.pauses, 1);
	assert_true(pausing);
	bf_memslots_unlisten(listener);
}

static void test_refused_addition(void **state)
{
	const struct kvm_userspace_memory_region changes[] = {
		region(3, 20, 1),
		region(2, 30, 1),
		region(4, 40, 1),
	};
	uint64_t gpa;

	add(2, 10, 1);
	kvm.refuse_at = 3;
	kvm.error = -EFAULT;
	assert_int_equal(bf_memslots_commit(map, changes, NULL, 3, NULL),
			 -EFAULT);
	expect_call(3, changes[2]);
	expect_call(4, region(2, 10, 1));
	expect_call(5, removal_of(3));
	assert_int_equal(kvm.count, 6);
	for (gpa = 20 * PAGE; gpa <= 40 * PAGE; gpa += 10 * PAGE)
		assert_false(is_in_map(gpa));
	assert_true(is_in_map(10 * PAGE));
	add(3, 20, 1);
	add(4, 30, 1);
}

/* KVM refuses a removal that the map has published: the map restores it. */
static void test_refused_removal(void **state)
{
	const struct kvm_userspace_memory_region changes[] = {
		removal_of(1),
		removal_of(2),
	};

	add(1, 0, 1);
	add(2, 10, 1);
	kvm.refuse_at = 3;
	kvm.error = -ENOMEM;
	assert_int_equal(bf_memslots_commit(map, changes, NULL, 2, NULL),
			 -ENOMEM);
	assert_false(kvm.in_map[3]);
	expect_call(4, region(1, 0, 1));
	assert_int_equal(kvm.count, 5);
	assert_true(is_in_map(0) && is_in_map(10 * PAGE));
	assert_int_equal(bf_memslots_commit(map, changes, NULL, 2, NULL), 0);
	assert_false(is_in_map(0) || is_in_map(10 * PAGE));
}

static void fail_if_called(void *opaque)
{
	fail();
}

/*
 * KVM refuses an asynchronous removal while a snapshot is held: the call does
 * not wait for the snapshot, and the callback is not called.
 */
static void test_refused_removal_async(void **state)
{
	struct bf_memslots_snapshot snapshot;

	add(1, 0, 1);
	bf_memslots_take(map, &snapshot);
	kvm.refuse_at = 1;
	kvm.error = -ENOMEM;
	assert_int_equal(bf_memslots_remove_async(map, 1, fail_if_called, NULL),
			 -ENOMEM);
	assert_true(is_in_map(0));
	bf_memslots_drop(&snapshot);
}

static void write_in_call(uint64_t gpa)
{
	assert_int_equal(bf_memslots_write(map, 0, gpa, "x", 1), 1);
}

static struct kvm_userspace_memory_region logged(uint32_t slot, uint64_t page,
						 uint64_t pages)
{
	struct kvm_userspace_memory_region change = region(slot, page, pages);

	change.flags = KVM_MEM_LOG_DIRTY_PAGES;
	change.userspace_addr = (uintptr_t)memory;
	return change;
}

static void add_logged(uint32_t slot, uint64_t page, uint64_t pages)
{
	const struct kvm_userspace_memory_region change =
		logged(slot, page, pages);

	assert_int_equal(bf_memslots_set(map, &change), 0);
}

/* The pages of a small slot that are in its bitmap. */
static uint64_t take_log(uint32_t slot)
{
	uint64_t bitmap = 0;
	const struct kvm_dirty_log log = {
		.slot = slot,
		.dirty_bitmap = &bitmap,
	};

	assert_int_equal(bf_memslots_get_dirty_log(map, &log), 0);
	return bitmap;
}

/* A device writes in the view that is taken back, where the slot has a tag. */
static void test_refused_tag_keeps_marks(void **state)
{
	const struct kvm_userspace_memory_region changes[] = {
		removal_of(1),
		removal_of(2),
		logged(2, 10, 1),
	};
	void *const tags[] = {NULL, NULL, &kvm};

	add(1, 0, 1);
	add_logged(2, 10, 1);
	kvm.refuse_at = 2;
	kvm.error = -ENOMEM;
	kvm.device = write_in_call;
	kvm.device_gpa = 10 * PAGE;
	assert_int_equal(bf_memslots_commit(map, changes, tags, 3, NULL),
			 -ENOMEM);
	assert_int_equal(kvm.count, 3);
	assert_int_equal(take_log(2), 1);
}

#define ALL_4 0xf

/* KVM has forgotten its log of a slot that it adds again. */
static void test_refused_removals_mark_all(void **state)
{
	const struct kvm_userspace_memory_region changes[] = {
		removal_of(1),
		removal_of(2),
	};

	add_logged(1, 0, 4);
	add_logged(2, 10, 4);
	add_logged(3, 20, 4);
	kvm.refuse_at = 4;
	kvm.error = -ENOMEM;
	assert_int_equal(bf_memslots_commit(map, changes, NULL, 2, NULL),
			 -ENOMEM);
	assert_int_equal(take_log(1), ALL_4);
	assert_int_equal(take_log(2), ALL_4);
	assert_int_equal(take_log(3), 0);
}

/* So it has of one that loses its flag; a move keeps the log. */
static void test_refused_flags_mark_all(void **state)
{
	struct kvm_userspace_memory_region changes[] = {
		logged(1, 0, 4),
		logged(2, 20, 4),
		region(3, 30, 1),
	};

	changes[0].flags = 0;
	add_logged(1, 0, 4);
	add_logged(2, 10, 4);
	kvm.refuse_at = 4;
	kvm.error = -ENOMEM;
	assert_int_equal(bf_memslots_commit(map, changes, NULL, 3, NULL),
			 -ENOMEM);
	assert_int_equal(kvm.count, 7);
	assert_int_equal(take_log(1), ALL_4);
	assert_int_equal(take_log(2), 0);
}

/* A pause removes each slot that moves, and KVM forgets its log. */
static void test_pause_marks_all(void **state)
{
	const struct kvm_userspace_memory_region exchange[] = {
		logged(1, 20, 4),
		logged(2, 0, 4),
		logged(1, 10, 4),
	};
	const struct kvm_userspace_memory_region resize[] = {
		removal_of(1),
		logged(1, 10, 3),
	};

	add_logged(1, 0, 4);
	add_logged(2, 10, 4);
	add_logged(3, 30, 4);
	kvm.refuse_at = 5;
	kvm.error = -ENOMEM;
	assert_int_equal(bf_memslots_commit(map, exchange, NULL, 3, NULL),
			 -ENOMEM);
	assert_int_equal(take_log(1), ALL_4);
	assert_int_equal(take_log(2), ALL_4);
	assert_int_equal(bf_memslots_commit(map, exchange, NULL, 3, NULL), 0);
	assert_int_equal(take_log(1), ALL_4);
	assert_int_equal(take_log(2), ALL_4);
	assert_int_equal(bf_memslots_commit(map, resize, NULL, 2, NULL), 0);
	assert_int_equal(take_log(1), 0);
	assert_int_equal(take_log(3), 0);
}

static struct bf_memslots_snapshot without_slot;

static void take_in_call(uint64_t gpa)
{
	bf_memslots_take(map, &without_slot);
	assert_null(bf_memslots_hva(&without_slot, 0, gpa, 1, true));
}

/*
 * The holder of a pin marks in a snapshot in which the slot was removed; KVM
 * has refused the removal.
 */
static void test_mark_in_a_view_taken_back(void **state)
{
	add_logged(1, 0, 4);
	kvm.refuse_at = 1;
	kvm.error = -ENOMEM;
	kvm.device = take_in_call;
	assert_int_equal(bf_memslots_remove(map, 1), -ENOMEM);
	assert_int_equal(take_log(1), ALL_4);
	assert_int_equal(bf_memslots_mark_dirty(&without_slot, 0, 2 * PAGE,
						3 * PAGE),
			 2 * PAGE);
	assert_int_equal(take_log(1), 1 << 2 | 1 << 3);
	bf_memslots_drop(&without_slot);
}

static void test_refused_undo(void **state)
{
	const struct kvm_userspace_memory_region changes[] = {
		region(1, 0, 1),
		region(2, 10, 1),
	};

	kvm.refuse_all_from = 1;
	kvm.error = -ENOMEM;
	assert_int_equal(bf_memslots_commit(map, changes, NULL, 2, NULL),
			 -ENOTRECOVERABLE);
	assert_false(is_in_map(0));
}

static struct kvm_userspace_memory_region2 private_region(uint32_t slot,
							  uint64_t page)
{
	const struct kvm_userspace_memory_region shared = region(slot, page, 4);
	struct kvm_userspace_memory_region2 change =
		bf_region2_of(&shared, (struct bf_gmem){16 * PAGE, 7});

	change.flags = KVM_MEM_GUEST_MEMFD;
	return change;
}

static int set2(struct kvm_userspace_memory_region2 change)
{
	return bf_memslots_commit2(map, &change, NULL, 1, NULL);
}

static void expect_private(int n, struct kvm_userspace_memory_region2 change)
{
	expect_call(n, bf_region_of(&change));
	assert_int_equal(kvm.gmem[n].fd, change.guest_memfd);
	assert_int_equal(kvm.gmem[n].offset, change.guest_memfd_offset);
}

static void test_guest_memfd(void **state)
{
	const struct kvm_userspace_memory_region2 first = private_region(1, 0);
	struct kvm_userspace_memory_region2 shared = first;

	assert_int_equal(set2(first), 0);
	expect_private(0, first);
	assert_true(is_in_map(3 * PAGE));
	assert_int_equal(set2(first), -EINVAL);
	shared.flags = 0;
	assert_int_equal(set2(shared), -EINVAL);
	assert_int_equal(kvm.count, 1);
	shared.flags = KVM_MEM_GUEST_MEMFD;
	shared.memory_size = 0;
	assert_int_equal(set2(shared), 0);
	expect_call(1, removal_of(1));
	assert_int_equal(set2(first), 0);
	expect_private(2, first);
}

static void test_guest_memfd_rules(void **state)
{
	struct kvm_userspace_memory_region2 change = private_region(1, 0);
	struct kvm_userspace_memory_region old;

	old = bf_region_of(&change);
	assert_int_equal(bf_memslots_set(map, &old), -EINVAL);
	change.flags |= KVM_MEM_READONLY;
	assert_int_equal(set2(change), -EINVAL);
	change.flags = KVM_MEM_GUEST_MEMFD | KVM_MEM_LOG_DIRTY_PAGES;
	assert_int_equal(set2(change), -EINVAL);
	change.flags = KVM_MEM_GUEST_MEMFD;
	change.guest_memfd_offset = 1;
	assert_int_equal(set2(change), -EINVAL);
	change.guest_memfd_offset = -2 * PAGE;
	assert_int_equal(set2(change), -EINVAL);
	change.flags = 0;
	assert_int_equal(set2(change), 0);
	assert_int_equal(kvm.count, 1);
}

static void test_unknown_slot_flags(void **state)
{
	const struct bf_memslots_config config = {
		.forward = true,
		.vm_fd = 42,
		.slot_flags = KVM_MEM_GUEST_MEMFD | KVM_MEM_READONLY,
	};
	struct bf_memslots *other;

	assert_int_equal(bf_memslots_create(&config, &other), -EINVAL);
}

static void test_without_guest_memfd(void **state)
{
	bf_memslots_destroy(map);
	has_gmem = false;
	assert_int_equal(create(false), 0);
	has_gmem = true;
	assert_int_equal(set2(private_region(1, 0)), -EINVAL);
}

/* KVM refuses the second call: the first one is undone, with its file. */
static void test_guest_memfd_comes_back(void **state)
{
	const struct kvm_userspace_memory_region2 first = private_region(1, 0);
	const struct kvm_userspace_memory_region2 changes[] = {
		{.slot = 1},
		{.slot = 2},
	};
	int n;

	assert_int_equal(set2(first), 0);
	assert_int_equal(set2(private_region(2, 8)), 0);
	kvm.error = -EIO;
	for (n = 3; n <= 6; n += 3) {
		kvm.refuse_at = n;
		assert_int_equal(
			bf_memslots_commit2(map, changes, NULL, 2, NULL), -EIO);
		expect_private(n + 1, first);
	}
	assert_true(is_in_map(0));
	assert_int_equal(set2(first), -EINVAL);
}

/* KVM does not move a slot with a file, and binds a file to one slot. */
static void test_guest_memfd_in_a_pause(void **state)
{
	const struct kvm_userspace_memory_region2 moved = private_region(1, 8);
	const struct kvm_userspace_memory_region2 move[] = {{.slot = 1}, moved};
	const struct kvm_userspace_memory_region2 rebind[] = {
		private_region(2, 0),
		{.slot = 1},
	};
	const struct kvm_userspace_memory_region2 nothing[] = {
		{.slot = 2},
		private_region(2, 0),
	};
	struct kvm_userspace_memory_region2 file[] = {nothing[0], nothing[1]};

	assert_int_equal(set2(private_region(1, 0)), 0);
	assert_int_equal(bf_memslots_commit2(map, move, NULL, 2, NULL), 0);
	expect_call(1, removal_of(1));
	expect_private(2, moved);
	assert_int_equal(bf_memslots_commit2(map, rebind, NULL, 2, NULL), 0);
	expect_call(3, removal_of(1));
	expect_private(4, rebind[0]);
	assert_true(kvm.paused[2] && kvm.paused[3]);
	assert_int_equal(bf_memslots_commit2(map, nothing, NULL, 2, NULL), 0);
	assert_int_equal(kvm.count, 5);
	file[1].guest_memfd = 8;
	assert_int_equal(bf_memslots_commit2(map, file, NULL, 2, NULL), 0);
	expect_private(6, file[1]);
	assert_int_equal(kvm.pauses, 3);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define PAUSE_CASE(name) \
	cmocka_unit_test_setup_teardown(name, setup_with_pause, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_limits_of_the_vm),
		CASE(test_addition_calls_kvm_before_publication),
		CASE(test_removal_is_published_before_kvm),
		CASE(test_move_takes_one_call),
		CASE(test_transaction_without_pause),
		CASE(test_only_the_outcome_is_forwarded),
		CASE(test_replacement_needs_pause),
		PAUSE_CASE(test_resize_in_a_pause),
		PAUSE_CASE(test_exchange_in_a_pause),
		PAUSE_CASE(test_listener_hears_before_vcpus_resume),
		CASE(test_refused_addition),
		CASE(test_refused_removal),
		CASE(test_refused_removal_async),
		CASE(test_refused_tag_keeps_marks),
		CASE(test_refused_removals_mark_all),
		CASE(test_refused_flags_mark_all),
		PAUSE_CASE(test_pause_marks_all),
		CASE(test_mark_in_a_view_taken_back),
		CASE(test_refused_undo),
		CASE(test_guest_memfd),
		CASE(test_guest_memfd_rules),
		CASE(test_unknown_slot_flags),
		CASE(test_without_guest_memfd),
		CASE(test_guest_memfd_comes_back),
		PAUSE_CASE(test_guest_memfd_in_a_pause),
	};

	return cmocka_run_group_tests_name("memslots_forward", tests, NULL,
					   NULL);
}
