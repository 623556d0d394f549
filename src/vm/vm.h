/* SPDX-License-Identifier: MIT */
/* A VM and its vCPUs from inside, and what an engine has to do for them. */
#ifndef BF_VM_VM_H
#define BF_VM_VM_H

#include <pthread.h>

#include "belfry/vm.h"
#include "vm/front.h"

struct bf_trap;
struct bf_trap_vcpu;
struct bf_engine_ops;

struct bf_vm {
	const struct bf_engine_ops *engine;
	struct bf_io_bus *bus;
	struct bf_front *front;
	/* Engine kvm. */
	int fd;		  /* -1 on other engines */
	size_t page_size; /* of a vCPU's run page */
	/* Engine trap. */
	struct bf_trap *trap;
	pthread_mutex_t lock;  /* over the list of ids */
	struct bf_vcpu *vcpus; /* trap alone: KVM knows its own */
};

struct bf_vcpu {
	struct bf_vm *vm;
	unsigned long id;
	struct kvm_run *page;
	int fd;			   /* engine kvm, else -1 */
	struct bf_trap_vcpu *trap; /* engine trap */
	struct bf_vcpu *next;
};

struct bf_engine_ops {
	/* Fills in the engine's part of the VM; vm->bus is there. */
	int (*vm_create)(struct bf_vm *vm, const struct bf_vm_config *config);
	void (*vm_destroy)(struct bf_vm *vm);
	int (*set_memory)(struct bf_vm *vm,
			  const struct kvm_userspace_memory_region *region);
	uint64_t (*guest_addr)(struct bf_vm *vm, uint64_t gpa);

	/* Fills in the engine's part of the vCPU; vm and id are there. */
	int (*vcpu_create)(struct bf_vcpu *vcpu);
	void (*vcpu_destroy)(struct bf_vcpu *vcpu);
	int (*vcpu_boot64)(struct bf_vcpu *vcpu,
			   const struct bf_vcpu_boot64 *boot);
	int (*vcpu_run)(struct bf_vcpu *vcpu);
};

extern const struct bf_engine_ops bf_engine_kvm;
extern const struct bf_engine_ops bf_engine_trap;

#endif
