/* SPDX-License-Identifier: MIT */
/* The recorder's parts. */
#ifndef BF_PRELOAD_RECORD_INTERNAL_H
#define BF_PRELOAD_RECORD_INTERNAL_H

#include <stdbool.h>

#include "preload/record/record.h"

/* events.c */

/*
 * Allocates an event in priority[] or in the thread's chunk, and sets its
 * thread, VM and vCPU.  NULL, and counted as dropped: there is no room.
 */
struct recorded_event *event_alloc(bool priority, struct record_who who);

/* Completes the event: belfry run may read it. */
void event_publish(struct recorded_event *event, enum recorded_kind kind);

/* Adds an event without duration to priority[]. */
void event_add_instant(enum recorded_kind kind, struct record_who who,
		       uint32_t doorbell, int error, uint64_t now);

/* NULL: @vm is 0, or too large for the table. */
struct recorded_vm *recorded_vm_row(uint32_t vm);

/* In the child of a fork(): drops the parent's thread number and chunk. */
void event_forget_thread(void);

/* doorbells.c */

/* Identifies a doorbell; or describes a write, with the data in datamatch. */
struct recorded_key {
	uint32_t vm;
	uint32_t len;
	uint32_t flags;
	uint64_t addr;
	uint64_t datamatch;
};

/* The front told the kernel about a doorbell, which answered @ret. */
void doorbell_add_install(uint32_t vm, const struct kvm_ioeventfd *arg,
			  int ret);

/* User space signalled a doorbell for a write. */
void doorbell_add_signal(struct recorded_key *write, uint32_t vcpu);

/* runs.c */

/* In the child of a fork(): drops the parent's open KVM_RUN event. */
void run_forget(void);

/* pending_gp.c */

/* A registration has reached the kernel at @now and left a grace period. */
void pending_gp_add(uint32_t vm, enum recorded_gp gp, uint64_t now);

/* The front holds back a registration that the program made at @now. */
void pending_gp_defer(uint32_t vm, uint64_t now);

/*
 * Notes the grace period that a call leaves, or those that it waits for.
 * Returns the latter as bits of enum recorded_gp if the call stalled, else 0.
 */
uint32_t pending_gp_note_call(uint32_t vm, uint32_t key, uint64_t start,
			      uint64_t end, long ret);

/* gp_*.c: ioctls of one processor's. */

/* Does the call wait for the grace periods that are pending? */
bool gp_arch_waits(uint32_t key);

/*
 * The enum recorded_gp that the call leaves, or -1.  Keeps in @vm what later
 * calls need.  KVM_RUN is the first one of the VM.
 */
int gp_arch_of(struct recorded_vm *vm, uint32_t key);

#endif
