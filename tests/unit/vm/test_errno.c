// SPDX-License-Identifier: MIT
/*
 * The kernel and belfry get the same KVM_IOEVENTFD calls and must return the
 * same errno for each.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/vm.h"
#include "base/util.h"

#define ASSIGN	 0
#define DEASSIGN KVM_IOEVENTFD_FLAG_DEASSIGN
#define MATCH	 KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO	 KVM_IOEVENTFD_FLAG_PIO
#define CCW	 KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY

/* Kinds of file descriptors; see open_fds(). */
enum { FD_A, FD_B, FD_A_TWIN, FD_CLOSED, FD_FILE, FD_NEGATIVE, NR_FDS };

static int fds[NR_FDS];

static void open_fds(void)
{
	fds[FD_A] = eventfd(0, EFD_CLOEXEC);
	fds[FD_B] = eventfd(0, EFD_CLOEXEC);
	fds[FD_A_TWIN] = dup(fds[FD_A]);
	fds[FD_CLOSED] = 1000000;
	fds[FD_FILE] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[FD_NEGATIVE] = -1;
}

static void close_fds(void)
{
	close(fds[FD_A]);
	close(fds[FD_B]);
	close(fds[FD_A_TWIN]);
	close(fds[FD_FILE]);
}

/* Two VMs that get the same calls. */
struct pair {
	int plain;
	struct bf_vm *belfry;
};

static bool open_pair(struct pair *pair, enum bf_policy policy)
{
	const struct bf_vm_config config = {.policy = policy};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0 || bf_vm_create(&config, &pair->belfry)) {
		close(kvm);
		return false;
	}
	pair->plain = ioctl(kvm, KVM_CREATE_VM, 0);
	close(kvm);
	assert_true(pair->plain >= 0);
	open_fds();
	return true;
}

static void close_pair(struct pair *pair)
{
	close(pair->plain);
	bf_vm_destroy(pair->belfry);
	close_fds();
}

struct call {
	uint32_t flags;
	uint64_t addr;
	uint32_t len;
	uint64_t datamatch;
	int fd; /* FD_* */
	int expected;
};

static void make_call(struct pair *pair, const struct call *call,
		      unsigned int number, bool check_expected)
{
	struct kvm_ioeventfd arg = {
		.datamatch = call->datamatch,
		.addr = call->addr,
		.len = call->len,
		.fd = fds[call->fd],
		.flags = call->flags,
		.pad = {0x5a, 0xa5}, /* the kernel ignores it */
	};
	int kernel = ioctl(pair->plain, KVM_IOEVENTFD, &arg) ? -errno : 0;
	int belfry = bf_front_ioeventfd(bf_vm_front(pair->belfry), &arg);

	if (kernel == belfry && (!check_expected || kernel == call->expected))
		return;
	fail_msg("call %u: flags %#x addr %#llx len %u datamatch %#llx fd "
		 "kind %d: kernel %d, belfry %d, table %d",
		 number, call->flags, (unsigned long long)call->addr, call->len,
		 (unsigned long long)call->datamatch, call->fd, kernel, belfry,
		 call->expected);
}

/* In the order of the kernel's checks; a line depends on the lines before. */
static const struct call calls[] = {
	/* Lengths and ranges. */
	{ASSIGN, 0x6000, 3, 0, FD_A, -EINVAL},
	{ASSIGN, 0x6000, 16, 0, FD_A, -EINVAL},
	{ASSIGN, 0x6000, UINT32_MAX, 0, FD_A, -EINVAL},
	{ASSIGN, UINT64_MAX - 3, 4, 0, FD_A, -EINVAL},
	{ASSIGN, UINT64_MAX, 1, 0, FD_A, -EINVAL},
	{ASSIGN, UINT64_MAX - 8, 8, 0, FD_A, 0},
	{ASSIGN, UINT64_MAX, 0, 0, FD_A, 0},
	{DEASSIGN, UINT64_MAX, 0, 0, FD_A, 0},
	/* Flags. */
	{1U << 5, 0x6000, 4, 0, FD_A, -EINVAL},
	{1U << 31, 0x6000, 4, 0, FD_A, -EINVAL},
	{MATCH, 0x6000, 0, 1, FD_A, -EINVAL},
	{MATCH | PIO, 0x6000, 0, 0, FD_A, -EINVAL},
	{1U << 4, 0x5000, 4, 0, FD_A, 0},
	{DEASSIGN, 0x5000, 4, 0, FD_A, 0},
	/* File descriptors; earlier checks come first. */
	{ASSIGN, 0x6000, 4, 0, FD_CLOSED, -EBADF},
	{ASSIGN, 0x6000, 4, 0, FD_NEGATIVE, -EBADF},
	{ASSIGN, 0x6000, 4, 0, FD_FILE, -EINVAL},
	{ASSIGN, 0x6000, 3, 0, FD_CLOSED, -EINVAL},
	{DEASSIGN, 0x6000, 4, 0, FD_CLOSED, -EBADF},
	{DEASSIGN, 0x6000, 4, 0, FD_FILE, -EINVAL},
	{DEASSIGN, 0x6000, 3, 0, FD_FILE, -EINVAL},
	/* Collisions. */
	{MATCH, 0x6000, 4, 1, FD_A, 0},
	{MATCH, 0x6000, 4, 1, FD_A, -EEXIST},
	{MATCH, 0x6000, 4, 1, FD_B, -EEXIST},
	{MATCH, 0x6000, 4, 2, FD_A, 0},
	{MATCH, 0x6000, 4, 0x100000001, FD_A, 0},
	{ASSIGN, 0x6000, 4, 0, FD_A, -EEXIST},
	{ASSIGN, 0x6000, 0, 0, FD_A, -EEXIST},
	{ASSIGN, 0x6000, 2, 0, FD_A, 0},
	{MATCH, 0x6000, 2, 9, FD_A, -EEXIST},
	{MATCH, 0x6000, 8, 1, FD_A, 0},
	{ASSIGN, 0x6001, 4, 0, FD_A, 0},
	{PIO, 0x6000, 4, 0, FD_A, 0},
	{CCW, 0x6000, 4, 0, FD_A, 0},
	{PIO | CCW, 0x6000, 4, 0, FD_A, -EEXIST},
	{ASSIGN, 0x7000, 0, 0, FD_A, 0},
	{ASSIGN, 0x7000, 0, 0, FD_B, -EEXIST},
	{ASSIGN, 0x7000, 1, 0, FD_A, -EEXIST},
	{MATCH, 0x7000, 8, 5, FD_A, -EEXIST},
	{PIO, 0x12345678, 4, 0, FD_A, 0},
	/* A removal must match in everything but unknown flags. */
	{DEASSIGN | MATCH, 0x6000, 4, 1, FD_B, -ENOENT},
	{DEASSIGN | MATCH, 0x6000, 8, 2, FD_A, -ENOENT},
	{DEASSIGN | MATCH, 0x6000, 4, 3, FD_A, -ENOENT},
	{DEASSIGN, 0x6000, 4, 1, FD_A, -ENOENT},
	{DEASSIGN | PIO | MATCH, 0x6000, 4, 1, FD_A, -ENOENT},
	{DEASSIGN, 0x6000, 3, 0, FD_A, -ENOENT},
	{DEASSIGN, 0x6000, 1000, 0, FD_A, -ENOENT},
	{DEASSIGN, UINT64_MAX, 8, 0, FD_A, -ENOENT},
	{DEASSIGN | MATCH, 0x7000, 0, 0, FD_A, -ENOENT},
	{DEASSIGN | MATCH | 1U << 9, 0x6000, 4, 1, FD_A_TWIN, 0},
	{DEASSIGN | MATCH, 0x6000, 4, 1, FD_A, -ENOENT},
	{DEASSIGN, 0x6000, 2, 77, FD_A, 0},
	{DEASSIGN, 0x7000, 0, 0, FD_A_TWIN, 0},
	{MATCH, 0x7000, 8, 5, FD_A, 0},
};

static void check_table(enum bf_policy policy)
{
	struct pair pair;
	unsigned int i;

	if (!open_pair(&pair, policy))
		skip();
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		make_call(&pair, &calls[i], i, true);
	close_pair(&pair);
}

static void test_table_first_run(void **state)
{
	check_table(BF_POLICY_FIRST_RUN);
}

static void test_table_eager(void **state)
{
	check_table(BF_POLICY_EAGER);
}

/* Few values for each field, so that many calls collide. */
static struct call random_call(void)
{
	static const uint32_t flags[] = {ASSIGN, MATCH, PIO, PIO | MATCH,
					 MATCH};
	static const uint32_t lens[] = {0, 1, 2, 4, 4, 4, 8, 3};
	static const int kinds[] = {FD_A, FD_A, FD_B, FD_A_TWIN, FD_FILE};
	struct call call = {
		.flags = flags[rand() % (int)ARRAY_SIZE(flags)],
		.addr = 0x6000 + 4 * (uint64_t)(rand() % 3),
		.len = lens[rand() % (int)ARRAY_SIZE(lens)],
		.datamatch = (uint64_t)(rand() % 3),
		.fd = kinds[rand() % (int)ARRAY_SIZE(kinds)],
	};

	if (rand() % 2)
		call.flags |= DEASSIGN;
	return call;
}

static void check_random(enum bf_policy policy, unsigned int seed)
{
	struct pair pair;
	struct call call;
	unsigned int i;

	if (!open_pair(&pair, policy))
		skip();
	srand(seed);
	for (i = 0; i < 2000; i++) {
		call = random_call();
		make_call(&pair, &call, i, false);
	}
	close_pair(&pair);
}

static void test_random_first_run(void **state)
{
	check_random(BF_POLICY_FIRST_RUN, 1);
}

static void test_random_eager(void **state)
{
	check_random(BF_POLICY_EAGER, 2);
}

/* With 1,000 zones the kernel's bus is full, and eager returns its error. */
static void test_full_bus_eager(void **state)
{
	struct kvm_coalesced_mmio_zone zone = {.size = 4};
	const struct call call = {ASSIGN, 0x6000, 4, 0, FD_A, -ENOSPC};
	struct pair pair;
	unsigned int i;

	if (!open_pair(&pair, BF_POLICY_EAGER))
		skip();
	for (i = 0; i < 1000; i++) {
		zone.addr = 0xe0000000 + 16 * i;
		assert_int_equal(ioctl(pair.plain, KVM_REGISTER_COALESCED_MMIO,
				       &zone),
				 0);
		assert_int_equal(bf_front_zone(bf_vm_front(pair.belfry),
					       KVM_REGISTER_COALESCED_MMIO,
					       &zone),
				 0);
	}
	make_call(&pair, &call, 0, true);
	close_pair(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_first_run),
		cmocka_unit_test(test_table_eager),
		cmocka_unit_test(test_full_bus_eager),
		cmocka_unit_test(test_random_first_run),
		cmocka_unit_test(test_random_eager),
	};

	return cmocka_run_group_tests_name("errno", tests, NULL, NULL);
}
