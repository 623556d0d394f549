/* SPDX-License-Identifier: MIT */
/*
 * Guest programs without MMU.  The finite ones end with BRK.  x0 is GUEST_MMIO,
 * x1 GUEST_PORT, x2 the count, x3 the program.
 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "testvmm.h"

__asm__(".pushsection .rodata\n"
	"	.balign	4\n"
	"all_kinds_start:\n"
	"	mov	w4, #1\n"
	"	str	w4, [x0]\n"
	"	mov	w4, #2\n"
	"	str	w4, [x0]\n"
	"	mov	w4, #1\n"
	"	strh	w4, [x0]\n"
	"	strb	w4, [x0]\n"
	"	mov	w4, #7\n"
	"	str	w4, [x0, #8]\n"
	"	mov	w4, #0xabcd\n"
	"	strh	w4, [x0, #8]\n"
	"	strb	w4, [x0, #8]\n"
	"	str	x4, [x0, #8]\n"
	"	mov	w4, #5\n"
	"	str	w4, [x0, #0x10]\n"
	"	mov	w4, #6\n"
	"	str	w4, [x0, #0x10]\n"
	"	ldr	w4, [x0]\n" /* a doorbell takes writes only */
	"	mov	w4, #0x3344\n"
	"	movk	w4, #0x1122, lsl #16\n"
	"	strb	w4, [x1]\n"
	"	strh	w4, [x1]\n"
	"	str	w4, [x1]\n"
	"	ldrb	w4, [x1]\n"
	"	mov	w4, #1\n"
	"	strb	w4, [x1, #4]\n"
	"	mov	w4, #2\n"
	"	strb	w4, [x1, #4]\n"
	"	brk	#0\n"
	"all_kinds_end:\n"

	"count_start:\n"
	"	nop\n"
	"1:	str	w2, [x0]\n"
	"	subs	w2, w2, #1\n"
	"	b.ne	1b\n"
	"	brk	#0\n"
	"count_end:\n"

	"forever_start:\n"
	"1:	str	w2, [x0]\n"
	"	b	1b\n"
	"forever_end:\n"
	"	.popsection\n");

extern const char all_kinds_start[], all_kinds_end[];
extern const char count_start[], count_end[];
extern const char forever_start[], forever_end[];

const struct guest_code guest_all_kinds = {all_kinds_start, all_kinds_end};
const struct guest_code guest_count = {count_start, count_end};
const struct guest_code guest_forever = {forever_start, forever_end};

#define REG(member)                                            \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
	 KVM_REG_ARM_CORE_REG(member))

static void set_reg(int vcpu_fd, uint64_t id, uint64_t value)
{
	const struct kvm_one_reg reg = {id, (uintptr_t)&value};

	testvmm_check(!ioctl(vcpu_fd, KVM_SET_ONE_REG, &reg),
		      "KVM_SET_ONE_REG");
}

static uint64_t get_reg(int vcpu_fd, uint64_t id)
{
	uint64_t value;
	const struct kvm_one_reg reg = {id, (uintptr_t)&value};

	testvmm_check(!ioctl(vcpu_fd, KVM_GET_ONE_REG, &reg),
		      "KVM_GET_ONE_REG");
	return value;
}

static void init_vcpu(struct testvmm *vm, int fd)
{
	const struct kvm_guest_debug brk = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP,
	};
	struct kvm_vcpu_init init;

	testvmm_check(!ioctl(vm->fd, KVM_ARM_PREFERRED_TARGET, &init),
		      "KVM_ARM_PREFERRED_TARGET");
	testvmm_check(!ioctl(fd, KVM_ARM_VCPU_INIT, &init),
		      "KVM_ARM_VCPU_INIT");
	testvmm_check(!ioctl(fd, KVM_SET_GUEST_DEBUG, &brk),
		      "KVM_SET_GUEST_DEBUG");
}

void testvmm_set_registers(struct testvmm *vm, unsigned int vcpu,
			   uint32_t count)
{
	int fd = vm->vcpu[vcpu].fd;

	init_vcpu(vm, fd);
	set_reg(fd, REG(regs.regs[0]), GUEST_MMIO);
	set_reg(fd, REG(regs.regs[1]), GUEST_PORT);
	set_reg(fd, REG(regs.regs[2]), count);
	set_reg(fd, REG(regs.pc), GUEST_CODE);
}

uint64_t testvmm_writes_left(int vcpu_fd)
{
	return get_reg(vcpu_fd, REG(regs.regs[2]));
}

uint64_t testvmm_pc(int vcpu_fd)
{
	return get_reg(vcpu_fd, REG(regs.pc));
}

/* KVM registers the redistributor of a vCPU that is there. */
void testvmm_add_irqchip(struct testvmm *vm)
{
	struct kvm_create_device gic = {.type = KVM_DEV_TYPE_ARM_VGIC_V3};
	uint64_t base = 0x8000000;
	int vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	const struct kvm_device_attr redist = {
		.group = KVM_DEV_ARM_VGIC_GRP_ADDR,
		.attr = KVM_VGIC_V3_ADDR_TYPE_REDIST,
		.addr = (uintptr_t)&base,
	};

	testvmm_check(vcpu >= 0, "KVM_CREATE_VCPU");
	close(vcpu);
	testvmm_check(!ioctl(vm->fd, KVM_CREATE_DEVICE, &gic),
		      "KVM_CREATE_DEVICE");
	testvmm_check(!ioctl((int)gic.fd, KVM_SET_DEVICE_ATTR, &redist),
		      "KVM_SET_DEVICE_ATTR");
	close((int)gic.fd);
}
