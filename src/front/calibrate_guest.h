/* SPDX-License-Identifier: MIT */
/* The VM of a calibration, and the guest program that writes to a doorbell. */
#ifndef BF_FRONT_CALIBRATE_GUEST_H
#define BF_FRONT_CALIBRATE_GUEST_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALIBRATE_PORT	  0x510
#define CALIBRATE_SIGNALS 64

struct calibrate_vm {
	int kvm;
	int vm;
	int vcpu;
	int eventfd;
	unsigned int slots;
	char *memory; /* one page, behind every slot */
	struct kvm_run *run;
	size_t run_size;
};

/* ioctl(3) may be the preload library's. */
static inline long calibrate_ioctl(int fd, unsigned long request,
				   unsigned long arg)
{
	return syscall(SYS_ioctl, fd, request, arg);
}

/*
 * calibrate_guest_*.c: creates the vCPU.  False: failed.  True and no vCPU:
 * there is no guest program for this architecture.
 */
bool bf_calibrate_add_vcpu(struct calibrate_vm *vm);

/*
 * The guest writes CALIBRATE_SIGNALS times to CALIBRATE_PORT; the caller's side
 * signals where the write comes out.  Nanoseconds, or 0: failed, or no guest.
 */
uint64_t bf_calibrate_run(struct calibrate_vm *vm);

#endif
