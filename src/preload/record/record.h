/* SPDX-License-Identifier: MIT */
/*
 * The counters of calls, and the recorder for belfry run's --report and
 * --trace. While the recorder is off, it costs each function below a branch.
 * While it is on, it takes no lock and does not wait.  It records no call of a
 * child that shares the program's memory but not its fds (vfork(), clone()).
 */
#ifndef BF_PRELOAD_RECORD_H
#define BF_PRELOAD_RECORD_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
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

/*
 * Counts and records a call that began at @start_ns and ends now; @key as in
 * struct stats_call, @ret as of sys_ioctl().
 */
void record_call(struct record_who who, uint32_t key, uint64_t start_ns,
		 long ret);

/* Returns the number of a new VM; 0 while the recorder is off. */
uint32_t record_new_vm(const struct bf_front *front);

/* The kernel has destroyed the VM. */
void record_vm_end(uint32_t vm);

/* Records the answer @ret to a KVM_IOEVENTFD. */
void record_ioeventfd(uint32_t vm, bool has_front,
		      const struct kvm_ioeventfd *arg, long ret);

/* The front took the exit in @run and signalled a doorbell for it. */
void record_exit(struct record_who who, const struct kvm_run *run);

/* While the recorder is on. */
void recording_begin_run(struct record_who who);
void recording_end_run(void);

/* Around a KVM_RUN of the program. */
static inline void record_run_begins(struct record_who who)
{
	if (unlikely(recording))
		recording_begin_run(who);
}

static inline void record_run_ends(void)
{
	if (unlikely(recording))
		recording_end_run();
}

#endif
