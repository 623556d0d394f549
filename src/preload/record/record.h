/* SPDX-License-Identifier: MIT */
/*
 * Recording for belfry run's --report and --trace.  Off it costs a branch a
 * call; on it takes no lock and waits for nobody.  In a child that shares the
 * program's memory but not its fds (vfork(), clone()) no call is recorded.
 */
#ifndef BF_PRELOAD_RECORD_H
#define BF_PRELOAD_RECORD_H

#include <stdint.h>

#include "preload/fds/object.h"
#include "preload/record/recording.h"

/* NULL: off.  Set before the program begins, then constant. */
extern struct recording *recording;

/* Opens what BELFRY_RECORDING names. */
void record_setup(void);

/* In the child of a fork: it is another process, with other threads. */
void record_forked(void);

/* Which VM and vCPU a call is about. */
struct record_who {
	uint32_t vm;
	uint32_t vcpu;
};

struct record_who record_who_is(const struct object *obj);
struct record_who record_who_has(int fd);

/* One call that began at @start_ns and ends now; @ret as of sys_ioctl(). */
void record_call_of(struct record_who who, uint32_t key, uint64_t start_ns,
		    long ret);
void record_call_on(int fd, uint32_t key, uint64_t start_ns, long ret);

/* Numbers a VM, or learns the id of a vCPU, that @fd is now known as. */
void record_new_vm(int fd);
void record_new_vcpu(int fd, uintptr_t id);

/* The kernel's VM is gone. */
void record_end_of_vm(const struct object_vm *vm);

/* KVM_IOEVENTFD, answered with @ret. */
void record_answer(const struct object_vm *vm, const struct kvm_ioeventfd *arg,
		   long ret);

/* The exit in the vCPU's page rang a doorbell in user space. */
void record_rings(const struct object_vcpu *vcpu);

/* Around all of a KVM_RUN. */
void record_run_start(const struct object_vcpu *vcpu);
void record_run_stop(void);

static inline struct record_who record_who(const struct object *obj)
{
	const struct record_who nobody = {0, RECORDED_NO_VCPU};

	return recording ? record_who_is(obj) : nobody;
}

static inline void record_close(struct record_who who, uint32_t key,
				uint64_t start_ns, long ret)
{
	if (recording)
		record_call_of(who, key, start_ns, ret);
}

/* STATS_INSTALL: ends now. */
static inline void record_install_time(const struct object_vm *vm,
				       uint64_t start_ns)
{
	const struct record_who who = {vm->number, RECORDED_NO_VCPU};

	if (recording)
		record_call_of(who, STATS_INSTALL, start_ns, 0);
}

static inline void record_ioctl(int fd, uint32_t key, uint64_t start_ns,
				long ret)
{
	if (recording)
		record_call_on(fd, key, start_ns, ret);
}

static inline void record_vm(int fd)
{
	if (recording)
		record_new_vm(fd);
}

static inline void record_vcpu(int fd, uintptr_t id)
{
	if (recording)
		record_new_vcpu(fd, id);
}

static inline void record_vm_end(const struct object_vm *vm)
{
	if (recording)
		record_end_of_vm(vm);
}

static inline void record_doorbell(const struct object_vm *vm,
				   const struct kvm_ioeventfd *arg, long ret)
{
	if (recording)
		record_answer(vm, arg, ret);
}

static inline void record_exit(const struct object_vcpu *vcpu)
{
	if (recording)
		record_rings(vcpu);
}

static inline void record_run_begins(const struct object_vcpu *vcpu)
{
	if (recording)
		record_run_start(vcpu);
}

static inline void record_run_ends(void)
{
	if (recording)
		record_run_stop();
}

#endif
