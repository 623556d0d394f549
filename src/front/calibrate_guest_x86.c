// SPDX-License-Identifier: MIT
/* A guest in real mode that writes to a port and halts. */
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "front/calibrate_guest.h"

/* out %al, %dx; loop back to it; hlt */
static const unsigned char guest_code[] = {0xee, 0xe2, 0xfd, 0xf4};

static bool set_segment(struct calibrate_vm *vm)
{
	struct kvm_sregs sregs;

	if (calibrate_ioctl(vm->vcpu, KVM_GET_SREGS, (unsigned long)&sregs))
		return false;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	return !calibrate_ioctl(vm->vcpu, KVM_SET_SREGS, (unsigned long)&sregs);
}

bool bf_calibrate_add_vcpu(struct calibrate_vm *vm)
{
	long size = calibrate_ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	vm->vcpu = (int)calibrate_ioctl(vm->vm, KVM_CREATE_VCPU, 0);
	if (size <= 0 || vm->vcpu < 0 || !set_segment(vm))
		return false;
	vm->run_size = (size_t)size;
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       vm->vcpu, 0);
	memcpy(vm->memory, guest_code, sizeof(guest_code));
	return vm->run != MAP_FAILED;
}

static bool set_registers(struct calibrate_vm *vm)
{
	const struct kvm_regs regs = {
		.rflags = 2, /* the bit that is always 1 */
		.rdx = CALIBRATE_PORT,
		.rcx = CALIBRATE_SIGNALS,
	};

	return !calibrate_ioctl(vm->vcpu, KVM_SET_REGS, (unsigned long)&regs);
}

/* True when the guest has halted. */
static bool run_to_halt(struct calibrate_vm *vm)
{
	const uint64_t one = 1;

	while (!calibrate_ioctl(vm->vcpu, KVM_RUN, 0)) {
		if (vm->run->exit_reason == KVM_EXIT_HLT)
			return true;
		if (vm->run->exit_reason != KVM_EXIT_IO ||
		    write(vm->eventfd, &one, sizeof(one)) < 0)
			return false;
	}
	return false;
}

uint64_t bf_calibrate_run(struct calibrate_vm *vm)
{
	uint64_t start = bf_now_ns();

	if (!set_registers(vm) || !run_to_halt(vm))
		return 0;
	return bf_now_ns() - start;
}
