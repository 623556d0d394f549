/* SPDX-License-Identifier: MIT */
/* A guest in real mode, for own_loop.c. */
#ifndef BF_EXAMPLES_OWN_LOOP_X86_H
#define BF_EXAMPLES_OWN_LOOP_X86_H

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "example.h"

#define FIRST	    0x600 /* the port of the first device's first queue */
#define FIRST_FLAGS KVM_IOEVENTFD_FLAG_PIO
#define GUEST_END   KVM_EXIT_HLT

/* mov $FIRST, %dx; mov $64, %cx; 1: out %al, %dx; inc %dx; loop 1b; hlt */
static const unsigned char guest[] = {0xba, 0x00, 0x06, 0xb9, 64,  0x00,
				      0xee, 0x42, 0xe2, 0xfc, 0xf4};

static inline void guest_start(int vm, int vcpu)
{
	const struct kvm_regs regs = {.rflags = 2};
	struct kvm_sregs sregs;

	must_sys(ioctl(vcpu, KVM_GET_SREGS, &sregs), "registers");
	sregs.cs.base = sregs.cs.selector = 0;
	must_sys(ioctl(vcpu, KVM_SET_SREGS, &sregs), "registers");
	must_sys(ioctl(vcpu, KVM_SET_REGS, &regs), "registers");
}

#endif
