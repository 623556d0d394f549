// SPDX-License-Identifier: MIT
/*
 * Measures in a throw-away VM: a memory slot alone and right after a doorbell
 * was registered; a guest's writes to the doorbell in user space and in the
 * kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "front/calibrate.h"
#include "front/calibrate_guest.h"

#define TIMES 3 /* the fastest counts: the others were disturbed */

/* If no guest can run here: an exit to user space on common hardware. */
#define USUAL_SIGNAL_NS 2000

/* Nanoseconds for one more slot; 0: failed. */
static uint64_t add_slot(struct calibrate_vm *vm)
{
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);
	const struct kvm_userspace_memory_region region = {
		.slot = vm->slots,
		.guest_phys_addr = vm->slots * size,
		.memory_size = size,
		.userspace_addr = (uintptr_t)vm->memory,
	};
	uint64_t start = bf_now_ns();

	vm->slots++;
	if (calibrate_ioctl(vm->vm, KVM_SET_USER_MEMORY_REGION,
			    (unsigned long)&region))
		return 0;
	return bf_now_ns() - start;
}

/* Nanoseconds for a registration; 0: failed. */
static uint64_t add_doorbell(struct calibrate_vm *vm, unsigned int port)
{
	const struct kvm_ioeventfd arg = {
		.addr = port,
		.len = 1,
		.fd = vm->eventfd,
		.flags = KVM_IOEVENTFD_FLAG_PIO,
	};
	uint64_t start = bf_now_ns();

	if (calibrate_ioctl(vm->vm, KVM_IOEVENTFD, (unsigned long)&arg))
		return 0;
	return bf_now_ns() - start;
}

/* Runs twice: at the first run the kernel maps the guest's memory. */
static uint64_t run_warm(struct calibrate_vm *vm)
{
	return bf_calibrate_run(vm) ? bf_calibrate_run(vm) : 0;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t difference(uint64_t more, uint64_t less)
{
	return more > less ? more - less : 1;
}

/* Nanoseconds for a doorbell and the slot after it; 0: failed. */
static uint64_t add_both(struct calibrate_vm *vm, unsigned int port)
{
	uint64_t doorbell = add_doorbell(vm, port), slot = add_slot(vm);

	return doorbell && slot ? doorbell + slot : 0;
}

static bool measure(struct calibrate_vm *vm, struct bf_front_costs *costs)
{
	uint64_t alone = UINT64_MAX, both = UINT64_MAX, in_user, in_kernel;

	for (int i = 0; i < TIMES; i++)
		alone = less(alone, add_slot(vm));
	if (!alone || !bf_calibrate_add_vcpu(vm))
		return false;
	in_user = run_warm(vm);
	for (unsigned int i = 0; i < TIMES; i++)
		both = less(both, add_both(vm, CALIBRATE_PORT + i));
	if (!both)
		return false;
	in_kernel = run_warm(vm);
	costs->install_ns = difference(both, alone);
	costs->signal_ns = USUAL_SIGNAL_NS;
	if (in_user && in_kernel)
		costs->signal_ns =
			difference(in_user, in_kernel) / CALIBRATE_SIGNALS + 1;
	return true;
}

static bool open_vm(struct calibrate_vm *vm)
{
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);

	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	vm->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vm->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm->kvm < 0 || vm->eventfd < 0 || vm->memory == MAP_FAILED)
		return false;
	vm->vm = (int)calibrate_ioctl(vm->kvm, KVM_CREATE_VM, 0);
	return vm->vm >= 0;
}

/* close(3) may be the preload library's. */
static void close_fd(int fd)
{
	if (fd >= 0)
		syscall(SYS_close, fd);
}

static void close_vm(struct calibrate_vm *vm)
{
	if (vm->run && vm->run != MAP_FAILED)
		munmap(vm->run, vm->run_size);
	close_fd(vm->vcpu);
	close_fd(vm->vm);
	close_fd(vm->eventfd);
	close_fd(vm->kvm);
	if (vm->memory != MAP_FAILED)
		munmap(vm->memory, (size_t)sysconf(_SC_PAGESIZE));
}

bool bf_costs_measure(struct bf_front_costs *costs)
{
	struct calibrate_vm vm = {
		.kvm = -1, .vm = -1, .vcpu = -1, .eventfd = -1};
	bool measured = open_vm(&vm) && measure(&vm, costs);

	close_vm(&vm);
	return measured;
}
