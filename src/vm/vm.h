/* SPDX-License-Identifier: MIT */
/* A VM and its vCPUs from inside, and what an engine has to do for them. */
#ifndef BF_VM_VM_H
#define BF_VM_VM_H

#include <pthread.h>
#include <sys/types.h>

#include "belfry/vm.h"
#include "vm/front.h"

struct bf_kvm_vcpu;
struct bf_trap;
struct bf_trap_vcpu;
struct bf_engine_ops;

struct bf_vm {
	const struct bf_engine_ops *engine;
	struct bf_io_bus *bus;
	struct bf_front *front;
	struct bf_memslots *memslots;
	struct bf_vcpus *vcpus;
	/* Engine kvm. */
	int fd;		  /* -1 on other engines */
	size_t page_size; /* of a vCPU's run page */
	int kick_signal;  /* 0: none */
	pthread_mutex_t made_lock;
	struct bf_kvm_vcpu *made; /* every vCPU that KVM has */
	/* Engine trap. */
	struct bf_trap *trap;
};

struct bf_vcpu {
	struct bf_vcpus_entry entry;
	struct bf_vm *vm;
	struct kvm_run *page;
	/* Engine kvm. */
	int fd;	   /* -1 on other engines */
	pid_t tid; /* who runs it, where kicks are signals; 0: nobody */
	/* Engine trap. */
	struct bf_trap_vcpu *trap;
};

struct bf_engine_ops {
	/*
	 * Fills in the engine's part of the VM and its memslots, and says how
	 * many vCPUs there may be; vm->bus is there, the front is not yet.
	 */
	int (*vm_create)(struct bf_vm *vm, const struct bf_vm_config *config,
			 struct bf_vcpus_config *limits);
	void (*vm_destroy)(struct bf_vm *vm);
	uint64_t (*guest_addr)(struct bf_vm *vm, uint64_t gpa);

	/* Fills in the engine's part of the vCPU; its id is reserved. */
	int (*vcpu_create)(struct bf_vcpu *vcpu);
	void (*vcpu_destroy)(struct bf_vcpu *vcpu);
	int (*vcpu_boot64)(struct bf_vcpu *vcpu,
			   const struct bf_vcpu_boot64 *boot);
	int (*vcpu_run)(struct bf_vcpu *vcpu);
	/* Makes a run return that began before immediate_exit was set. */
	void (*vcpu_kick)(struct bf_vcpu *vcpu);
};

extern const struct bf_engine_ops bf_engine_kvm;
extern const struct bf_engine_ops bf_engine_trap;

#endif
