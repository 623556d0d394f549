/* SPDX-License-Identifier: MIT */
/* Tracks the program's VMs, vCPUs and devices from their creation on. */
#ifndef BF_PRELOAD_VM_H
#define BF_PRELOAD_VM_H

#include "preload/fds/object.h"

/*
 * Enters a VM that KVM_CREATE_VM on @kvm_fd has just returned into the fd
 * table, with a front unless the settings say plain.  Returns its name in the
 * recording.
 */
struct record_who vm_track(int kvm_fd, int fd);

/* Enters vCPU @id of @vm, which KVM_CREATE_VCPU has just returned. */
void vm_track_vcpu(struct object *vm, int fd, uint32_t id);

/* Enters a device of @vm, which KVM_CREATE_DEVICE has just returned. */
void vm_track_device(struct object *vm, int fd);

/*
 * Passes a VM through: gives the kernel every doorbell and zone of the VM, now
 * and from now on.  Necessary if the library cannot see every call and every
 * exit of the VM.  Logs @why the first time.
 */
void vm_pass_through(struct object_vm *vm, const char *why);

/* Passes every VM through, future ones included. */
void vm_pass_through_all(const char *why);

/*
 * Starts the helper threads of every VM, future ones included, before a filter
 * keeps the threads that need them from doing so.
 */
void vm_start_helpers(void);

/* Waits for signals of doorbells in progress, but not after @until_ns. */
void vm_wait_for_signals(uint64_t until_ns);

/* bf_front_counted: adds 1 to a counter of config.stats. */
void vm_count(enum bf_front_counter counter);

#endif
