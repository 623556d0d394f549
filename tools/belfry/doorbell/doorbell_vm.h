/* SPDX-License-Identifier: MIT */
/*
 * A VM with a guest that writes to a doorbell in a loop, and the eventfd that
 * counts the signals.
 */
#ifndef BF_CLI_DOORBELL_VM_H
#define BF_CLI_DOORBELL_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "belfry/vm.h"

/* The part of the system that takes the guest's write. */
enum doorbell_kind {
	DOORBELL_DEVICE, /* a range in user space; its handler signals */
	DOORBELL_KERNEL, /* a kernel ioeventfd from the start */
	DOORBELL_LAZY,	 /* installed in the kernel while the guest writes */
	DOORBELL_BELFRY, /* a doorbell on the VM's bus */
};

struct doorbell_desc {
	enum doorbell_kind kind;
	bool pio;
	uint32_t len; /* of the doorbell; the guest writes 4 bytes */
};

struct doorbell_vm;

/* Create a VM with one vCPU.  Returns 0 or a negative errno. */
int doorbell_vm_create(struct doorbell_vm **vmp,
		       const struct doorbell_desc *desc,
		       const struct bf_engine_ops *engine);

void doorbell_vm_destroy(struct doorbell_vm *vm);

/*
 * Let the guest write count times, below 2^32, while a thread waits for the
 * eventfd.  Stores the nanoseconds until the guest halts and the number of
 * signals.  Returns 0 or a negative errno; doorbell_vm_reason() has its text.
 */
int doorbell_vm_signal(struct doorbell_vm *vm, unsigned long count,
		       uint64_t *ns, uint64_t *events);

/*
 * The same without a thread that waits: no wake-up is in the time.  The eventfd
 * is read after the guest has halted.
 */
int doorbell_vm_signal_unwatched(struct doorbell_vm *vm, unsigned long count,
				 uint64_t *ns, uint64_t *events);

/*
 * The text of a failure of these functions: -ENOEXEC, KVM refuses the start of
 * the guest; -EIO, the guest stopped before its end; -EPROTO, another part of
 * the system than desc.kind took a write; or another errno.  err is positive.
 */
const char *doorbell_vm_reason(int err);

#endif
