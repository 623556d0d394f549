/* SPDX-License-Identifier: MIT */
/* The parts of the KVM engine to each other. */
#ifndef BF_ENGINE_KVM_H
#define BF_ENGINE_KVM_H

#include "vm/vm.h"

/* The result, or a negative errno. */
long bf_kvm_ioctl(int fd, unsigned long request, void *arg);

int bf_kvm_boot64(struct bf_vcpu *vcpu, const struct bf_vcpu_boot64 *boot);

#endif
