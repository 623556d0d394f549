// SPDX-License-Identifier: GPL-2.0
/* The irqchip, the PIT, and a guest in real mode. */
#include "kvmtest.h"

#include <string.h>

#define DOORBELL_PORT 0x500

void irqchip_add(int vm)
{
	check(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
}

void pit_or_its_add(int vm)
{
	struct kvm_pit_config config = {};

	check(ioctl(vm, KVM_CREATE_PIT2, &config), "KVM_CREATE_PIT2");
}

/* 1: out %al, %dx; dec %ecx; jnz 1b; hlt */
static const uint8_t code[] = {0xee, 0x66, 0x49, 0x75, 0xfb, 0xf4};

void guest_write_code(void *memory)
{
	memcpy(memory, code, sizeof(code));
}

void guest_add_doorbell(int vm, int event)
{
	struct kvm_ioeventfd doorbell = {
		.addr = DOORBELL_PORT,
		.len = 1,
		.fd = event,
		.flags = KVM_IOEVENTFD_FLAG_PIO,
	};

	check(ioctl(vm, KVM_IOEVENTFD, &doorbell), "KVM_IOEVENTFD");
}

void guest_init_vcpu(struct guest *guest)
{
	struct kvm_sregs sregs;

	check(ioctl(guest->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	check(ioctl(guest->vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
}

void guest_set_registers(struct guest *guest, uint32_t count)
{
	struct kvm_regs regs = {
		.rcx = count,
		.rdx = DOORBELL_PORT,
		.rflags = 2,
	};

	check(ioctl(guest->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

bool guest_has_ended(const struct guest *guest)
{
	return guest->run->exit_reason == KVM_EXIT_HLT;
}
