/* SPDX-License-Identifier: MIT */
/* The parts of the KVM engine to each other. */
#ifndef BF_ENGINE_KVM_H
#define BF_ENGINE_KVM_H

#include "vm/vm.h"

/* The result, or a negative errno. */
long bf_kvm_ioctl(int fd, unsigned long request, void *arg);
long bf_kvm_number(int fd, unsigned long request, unsigned long arg);

/* kvm_vcpu.c: as in struct bf_engine_ops. */
int bf_kvm_vcpu_create(struct bf_vcpu *vcpu);
void bf_kvm_vcpu_destroy(struct bf_vcpu *vcpu);
int bf_kvm_vcpu_run(struct bf_vcpu *vcpu);
void bf_kvm_vcpu_kick(struct bf_vcpu *vcpu);

/* Closes all vCPUs; those of the table were destroyed. */
void bf_kvm_free_vcpus(struct bf_vm *vm);

int bf_kvm_boot64(struct bf_vcpu *vcpu, const struct bf_vcpu_boot64 *boot);

#endif
