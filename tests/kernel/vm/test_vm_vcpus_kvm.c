// SPDX-License-Identifier: MIT
/*
 * A plain KVM VM and a VM of belfry get the same ids of vCPUs to create, and
 * must return the same errno for each.  The table must hold the vCPUs that the
 * kernel accepted, in that order.  A kernel that drops the upper bits of an id
 * is not asked for such an id: belfry promises -EINVAL.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/vm.h"
#include "testing/random.h"

#define CALLS	2000
#define MAX_IDS 65536
/* Descriptors that a test has open besides those of vCPUs. */
#define OTHER_FDS 64

static struct {
	struct bf_vm *vm;
	int plain_fd;
	int *fds; /* of the plain vCPUs */
	uint32_t count;
	uint64_t max_ids, max_vcpus;
	bool drops_bits; /* of ids above 32 bits, as Linux 6.1 does */
} pair;

static uint64_t check_extension(unsigned long capability)
{
	int ret = ioctl(pair.plain_fd, KVM_CHECK_EXTENSION, capability);

	assert_in_range(ret, 1, MAX_IDS);
	return (uint64_t)ret;
}

/* Sets the limit of descriptors to number, or to the hard limit if lower. */
static rlim_t allow_fds(rlim_t number)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = number < limit.rlim_max ? number : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return limit.rlim_cur;
}

/* A second vCPU 0, which has one more bit, exists where the bit is dropped. */
static bool kernel_drops_bits(int kvm)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	int ret;

	assert_true(vcpu >= 0);
	ret = ioctl(vm, KVM_CREATE_VCPU, 1UL << 32);
	assert_int_equal(ret, -1);
	assert_true(errno == EEXIST || errno == EINVAL);
	ret = errno;
	close(vcpu);
	close(vm);
	return ret == EEXIST;
}

static int setup(void **state)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	pair.plain_fd = ioctl(kvm, KVM_CREATE_VM, 0);
	pair.drops_bits = kernel_drops_bits(kvm);
	close(kvm);
	assert_true(pair.plain_fd >= 0);
	allow_fds(RLIM_INFINITY);
	assert_int_equal(bf_vm_create(NULL, &pair.vm), 0);
	pair.max_ids = check_extension(KVM_CAP_MAX_VCPU_ID);
	pair.max_vcpus = check_extension(KVM_CAP_MAX_VCPUS);
	pair.fds = calloc(pair.max_vcpus, sizeof(*pair.fds));
	assert_non_null(pair.fds);
	pair.count = 0;
	return 0;
}

/* bf_vm_destroy() destroys the remaining vCPUs. */
static int teardown(void **state)
{
	while (pair.count)
		close(pair.fds[--pair.count]);
	close(pair.plain_fd);
	free(pair.fds);
	bf_vm_destroy(pair.vm);
	return 0;
}

static struct bf_vcpu *find(uint64_t id)
{
	struct bf_vcpus *vcpus = bf_vm_vcpus(pair.vm);
	int idx = srcu_read_lock(bf_vcpus_srcu(vcpus));
	struct bf_vcpu_entry *entry = bf_vcpus_by_id(vcpus, id);

	srcu_read_unlock(bf_vcpus_srcu(vcpus), idx);
	return entry ? bf_vcpu_of(entry) : NULL;
}

static void check_table(uint64_t id, const struct bf_vcpu *made)
{
	const struct bf_vcpus *vcpus = bf_vm_vcpus(pair.vm);
	struct bf_vcpu *found = find(id);

	assert_int_equal(bf_vcpus_created(vcpus), pair.count);
	assert_int_equal(bf_vcpus_online(vcpus), pair.count);
	if (!made)
		return;
	assert_ptr_equal(found, made);
	assert_int_equal(bf_vcpu_entry_id(bf_vcpu_get_entry(found)), id);
	assert_int_equal(bf_vcpu_entry_index(bf_vcpu_get_entry(found)),
			 pair.count - 1);
}

/* A descriptor, or the negative errno that bf_vcpu_create() must return. */
static int create_plain(unsigned long id)
{
	int fd;

	if (pair.drops_bits && id > UINT32_MAX)
		return -EINVAL;
	fd = ioctl(pair.plain_fd, KVM_CREATE_VCPU, id);
	return fd < 0 ? -errno : fd;
}

/* Creates the vCPU in both VMs and returns 0 or the errno of both. */
static int create(unsigned long id)
{
	struct bf_vcpu *before = find(id), *vcpu = NULL;
	int fd = create_plain(id), plain = fd < 0 ? fd : 0;
	int ours = bf_vcpu_create(pair.vm, id, &vcpu);

	if (ours != plain)
		print_message("id %#lx, %u created: the kernel says %d\n", id,
			      (unsigned int)pair.count, plain);
	assert_int_equal(ours, plain);
	if (!plain)
		pair.fds[pair.count++] = fd;
	else
		assert_ptr_equal(find(id), before);
	check_table(id, vcpu);
	return plain;
}

/* Ids near each limit, and few others, so that many of these are taken. */
static unsigned long random_id(uint64_t *random)
{
	uint64_t dice = random_next(random), near = dice / 16 % 5 - 2;

	switch (dice % 16) {
	case 0:
		return pair.max_ids + near;
	case 1:
		return pair.max_vcpus + near;
	case 2:
		return near;
	case 3:
		return (1UL << 32) + dice / 16 % 200;
	case 4:
		return (1UL << 31) + near;
	case 5:
		return random_next(random);
	case 6:
		return random_next(random) % pair.max_ids;
	default:
		return dice / 16 % 200;
	}
}

static void test_random_ids(void **state)
{
	unsigned int seen[200] = {0};
	uint64_t random = 5;
	int n, ret;

	for (n = 0; n < CALLS; n++) {
		ret = create(random_id(&random));
		assert_in_range(-ret, 0, 199);
		seen[-ret]++;
	}
	print_message("%u made, %u EINVAL, %u EEXIST\n", seen[0], seen[EINVAL],
		      seen[EEXIST]);
	assert_true(seen[0] && seen[EINVAL] && seen[EEXIST]);
}

static void test_too_many(void **state)
{
	unsigned long id;

	if (allow_fds(RLIM_INFINITY) < 2 * pair.max_vcpus + OTHER_FDS) {
		print_message("too few file descriptors are allowed\n");
		skip();
	}
	for (id = 0; id < pair.max_vcpus; id++)
		assert_int_equal(create(id), 0);
	assert_int_equal(create(id), -EINVAL);
	assert_int_equal(create(0), -EINVAL);
	assert_int_equal(create(pair.max_ids), -EINVAL);
}

/* Lowers the limit to the number of descriptors that are open. */
static void allow_no_fd(void)
{
	int lowest_free = dup(pair.plain_fd);

	close(lowest_free);
	assert_int_equal(allow_fds((rlim_t)lowest_free), lowest_free);
}

/* A vCPU that the kernel refuses leaves nothing in the table. */
static void test_no_descriptor(void **state)
{
	assert_int_equal(create(3), 0);
	allow_no_fd();
	assert_int_equal(create(4), -EMFILE);
	assert_int_equal(create(3), -EEXIST);
	allow_fds(RLIM_INFINITY);
	assert_int_equal(create(4), 0);
}

static int lower_max_ids(int fd, uint64_t number)
{
	const struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MAX_VCPU_ID,
		.args = {number},
	};

	return ioctl(fd, KVM_ENABLE_CAP, &cap);
}

static void test_lower_limit_of_one_vm(void **state)
{
	if (lower_max_ids(pair.plain_fd, 8) ||
	    lower_max_ids(bf_vm_fd(pair.vm), 8)) {
		print_message("the kernel has the same ids for every VM\n");
		skip();
	}
	assert_int_equal(create(7), 0);
	assert_int_equal(create(8), -EINVAL);
	assert_int_equal(create(7), -EEXIST);
	assert_int_equal(create(pair.max_ids), -EINVAL);
	assert_int_equal(create(0), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_random_ids),
		CASE(test_no_descriptor),
		CASE(test_lower_limit_of_one_vm),
		CASE(test_too_many),
	};

	if (access("/dev/kvm", R_OK | W_OK)) {
		puts("no /dev/kvm to compare with");
		return 77;
	}
	return cmocka_run_group_tests_name("vm_vcpus_kvm", tests, NULL, NULL);
}
