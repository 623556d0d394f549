// SPDX-License-Identifier: MIT
/* The engine operations (vm/engine.h) of the trap engine. */
#include "testing/trap/internal.h"
#include "vm/vm.h"

#define DEFAULT_MMIO_GPA  0xd0000000ULL
#define DEFAULT_MMIO_SIZE 0x1000000ULL

static int trap_vm_create(struct bf_vm *vm, const struct bf_vm_config *config,
			  struct bf_vcpus_config *limits)
{
	static const struct bf_trap_config defaults = {
		.mmio_gpa = DEFAULT_MMIO_GPA,
		.mmio_size = DEFAULT_MMIO_SIZE,
	};
	const struct bf_trap_config *window = config->engine_config;
	struct bf_trap *trap;
	int ret;

	ret = bf_trap_create(window ? window : &defaults, &trap);
	if (ret)
		return ret;
	vm->engine_data = trap;
	vm->memslots = bf_trap_memslots(trap);
	return 0;
}

static void trap_vm_destroy(struct bf_vm *vm)
{
	bf_trap_destroy(vm->engine_data);
}

static uint64_t trap_guest_addr(struct bf_vm *vm, uint64_t gpa)
{
	return bf_trap_guest_addr(vm->engine_data, gpa);
}

static bool trap_exit(void *opaque, struct kvm_run *run)
{
	struct bf_vcpu *vcpu = opaque;

	return bf_front_after_run(vcpu->front, 0);
}

static int trap_vcpu_create(struct bf_vcpu *vcpu)
{
	struct bf_trap_vcpu *trap;
	int ret = bf_trap_vcpu_create(vcpu->vm->engine_data, trap_exit, vcpu,
				      &trap);

	if (ret)
		return ret;
	vcpu->engine_data = trap;
	vcpu->page = bf_trap_vcpu_page(trap);
	vcpu->page_size = BF_TRAP_RUN_SIZE;
	return 0;
}

static void trap_vcpu_destroy(struct bf_vcpu *vcpu)
{
	bf_trap_vcpu_destroy(vcpu->engine_data);
}

static int trap_vcpu_boot64(struct bf_vcpu *vcpu,
			    const struct bf_vcpu_boot64_desc *desc)
{
	return bf_trap_vcpu_boot(vcpu->engine_data, desc);
}

static int trap_vcpu_run(struct bf_vcpu *vcpu)
{
	return bf_trap_vcpu_run(vcpu->engine_data);
}

static void trap_vcpu_kick(struct bf_vcpu *vcpu)
{
	bf_trap_vcpu_kick(vcpu->engine_data);
}

const struct bf_engine_ops bf_trap_engine = {
	.vm_create = trap_vm_create,
	.vm_destroy = trap_vm_destroy,
	.guest_addr = trap_guest_addr,
	.vcpu_create = trap_vcpu_create,
	.vcpu_destroy = trap_vcpu_destroy,
	.vcpu_boot64 = trap_vcpu_boot64,
	.vcpu_run = trap_vcpu_run,
	.vcpu_kick = trap_vcpu_kick,
};
