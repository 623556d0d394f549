/* SPDX-License-Identifier: MIT */
/*
 * The recorder for belfry run's --report and --trace.  While it is off, each
 * function below costs a branch.  While it is on, it takes no lock and does not
 * wait.  It records no call of a child that shares the program's memory but not
 * its fds (vfork(), clone()).
 */
#ifndef BF_PRELOAD_RECORD_H
#define BF_PRELOAD_RECORD_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "preload/record/recording.h"

struct bf_front;

/* NULL: off.  Set before the program begins, then constant. */
extern struct recording *recording;
extern uint32_t recording_chunks; /* of recording->events */

/* The VM and the vCPU that an event is about. */
struct record_who {
	uint32_t vm;   /* number, from 1; 0: none */
	uint32_t vcpu; /* id, or RECORDED_NO_VCPU */
};

static const struct record_who record_nobody = {0, RECORDED_NO_VCPU};

/* Opens the file that BELFRY_RECORDING names. */
void record_setup(void);

/* In the child of a fork(): a new process with new threads. */
void record_forked(void);

/* The functions below, while the recorder is on. */
void recording_add_call(struct record_who who, uint32_t key, uint64_t start_ns,
			long ret);
uint32_t recording_add_vm(const struct bf_front *front);
void recording_end_vm(uint32_t vm);
void recording_add_ioeventfd(uint32_t vm, bool has_front,
			     const struct kvm_ioeventfd *arg, long ret);
void recording_add_exit(struct record_who who, const struct kvm_run *run);
void recording_begin_run(struct record_who who);
void recording_end_run(void);

/*
 * Records a call that began at @start_ns and ends now; @key as in struct
 * stats_call, @ret as of sys_ioctl().
 */
static inline void record_call(struct record_who who, uint32_t key,
			       uint64_t start_ns, long ret)
{
	if (recording)
		recording_add_call(who, key, start_ns, ret);
}

/* Returns the number of a new VM; 0 while the recorder is off. */
static inline uint32_t record_new_vm(const struct bf_front *front)
{
	return recording ? recording_add_vm(front) : 0;
}

/* The kernel has destroyed the VM. */
static inline void record_vm_end(uint32_t vm)
{
	if (recording)
		recording_end_vm(vm);
}

/* Records the answer @ret to a KVM_IOEVENTFD. */
static inline void record_ioeventfd(uint32_t vm, bool has_front,
				    const struct kvm_ioeventfd *arg, long ret)
{
	if (recording)
		recording_add_ioeventfd(vm, has_front, arg, ret);
}

/* The front took the exit in @run and signalled a doorbell for it. */
static inline void record_exit(struct record_who who, const struct kvm_run *run)
{
	if (recording)
		recording_add_exit(who, run);
}

/* Around a KVM_RUN of the program. */
static inline void record_run_begins(struct record_who who)
{
	if (recording)
		recording_begin_run(who);
}

static inline void record_run_ends(void)
{
	if (recording)
		recording_end_run();
}

#endif
