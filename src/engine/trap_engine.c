// SPDX-License-Identifier: MIT
/* The trap engine in the clothes of an engine; the traps are in trap.c. */
#include "engine/trap_internal.h"
#include "vm/exit.h"
#include "vm/vm.h"

#define DEFAULT_MMIO_GPA  0xd0000000ULL
#define DEFAULT_MMIO_SIZE 0x1000000ULL

static int trap_vm_create(struct bf_vm *vm, const struct bf_vm_config *config,
			  struct bf_vcpus_config *limits)
{
	uint64_t gpa = config->mmio_gpa, size = config->mmio_size;
	int ret;

	if (!gpa && !size) {
		gpa = DEFAULT_MMIO_GPA;
		size = DEFAULT_MMIO_SIZE;
	}
	ret = bf_trap_create(&vm->trap, gpa, size);
	if (!ret)
		vm->memslots = bf_trap_memslots(vm->trap);
	return ret;
}

static void trap_vm_destroy(struct bf_vm *vm)
{
	bf_trap_destroy(vm->trap);
}

static uint64_t trap_guest_addr(struct bf_vm *vm, uint64_t gpa)
{
	return bf_trap_guest_addr(vm->trap, gpa);
}

static bool trap_exit(void *opaque, struct kvm_run *run)
{
	struct bf_vm *vm = opaque;

	return bf_exit_offer(vm->bus, run);
}

static int trap_vcpu_create(struct bf_vcpu *vcpu)
{
	int ret = bf_trap_vcpu_create(&vcpu->trap, vcpu->vm->trap, trap_exit,
				      vcpu->vm);

	if (!ret)
		vcpu->page = bf_trap_vcpu_page(vcpu->trap);
	return ret;
}

static void trap_vcpu_destroy(struct bf_vcpu *vcpu)
{
	bf_trap_vcpu_destroy(vcpu->trap);
}

static int trap_vcpu_boot64(struct bf_vcpu *vcpu,
			    const struct bf_vcpu_boot64 *boot)
{
	return bf_trap_vcpu_boot(vcpu->trap, boot);
}

static int trap_vcpu_run(struct bf_vcpu *vcpu)
{
	return bf_trap_vcpu_run(vcpu->trap);
}

static void trap_vcpu_kick(struct bf_vcpu *vcpu)
{
	bf_trap_vcpu_kick(vcpu->trap);
}

const struct bf_engine_ops bf_engine_trap = {
	.vm_create = trap_vm_create,
	.vm_destroy = trap_vm_destroy,
	.guest_addr = trap_guest_addr,
	.vcpu_create = trap_vcpu_create,
	.vcpu_destroy = trap_vcpu_destroy,
	.vcpu_boot64 = trap_vcpu_boot64,
	.vcpu_run = trap_vcpu_run,
	.vcpu_kick = trap_vcpu_kick,
};
