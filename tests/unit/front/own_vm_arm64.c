// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "own_vm.h"

#define REG(member)                                            \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
	 KVM_REG_ARM_CORE_REG(member))

/* strh w1, [x0]; sub x2, x2, #1; cbnz x2, back; brk #0 */
static const uint32_t signal_port[] = {0x79000001, 0xd1000442, 0xb5ffffc2,
				       0xd4200000};

/* strh w1, [x3]; b back */
static const uint32_t write_across[] = {0x79000061, 0x17ffffff};

/* strh w1, [x3]; sub x2, x2, #1; cbnz x2, back; brk #0 */
static const uint32_t signal_mmio[] = {0x79000061, 0xd1000442, 0xb5ffffc2,
				       0xd4200000};

const struct own_code own_signal_port = {signal_port, sizeof(signal_port), 4,
					 3};
const struct own_code own_write_across = {write_across, sizeof(write_across), 4,
					  2};
const struct own_code own_signal_mmio = {signal_mmio, sizeof(signal_mmio), 4,
					 3};

static struct kvm_vcpu_init preferred_target(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);
	struct kvm_vcpu_init init;

	assert_int_equal(ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init), 0);
	close(vm);
	close(kvm);
	return init;
}

static void set_reg(int vcpu, uint64_t id, uint64_t value)
{
	const struct kvm_one_reg reg = {id, (uintptr_t)&value};

	assert_int_equal(ioctl(vcpu, KVM_SET_ONE_REG, &reg), 0);
}

void own_vcpu_start(int vcpu, uint32_t pc, uint16_t count)
{
	const struct kvm_guest_debug brk = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP,
	};
	static struct kvm_vcpu_init init;
	static bool known;

	if (!known)
		init = preferred_target();
	known = true;
	assert_int_equal(ioctl(vcpu, KVM_ARM_VCPU_INIT, &init), 0);
	assert_int_equal(ioctl(vcpu, KVM_SET_GUEST_DEBUG, &brk), 0);
	set_reg(vcpu, REG(regs.regs[0]), OWN_PORT);
	set_reg(vcpu, REG(regs.regs[1]), OWN_VALUE);
	set_reg(vcpu, REG(regs.regs[2]), count);
	set_reg(vcpu, REG(regs.regs[3]), OWN_DOORBELL);
	set_reg(vcpu, REG(regs.pc), pc);
}

uint64_t own_vcpu_pc(int vcpu)
{
	uint64_t pc;
	const struct kvm_one_reg reg = {REG(regs.pc), (uintptr_t)&pc};

	assert_int_equal(ioctl(vcpu, KVM_GET_ONE_REG, &reg), 0);
	return pc;
}
