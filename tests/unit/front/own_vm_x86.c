// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include "own_vm.h"

/* out %ax, %dx; loop back to it; hlt */
static const uint8_t signal_port[] = {0xef, 0xe2, 0xfd, 0xf4};

/* mov %eax, %es:0x0ffe; jmp back to it */
static const uint8_t write_across[] = {0x66, 0x26, 0xa3, 0xfe,
				       0x0f, 0xeb, 0xf9};

/* mov %ax, %es:(%bx); loop back to it; hlt */
static const uint8_t signal_mmio[] = {0x26, 0x89, 0x07, 0xe2, 0xfb, 0xf4};

/* movups %xmm0, %es:(%bx); hlt */
static const uint8_t store_16[] = {0x26, 0x0f, 0x11, 0x07, 0xf4};

/* movq %mm0, %es:(%bx); movq %mm0, %es:8(%bx); hlt */
static const uint8_t store_8_twice[] = {0x26, 0x0f, 0x7f, 0x07, 0x26,
					0x0f, 0x7f, 0x47, 0x08, 0xf4};

const struct own_code own_store_16 = {store_16, sizeof(store_16), 4, 1};
const struct own_code own_store_8_twice = {store_8_twice, sizeof(store_8_twice),
					   4, 1};
const struct own_code own_signal_port = {signal_port, sizeof(signal_port), 1,
					 2};
const struct own_code own_write_across = {write_across, sizeof(write_across), 5,
					  2};
const struct own_code own_signal_mmio = {signal_mmio, sizeof(signal_mmio), 3,
					 2};

/* DX is OWN_PORT, ES:0 is OWN_DOORBELL. */
void own_vcpu_start(int vcpu, uint32_t pc, uint16_t count)
{
	const struct kvm_regs regs = {.rip = pc,
				      .rflags = 2,
				      .rax = OWN_VALUE,
				      .rcx = count,
				      .rdx = OWN_PORT};
	struct kvm_sregs sregs;

	assert_int_equal(ioctl(vcpu, KVM_GET_SREGS, &sregs), 0);
	sregs.cr4 |= 1 << 9; /* OSFXSR, for SSE */
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	sregs.es.base = OWN_DOORBELL;
	sregs.es.selector = OWN_DOORBELL >> 4;
	assert_int_equal(ioctl(vcpu, KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(ioctl(vcpu, KVM_SET_REGS, &regs), 0);
}

uint64_t own_vcpu_pc(int vcpu)
{
	struct kvm_regs regs;

	assert_int_equal(ioctl(vcpu, KVM_GET_REGS, &regs), 0);
	return regs.rip;
}
