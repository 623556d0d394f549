/* SPDX-License-Identifier: MIT */
/*
 * A VM, a vCPU or a device of the program, as the library knows it.
 *
 * References: one for each fd in the table, one for each call that uses the
 * object, and one that each vCPU and each device holds on its VM.  The memory
 * of an object is never freed, only used for another object, so that
 * fd_table_get() may try to take a reference on an object that has just ended.
 */
#ifndef BF_PRELOAD_OBJECT_H
#define BF_PRELOAD_OBJECT_H

#include <linux/kvm.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/common/signals.h"
#include "preload/record/record.h"
#include "preload/record/stats.h"
#include "front/front.h"

enum object_kind {
	OBJECT_VM,
	OBJECT_VCPU,
	OBJECT_DEVICE, /* of KVM_CREATE_DEVICE */
};

struct object;

struct object_vm {
	struct bf_front *front;	  /* NULL: the kernel answers every call */
	int fd;			  /* a private fd of the VM, or -1 */
	uint32_t number;	  /* in the recording, from 1; 0: none */
	size_t run_size;	  /* of a vCPU's mapping, in bytes */
	bool untracked;		  /* created out of sight: only its fds known */
	_Atomic bool passthrough; /* the kernel gets every doorbell at once */
	_Atomic bool serves;	  /* the front has had a doorbell or a zone */
};

struct object_vcpu {
	struct object *vm;   /* counted */
	struct kvm_run *run; /* NULL: the library does not read the exits */
	struct bf_front_vcpu *front; /* NULL: the same */
	uint32_t id;		     /* the argument of KVM_CREATE_VCPU */
	bool has_own_mask;  /* the program called KVM_SET_SIGNAL_MASK */
	bool kick_mask_set; /* KVM_RUN sets the signal mask kick_mask */
	uint64_t kick_mask;
	struct stats_vcpu *stats;
};

struct object_device {
	struct object *vm; /* counted */
};

struct object {
	_Atomic uint32_t refs; /* 0: on the free list */
	enum object_kind kind;
	struct object *next_free;
	struct signals_work end; /* put off */
	struct object_vm vm;
	struct object_vcpu vcpu;
	struct object_device device;
};

/* With one reference, for the caller.  NULL: out of memory. */
struct object *object_new_vm(void);
struct object *object_new_vcpu(struct object *vm);
struct object *object_new_device(struct object *vm);

/* Takes a reference.  The caller must hold one already. */
static inline void object_get(struct object *obj)
{
	atomic_fetch_add_explicit(&obj->refs, 1, memory_order_relaxed);
}

/*
 * Takes a reference, or returns false if the object has ended.  The caller need
 * not hold one.
 *
 * Acquire: pairs with the release in object_start(), and keeps the caller's
 * later loads behind the counting.
 */
static inline bool object_tryget(struct object *obj)
{
	uint32_t refs = atomic_load_explicit(&obj->refs, memory_order_relaxed);

	while (refs) {
		if (atomic_compare_exchange_weak_explicit(
			    &obj->refs, &refs, refs + 1, memory_order_acquire,
			    memory_order_relaxed))
			return true;
	}
	return false;
}

/* Ends an object without references: unmaps, closes, destroys its front. */
void object_end(struct object *obj);

/*
 * Drops a reference; the last one ends the object.
 *
 * Release and acquire: order each other holder's accesses before the end.
 * Without them the last holder could unmap a page that another still reads.
 */
static inline void object_put(struct object *obj)
{
	if (atomic_fetch_sub_explicit(&obj->refs, 1, memory_order_acq_rel) == 1)
		object_end(obj);
}

/* Of @obj itself, or of the VM of a vCPU or a device. */
static inline struct object_vm *object_vm_of(struct object *obj)
{
	switch (obj->kind) {
	case OBJECT_VCPU:
		return &obj->vcpu.vm->vm;
	case OBJECT_DEVICE:
		return &obj->device.vm->vm;
	default:
		return &obj->vm;
	}
}

/* The front of the vCPU's VM has had something to serve. */
static inline bool object_serves(const struct object *vcpu)
{
	return atomic_load_explicit(&vcpu->vcpu.vm->vm.serves,
				    memory_order_relaxed);
}

/* The VM and the vCPU as the recording names them. */
static inline struct record_who object_who(struct object *obj)
{
	return (struct record_who){
		.vm = object_vm_of(obj)->number,
		.vcpu = obj->kind == OBJECT_VCPU ? obj->vcpu.id :
						   RECORDED_NO_VCPU,
	};
}

/*
 * In the child of a fork(): empties the free list.  A thread of the parent may
 * have held its lock.
 */
void object_forget_free(void);

#endif
