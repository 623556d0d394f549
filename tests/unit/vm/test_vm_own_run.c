// SPDX-License-Identifier: MIT
/*
 * KVM_RUN on a VM of belfry/vm.h: vCPUs that the caller runs, or made itself,
 * split accesses, and the page after -EINTR.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/vm.h"
#include "tests/unit/front/own_vm.h"

#define PORT OWN_PORT

static struct bf_vm *vm;
static char *memory;
static int efd;

static void setup(const struct bf_vm_config *config)
{
	struct kvm_userspace_memory_region slot = {.memory_size = OWN_MEMORY};

	if (bf_vm_create(config, &vm))
		skip();
	memory = mmap(NULL, OWN_MEMORY, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	slot.userspace_addr = (uintptr_t)memory;
	assert_int_equal(bf_memslots_set(bf_vm_memslots(vm), &slot), 0);
	own_place(memory + OWN_CODE, &own_signal_port);
	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void teardown(void)
{
	bf_vm_destroy(vm);
	munmap(memory, OWN_MEMORY);
	close(efd);
}

static void assign(uint64_t addr, uint32_t flags)
{
	const struct kvm_ioeventfd arg = own_doorbell(efd, addr, flags);

	assert_int_equal(bf_front_ioeventfd(bf_vm_front(vm), &arg), 0);
}

static uint64_t installed(void)
{
	struct bf_front_stats stats;

	bf_front_get_stats(bf_vm_front(vm), &stats);
	return stats.installed;
}

static struct bf_vcpu *add_vcpu(uint16_t cx)
{
	struct bf_vcpu *vcpu;

	assert_int_equal(bf_vcpu_create(vm, 0, &vcpu), 0);
	own_vcpu_start(bf_vcpu_fd(vcpu), OWN_CODE, cx);
	return vcpu;
}

/* A vCPU of which belfry knows nothing has its doorbells in the kernel. */
static void test_vcpu_past_belfry(void **state)
{
	struct bf_vcpu *vcpu;
	int fd;

	setup(NULL);
	assign(PORT, OWN_PORT_FLAGS);
	assert_int_equal(installed(), 0);
	fd = ioctl(bf_vm_fd(vm), KVM_CREATE_VCPU, 1);
	assert_true(fd >= 0);
	assert_int_equal(installed(), 1);
	assign(PORT + 2, OWN_PORT_FLAGS);
	assert_int_equal(installed(), 2);
	own_vcpu_start(fd, OWN_CODE, 3);
	assert_int_equal(ioctl(fd, KVM_RUN, 0), 0);
	assert_int_equal(own_count(efd), 3);
	/* With a vCPU of the table the policy is in force. */
	vcpu = add_vcpu(3);
	assign(PORT + 4, OWN_PORT_FLAGS);
	assert_int_equal(bf_vm_fd(vm) >= 0, 1);
	assert_int_equal(installed(), 2);
	bf_vcpu_destroy(vcpu);
	close(fd);
	teardown();
}

/* The kernel looks at kvm_dirty_regs on x86-64 alone. */
#ifdef __x86_64__
static void expect_refusal(struct bf_vcpu *vcpu)
{
	assert_int_equal(ioctl(bf_vcpu_fd(vcpu), KVM_RUN, 0), -1);
	assert_int_equal(errno, EINVAL);
}
#else
static void expect_refusal(struct bf_vcpu *vcpu)
{
}
#endif

/* KVM_RUN past the bus is refused, and beside the front it is served. */
static void test_run_past_belfry(void **state)
{
	struct bf_front_vcpu *front;
	struct bf_vcpu *vcpu;
	int ret;

	setup(NULL);
	assign(PORT, OWN_PORT_FLAGS);
	vcpu = add_vcpu(3);
	expect_refusal(vcpu);
	assert_int_equal(bf_vcpu_run(vcpu), 0);
	assert_int_equal(own_count(efd), 3);
	expect_refusal(vcpu);
	front = bf_vcpu_front(vcpu);
	own_vcpu_start(bf_vcpu_fd(vcpu), OWN_CODE, 2);
	do {
		bf_front_before_run(front);
		ret = ioctl(bf_vcpu_fd(vcpu), KVM_RUN, 0);
	} while (bf_front_after_run(front, ret));
	assert_int_equal(ret, 0);
	assert_int_equal(bf_vcpu_page(vcpu)->exit_reason, OWN_END);
	assert_int_equal(own_count(efd), 2);
	own_vcpu_start(bf_vcpu_fd(vcpu), OWN_CODE, 1);
	assert_int_equal(bf_vcpu_run(vcpu), 0);
	assert_int_equal(own_count(efd), 1);
	teardown();
}

static void test_ioctls(void **state)
{
	struct kvm_ioeventfd arg;

	setup(NULL);
	arg = own_doorbell(efd, PORT, OWN_PORT_FLAGS);
	assert_int_equal(bf_vm_ioctl(vm, KVM_IOEVENTFD, &arg), 0);
	assert_int_equal(bf_vm_ioctl(vm, KVM_CREATE_VCPU, NULL), -EPERM);
	assert_int_equal(bf_vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, NULL),
			 -EPERM);
	assert_int_equal(bf_vm_ioctl(vm, KVM_CHECK_EXTENSION,
				     (void *)KVM_CAP_IOEVENTFD),
			 1);
	assert_int_equal(installed(), 0);
	teardown();
}

static void test_vm_type(void **state)
{
	const struct bf_vm_config config = {.vm_type = 0xffffff};

	setup(NULL);
	teardown();
	assert_int_equal(bf_vm_create(&config, &vm), -EINVAL);
}

#ifdef __x86_64__
static void test_create_irqchip(void **state)
{
	setup(NULL);
	assert_int_equal(bf_vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL), 0);
	assert_int_equal(bf_vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL), -EEXIST);
	teardown();
}

/* Registers by the run page (KVM_CAP_SYNC_REGS) work beside the refusal. */
static void test_registers_in_the_page(void **state)
{
	struct bf_vcpu *vcpu;
	struct kvm_run *page;

	setup(NULL);
	assign(PORT, OWN_PORT_FLAGS);
	vcpu = add_vcpu(1);
	page = bf_vcpu_page(vcpu);
	assert_int_equal(
		ioctl(bf_vcpu_fd(vcpu), KVM_GET_REGS, &page->s.regs.regs), 0);
	page->s.regs.regs.rcx = 4;
	page->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	page->kvm_valid_regs = KVM_SYNC_X86_REGS;
	assert_int_equal(bf_vcpu_run(vcpu), 0);
	assert_int_equal(own_count(efd), 4);
	assert_int_equal(page->s.regs.regs.rip,
			 OWN_CODE + own_signal_port.size);
	teardown();
}

/* mov %es:0x0ffe, %eax: across a page; hlt */
static const uint8_t read_across[6] = {0x66, 0x26, 0xa1, 0xfe, 0x0f, 0xf4};

/* out %eax, $0x99; hlt */
static const uint8_t out_99[4] = {0x66, 0xe7, 0x99, 0xf4};

/* The second half of a split read belongs to the life of the first. */
static void test_split_access_ends_with_its_life(void **state)
{
	struct bf_vcpu *vcpu;
	struct kvm_run *page;
	struct kvm_regs regs;

	setup(NULL);
	memcpy(memory + OWN_CODE, read_across, sizeof(read_across));
	memcpy(memory + OWN_EXTRA, out_99, sizeof(out_99));
	vcpu = add_vcpu(0);
	assert_int_equal(bf_vcpu_run(vcpu), 0);
	page = bf_vcpu_page(vcpu);
	assert_int_equal(page->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(page->mmio.len, 2);
	bf_vcpu_destroy(vcpu);
	assert_int_equal(bf_vcpu_create(vm, 0, &vcpu), 0);
	own_vcpu_start(bf_vcpu_fd(vcpu), OWN_EXTRA, 0);
	assert_int_equal(bf_vcpu_run(vcpu), 0);
	page = bf_vcpu_page(vcpu);
	assert_int_equal(page->exit_reason, KVM_EXIT_IO);
	assert_int_equal(page->io.port, 0x99);
	assert_int_equal(page->immediate_exit, 0);
	assert_int_equal(ioctl(bf_vcpu_fd(vcpu), KVM_GET_REGS, &regs), 0);
	assert_int_equal(regs.rax, 0x20001);
	teardown();
}

#define X86_TESTS                                             \
	cmocka_unit_test(test_create_irqchip),                \
		cmocka_unit_test(test_registers_in_the_page), \
		cmocka_unit_test(test_split_access_ends_with_its_life),
#else
#define X86_TESTS
#endif

static void test_callback(void *opaque, uint64_t value,
			  const struct bf_io_access *access)
{
	bf_vcpu_page(access->source)->immediate_exit = 1;
}

/* A kick that comes with a served exit. */
static void test_page_after_eintr(void **state)
{
	const struct bf_io_doorbell_desc desc = {
		.addr = PORT,
		.len = 2,
		.space = OWN_PORT_SPACE,
		.wildcard = true,
		.consumer = BF_IO_CONSUMER_CALLBACK,
		.callback = test_callback,
	};
	struct bf_vcpu *vcpu;
	struct kvm_run *page;

	setup(NULL);
	assert_int_equal(bf_io_add_doorbell(bf_vm_bus(vm), &desc, NULL, NULL),
			 0);
	vcpu = add_vcpu(2);
	page = bf_vcpu_page(vcpu);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bf_vcpu_run(vcpu), -EINTR);
		assert_int_equal(page->exit_reason, KVM_EXIT_INTR);
		assert_int_equal(page->immediate_exit, 1);
		page->immediate_exit = 0;
	}
	assert_int_equal(bf_vcpu_run(vcpu), 0);
	assert_int_equal(page->exit_reason, OWN_END);
	teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vcpu_past_belfry),
		cmocka_unit_test(test_run_past_belfry),
		cmocka_unit_test(test_ioctls),
		cmocka_unit_test(test_vm_type),
		X86_TESTS cmocka_unit_test(test_page_after_eintr),
	};

	return cmocka_run_group_tests_name("vm_own_run", tests, NULL, NULL);
}
