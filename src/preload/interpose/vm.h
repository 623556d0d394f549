/* SPDX-License-Identifier: MIT */
/* VMs: how one is learned of, and how it is left to itself. */
#ifndef BF_PRELOAD_VM_H
#define BF_PRELOAD_VM_H

#include "preload/fds/object.h"

/* The ioctls, with results as of sys_ioctl(). */
long vm_create(int kvm_fd, void *arg);
/* Any other call: passed through, and the front is told if it is a VM's. */
long vm_call(int fd, uint32_t request, void *arg);

long vm_create_vcpu(int fd, void *arg);

/*
 * What belfry does not understand must not hurt the program: the kernel gets
 * all doorbells of the VM, those that come later too.  Says so once.
 */
void vm_step_aside(struct object_vm *vm, const char *why);

/* The same for all VMs, those that are made later too. */
void vm_step_aside_all(const char *why);

/*
 * The program makes a call on a known number past ioctl(): what it does to its
 * VM is not all to be seen.
 */
void vm_called_raw(int fd, unsigned long request);

/* Brings the shared counters up to the front's; takes the front's lock. */
void vm_tell(struct object_vm *vm);
void vm_tell_all(void);

#endif
