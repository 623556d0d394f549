// SPDX-License-Identifier: MIT
/* The trap engine in the clothes of an engine; the traps are in trap.c. */
#include <errno.h>
#include <stdlib.h>

#include "engine/trap_internal.h"
#include "vm/exit.h"
#include "vm/vm.h"

#define DEFAULT_MMIO_GPA  0xd0000000ULL
#define DEFAULT_MMIO_SIZE 0x1000000ULL

/* The traps know memory by its address alone, callers by its slot too. */
struct bf_trap_slot {
	struct bf_trap_slot *next;
	struct kvm_userspace_memory_region region;
};

static int trap_vm_create(struct bf_vm *vm, const struct bf_vm_config *config)
{
	uint64_t gpa = config->mmio_gpa, size = config->mmio_size;
	int ret;

	if (!gpa && !size) {
		gpa = DEFAULT_MMIO_GPA;
		size = DEFAULT_MMIO_SIZE;
	}
	ret = bf_trap_create(&vm->trap, gpa, size);
	if (!ret)
		pthread_mutex_init(&vm->trap->slot_lock, NULL);
	return ret;
}

static void trap_vm_destroy(struct bf_vm *vm)
{
	struct bf_trap_slot *slot;

	while ((slot = vm->trap->slots)) {
		vm->trap->slots = slot->next;
		free(slot);
	}
	pthread_mutex_destroy(&vm->trap->slot_lock);
	bf_trap_destroy(vm->trap);
}

static int create_slot(struct bf_trap *trap, struct bf_trap_slot **link,
		       const struct kvm_userspace_memory_region *region)
{
	struct bf_trap_slot *slot = malloc(sizeof(*slot));
	int ret;

	if (!slot)
		return -ENOMEM;
	ret = bf_trap_map(trap, region->guest_phys_addr, region->memory_size,
			  (void *)(uintptr_t)region->userspace_addr);
	if (ret) {
		free(slot);
		return ret;
	}
	slot->next = *link;
	slot->region = *region;
	*link = slot;
	return 0;
}

static int delete_slot(struct bf_trap *trap, struct bf_trap_slot **link,
		       const struct kvm_userspace_memory_region *region)
{
	struct bf_trap_slot *slot = *link;
	int ret;

	/* KVM wants even what it does not use aligned. */
	if ((region->guest_phys_addr | region->userspace_addr) % BF_TRAP_PAGE)
		return -EINVAL;
	ret = bf_trap_map(trap, slot->region.guest_phys_addr, 0, NULL);
	if (ret)
		return ret;
	*link = slot->next;
	free(slot);
	return 0;
}

static int change_slot(struct bf_trap *trap, struct bf_trap_slot *slot,
		       const struct kvm_userspace_memory_region *region)
{
	uint64_t gpa = slot->region.guest_phys_addr;
	int ret = 0;

	if (region->memory_size != slot->region.memory_size ||
	    region->userspace_addr != slot->region.userspace_addr)
		return -EINVAL;
	if (region->guest_phys_addr != gpa)
		ret = bf_trap_move(trap, gpa, region->guest_phys_addr);
	if (!ret)
		slot->region = *region;
	return ret;
}

/* The last link, of nothing, where there is no such slot. */
static struct bf_trap_slot **find_slot(struct bf_trap *trap, uint32_t id)
{
	struct bf_trap_slot **link = &trap->slots;

	while (*link && (*link)->region.slot != id)
		link = &(*link)->next;
	return link;
}

static int set_slot(struct bf_trap *trap,
		    const struct kvm_userspace_memory_region *region)
{
	struct bf_trap_slot **link = find_slot(trap, region->slot);

	if (*link && region->memory_size)
		return change_slot(trap, *link, region);
	if (*link)
		return delete_slot(trap, link, region);
	if (region->memory_size)
		return create_slot(trap, link, region);
	return -EINVAL;
}

static int trap_set_memory(struct bf_vm *vm,
			   const struct kvm_userspace_memory_region *region)
{
	int ret;

	pthread_mutex_lock(&vm->trap->slot_lock);
	ret = set_slot(vm->trap, region);
	pthread_mutex_unlock(&vm->trap->slot_lock);
	return ret;
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

/* KVM knows which ids are taken; here we have to. */
static int claim_id(struct bf_vcpu *vcpu)
{
	struct bf_vm *vm = vcpu->vm;
	struct bf_vcpu *other;
	int ret = 0;

	pthread_mutex_lock(&vm->lock);
	for (other = vm->vcpus; other && !ret; other = other->next)
		if (other->id == vcpu->id)
			ret = -EEXIST;
	if (!ret) {
		vcpu->next = vm->vcpus;
		vm->vcpus = vcpu;
	}
	pthread_mutex_unlock(&vm->lock);
	return ret;
}

static void release_id(struct bf_vcpu *vcpu)
{
	struct bf_vm *vm = vcpu->vm;
	struct bf_vcpu **link = &vm->vcpus;

	pthread_mutex_lock(&vm->lock);
	while (*link != vcpu)
		link = &(*link)->next;
	*link = vcpu->next;
	pthread_mutex_unlock(&vm->lock);
}

static int trap_vcpu_create(struct bf_vcpu *vcpu)
{
	int ret = claim_id(vcpu);

	if (ret)
		return ret;
	ret = bf_trap_vcpu_create(&vcpu->trap, vcpu->vm->trap, trap_exit,
				  vcpu->vm);
	if (ret) {
		release_id(vcpu);
		return ret;
	}
	vcpu->page = bf_trap_vcpu_page(vcpu->trap);
	return 0;
}

static void trap_vcpu_destroy(struct bf_vcpu *vcpu)
{
	bf_trap_vcpu_destroy(vcpu->trap);
	release_id(vcpu);
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

const struct bf_engine_ops bf_engine_trap = {
	.vm_create = trap_vm_create,
	.vm_destroy = trap_vm_destroy,
	.set_memory = trap_set_memory,
	.guest_addr = trap_guest_addr,
	.vcpu_create = trap_vcpu_create,
	.vcpu_destroy = trap_vcpu_destroy,
	.vcpu_boot64 = trap_vcpu_boot64,
	.vcpu_run = trap_vcpu_run,
};
