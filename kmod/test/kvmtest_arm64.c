// SPDX-License-Identifier: GPL-2.0
/* A GICv3, its ITS, and a guest without MMU. */
#include "kvmtest.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define DIST_GPA     0x08000000ull
#define ITS_GPA	     0x08080000ull
#define REDIST_GPA   0x080a0000ull
#define DOORBELL_GPA 0xe0000000ull
#define END_GPA	     0xe0001000ull

static int device_create(int vm, uint32_t type)
{
	struct kvm_create_device device = {.type = type};

	check(ioctl(vm, KVM_CREATE_DEVICE, &device), "KVM_CREATE_DEVICE");
	return device.fd;
}

static void device_set_address(int device, uint64_t type, uint64_t address)
{
	struct kvm_device_attr attr = {
		.group = KVM_DEV_ARM_VGIC_GRP_ADDR,
		.attr = type,
		.addr = (uintptr_t)&address,
	};

	check(ioctl(device, KVM_SET_DEVICE_ATTR, &attr), "KVM_SET_DEVICE_ATTR");
}

/* KVM registers the redistributor of each vCPU that is there. */
void irqchip_add(int vm)
{
	int vcpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	int gic = device_create(vm, KVM_DEV_TYPE_ARM_VGIC_V3);

	device_set_address(gic, KVM_VGIC_V3_ADDR_TYPE_DIST, DIST_GPA);
	device_set_address(gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, REDIST_GPA);
	close(gic);
	close(vcpu);
}

void pit_or_its_add(int vm)
{
	int its = device_create(vm, KVM_DEV_TYPE_ARM_VGIC_ITS);

	device_set_address(its, KVM_VGIC_ITS_ADDR_TYPE, ITS_GPA);
	close(its);
}

/*
 * Where the guest ended before, KVM steps over one instruction at the next
 * KVM_RUN: behind the store that left it.
 */
static const uint32_t code[] = {
	0xd503201f, /* nop */
	0xb9000020, /* 1: str w0, [x1] */
	0x71000442, /* subs w2, w2, #1 */
	0x54ffffc1, /* b.ne 1b */
	0xb9000060, /* str w0, [x3] */
};

void guest_write_code(void *memory)
{
	memcpy(memory, code, sizeof(code));
}

void guest_add_doorbell(int vm, int event)
{
	struct kvm_ioeventfd doorbell = {
		.addr = DOORBELL_GPA,
		.len = 4,
		.fd = event,
	};

	check(ioctl(vm, KVM_IOEVENTFD, &doorbell), "KVM_IOEVENTFD");
}

void guest_init_vcpu(struct guest *guest)
{
	struct kvm_vcpu_init init;

	check(ioctl(guest->vm, KVM_ARM_PREFERRED_TARGET, &init),
	      "KVM_ARM_PREFERRED_TARGET");
	check(ioctl(guest->vcpu, KVM_ARM_VCPU_INIT, &init),
	      "KVM_ARM_VCPU_INIT");
}

static void register_set(const struct guest *guest, size_t offset,
			 uint64_t value)
{
	struct kvm_one_reg reg = {
		.id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
		      offset / sizeof(uint32_t),
		.addr = (uintptr_t)&value,
	};

	check(ioctl(guest->vcpu, KVM_SET_ONE_REG, &reg), "KVM_SET_ONE_REG");
}

void guest_set_registers(struct guest *guest, uint32_t count)
{
	const size_t regs = offsetof(struct kvm_regs, regs.regs);

	register_set(guest, regs + 1 * sizeof(uint64_t), DOORBELL_GPA);
	register_set(guest, regs + 2 * sizeof(uint64_t), count);
	register_set(guest, regs + 3 * sizeof(uint64_t), END_GPA);
	register_set(guest, offsetof(struct kvm_regs, regs.pc), 0);
}

bool guest_has_ended(const struct guest *guest)
{
	return guest->run->exit_reason == KVM_EXIT_MMIO &&
	       guest->run->mmio.phys_addr == END_GPA;
}
