/* SPDX-License-Identifier: MIT */
/*
 * What the library knows of a VM or a vCPU of the program.
 *
 * An object is counted: one reference for each fd number in the table, one
 * for each call that uses it, one for each vCPU of a VM.  Its memory is never
 * given back, only used for another object, so that a reader may try to count
 * on one that has just gone (fdtable_get()).
 */
#ifndef BF_PRELOAD_OBJECT_H
#define BF_PRELOAD_OBJECT_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/record/stats.h"
#include "vm/front.h"

enum object_kind {
	OBJECT_VM,
	OBJECT_VCPU,
};

struct object;

struct object_vm {
	struct bf_front *front;	 /* NULL: everything passes through */
	int fd;			 /* our own number of the VM, or -1 */
	uint32_t number;	 /* in the recording, from 1; 0: none */
	size_t page_size;	 /* of a vCPU's mapping */
	bool stranger;		 /* nothing is known but its numbers */
	_Atomic bool aside;	 /* no new doorbell is taken any more */
	_Atomic bool changed;	 /* doorbell calls since the last KVM_RUN */
	pthread_mutex_t lock;	 /* guards told */
	struct bf_vm_stats told; /* what the shared counters hold */
};

struct object_vcpu {
	struct object *vm;    /* counted */
	struct kvm_run *page; /* NULL: exits are not looked at */
	uint32_t id;	      /* as the VMM chose it; when recording */
	struct stats_vcpu *stats;
};

struct object {
	_Atomic uint32_t refs; /* 0: on the free list */
	enum object_kind kind;
	struct object *next_free;
	struct object_vm vm;
	struct object_vcpu vcpu;
};

/* One reference, which is the caller's; NULL when out of memory. */
struct object *object_new_vm(void);
struct object *object_new_vcpu(struct object *vm);

/* For a caller that has a reference. */
void object_get(struct object *obj);

/* For one that has none: false when the object is gone. */
bool object_tryget(struct object *obj);

/* The last one ends the object: unmaps, closes, gives up its front. */
void object_put(struct object *obj);

/* In the child of a fork: the free list is not to be trusted. */
void object_forked(void);

#endif
