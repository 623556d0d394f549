/* SPDX-License-Identifier: MIT */
/* The data of the KVM engine, and the calls between its files. */
#ifndef BF_VM_KVM_H
#define BF_VM_KVM_H

#include <pthread.h>

#include "vm/vm.h"

struct bf_kvm_vcpu;

/* The engine's data of a VM. */
struct bf_kvm_vm {
	size_t page_size;	   /* of a vCPU's run page, in bytes */
	size_t ring_offset;	   /* of the ring in that page; 0: none */
	int kick_signal;	   /* 0: none */
	pthread_mutex_t lock;	   /* guards vcpus */
	struct bf_kvm_vcpu *vcpus; /* every vCPU that the kernel has */
};

/* The result, or a negative errno. */
long bf_kvm_ioctl(int fd, unsigned long request, void *arg);
long bf_kvm_number(int fd, unsigned long request, unsigned long arg);

/* kvm_vcpu.c: as in struct bf_engine_ops. */
int bf_kvm_vcpu_create(struct bf_vcpu *vcpu);
void bf_kvm_vcpu_destroy(struct bf_vcpu *vcpu);
int bf_kvm_vcpu_run(struct bf_vcpu *vcpu);
void bf_kvm_vcpu_kick(struct bf_vcpu *vcpu);

/* bf_kvm_boot64() has started it. */
void bf_kvm_vcpu_booted(struct bf_vcpu *vcpu);

/* Closes all vCPUs of the kernel's; the VM has none any more. */
void bf_kvm_free_vcpus(struct bf_kvm_vm *kvm);

/* kvm_boot_*.c: as bf_vcpu_boot64(), for the fd of a VM and of its vCPU. */
int bf_kvm_boot64(int vm_fd, int fd, const struct bf_vcpu_boot64_desc *desc);

/* The registers alone, of a vCPU that bf_kvm_boot64() has started before. */
int bf_kvm_set_regs(int fd, const struct bf_vcpu_boot64_desc *desc);

/* The exit of a vCPU that bf_kvm_boot64() started: is it the program's end? */
bool bf_kvm_is_end(const struct kvm_run *page);

/* The type of a VM for KVM_CREATE_VM, for the type that the caller wants. */
unsigned long bf_kvm_vm_type(int device, unsigned long wanted);

#endif
