/* SPDX-License-Identifier: MIT */
/*
 * One of two VMs that get the same calls and run the same guest.  The plain one
 * calls the kernel directly; the other calls ioctl(3) and so goes through
 * belfry.
 */
#ifndef BF_TESTS_DIFF_VM_H
#define BF_TESTS_DIFF_VM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIFF_EVENTFDS 8
#define DIFF_EVENTS   256

/* A write that the VMM got, by an exit or through the ring. */
struct diff_event {
	uint64_t addr;
	uint64_t value;
	uint32_t len;
	bool pio;
};

struct diff_vm {
	bool plain;
	int kvm;
	int fd;
	int vcpu;
	char *memory;
	struct kvm_run *run;
	struct kvm_coalesced_mmio_ring *ring;
	int efd[DIFF_EVENTFDS];
	bool booted;
	/* The results of the last write. */
	struct diff_event events[DIFF_EVENTS];
	size_t nr_events;
	uint64_t signals[DIFF_EVENTFDS];
};

/* The guest writes the value to one address, several times. */
struct diff_write {
	uint64_t addr;
	uint64_t value;
	uint32_t len;
	uint32_t times;
	bool pio;
	bool string; /* by one instruction; the values count up */
};

/* A failure in these two ends the program. */
void diff_create(struct diff_vm *vm, bool plain);
void diff_destroy(struct diff_vm *vm);

/* 0 or a negative errno. */
int diff_ioctl(struct diff_vm *vm, int fd, unsigned long request,
	       const void *arg);
int diff_slot(struct diff_vm *vm, unsigned int slot, uint64_t gpa,
	      uint64_t size);

/* Makes the guest write; fills in events[] and signals[]. */
void diff_write(struct diff_vm *vm, const struct diff_write *write);

void diff_check(bool ok, const char *what);

#endif
