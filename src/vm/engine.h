/* SPDX-License-Identifier: MIT */
/*
 * What an engine does for a VM: it creates vCPUs and runs guest code in them.
 *
 * KVM is the engine of the library.  A program hands in another one through
 * struct bf_vm_config; the engine fills in the fields of struct bf_vm and
 * struct bf_vcpu (vm/vm.h) that its functions name.
 */
#ifndef BF_VM_ENGINE_H
#define BF_VM_ENGINE_H

#include "belfry/vm.h"

struct bf_engine_ops {
	/*
	 * Sets vm->memslots, vm->engine_data and, for KVM, vm->fd; limits says
	 * how many vCPUs the engine allows.  vm->bus exists, vm->front and
	 * vm->vcpus do not exist yet.  0 or a negative errno.
	 */
	int (*vm_create)(struct bf_vm *vm, const struct bf_vm_config *config,
			 struct bf_vcpus_config *limits);

	/* Frees what vm_create() made; no vCPU is left. */
	void (*vm_destroy)(struct bf_vm *vm);

	/* The address by which guest code reaches gpa, 0 if nothing is there. */
	uint64_t (*guest_addr)(struct bf_vm *vm, uint64_t gpa);

	/*
	 * Sets vcpu->page, vcpu->page_size, vcpu->engine_data and, for KVM,
	 * vcpu->fd and the ring.  The vCPU's id is reserved in vm->vcpus.
	 * 0 or a negative errno.
	 */
	int (*vcpu_create)(struct bf_vcpu *vcpu);
	void (*vcpu_destroy)(struct bf_vcpu *vcpu);
	int (*vcpu_boot64)(struct bf_vcpu *vcpu,
			   const struct bf_vcpu_boot64_desc *desc);
	int (*vcpu_run)(struct bf_vcpu *vcpu);

	/*
	 * Makes a vcpu_run() return that began before the caller set
	 * immediate_exit in vcpu->page.
	 */
	void (*vcpu_kick)(struct bf_vcpu *vcpu);
};

extern const struct bf_engine_ops bf_engine_kvm;

#endif
