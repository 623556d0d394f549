// SPDX-License-Identifier: MIT
/* Starts a program on a vCPU of aarch64 (Arm ARM, D8 and D19.2). */
#include <asm/kvm.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "vm/kvm.h"

/* Table entries of level 1 that map 1 GiB each. */
#define GIBIBYTES    4
#define GIB_SHIFT    30
#define BLOCK	     (1ULL << 0)
#define SHARED_INNER (3ULL << 8)
#define ACCESSED     (1ULL << 10)
#define ALIGNMENT    4096 /* of the table on x86-64; here 32 would do */

/* Index 0: write-back memory. */
#define MAIR 0xffULL

/* 32-bit addresses, pages of 4 KiB, cached table walks by TTBR0 alone. */
#define TCR                                                                  \
	(32ULL /* T0SZ */ | 1ULL << 8 /* IRGN0 */ | 1ULL << 10 /* ORGN0 */ | \
	 3ULL << 12 /* SH0 */ | 1ULL << 23 /* EPD1 */)

#define SCTLR_MMU_AND_CACHES (1ULL << 0 | 1ULL << 2 | 1ULL << 12)

#define PSTATE_EL1H_MASKED 0x3c5ULL

/* Of the syndrome in an exit: the exception's class. */
#define ESR_CLASS(esr) ((esr) >> 26)
#define CLASS_BRK      0x3c
#define BRK_NUMBER     0xffffU

#define CORE_REG(member)                                       \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
	 KVM_REG_ARM_CORE_REG(member))

/* KVM counts the core registers in words of 32 bits. */
#define WORDS_IN_REG 2

#define SCTLR_EL1 ARM64_SYS_REG(3, 0, 1, 0, 0)
#define TTBR0_EL1 ARM64_SYS_REG(3, 0, 2, 0, 0)
#define TCR_EL1	  ARM64_SYS_REG(3, 0, 2, 0, 2)
#define MAIR_EL1  ARM64_SYS_REG(3, 0, 10, 2, 0)

/* Bits of a guest-physical address of a VM of type 0. */
#define DEFAULT_IPA_BITS 40

/*
 * All of it is normal memory: an address without a slot faults in KVM's own
 * tables, whatever this table says of it.
 */
static void fill_page_table(uint64_t *table)
{
	const uint64_t flags = BLOCK | SHARED_INNER | ACCESSED;
	uint64_t i;

	for (i = 0; i < GIBIBYTES; i++)
		table[i] = i << GIB_SHIFT | flags;
}

static int set_reg(int fd, uint64_t id, uint64_t value)
{
	struct kvm_one_reg reg = {.id = id, .addr = (uintptr_t)&value};

	return (int)bf_kvm_ioctl(fd, KVM_SET_ONE_REG, &reg);
}

static int get_reg(int fd, uint64_t id, uint64_t *value)
{
	struct kvm_one_reg reg = {.id = id, .addr = (uintptr_t)value};

	return (int)bf_kvm_ioctl(fd, KVM_GET_ONE_REG, &reg);
}

/* Resets the registers, too. */
static int init_vcpu(int vm_fd, int fd)
{
	struct kvm_vcpu_init init = {0};
	long ret = bf_kvm_ioctl(vm_fd, KVM_ARM_PREFERRED_TARGET, &init);

	return (int)(ret ? ret : bf_kvm_ioctl(fd, KVM_ARM_VCPU_INIT, &init));
}

/* BRK becomes an exit. */
static int trap_brk(int fd)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP,
	};

	return (int)bf_kvm_ioctl(fd, KVM_SET_GUEST_DEBUG, &debug);
}

static int set_mmu(int fd, uint64_t table)
{
	uint64_t sctlr;
	int ret = get_reg(fd, SCTLR_EL1, &sctlr);

	if (!ret)
		ret = set_reg(fd, MAIR_EL1, MAIR);
	if (!ret)
		ret = set_reg(fd, TCR_EL1, TCR);
	if (!ret)
		ret = set_reg(fd, TTBR0_EL1, table);
	return ret ? ret : set_reg(fd, SCTLR_EL1, sctlr | SCTLR_MMU_AND_CACHES);
}

/* x0 to x5 are the first words of regs. */
static int set_args(int fd, const struct bf_vcpu_boot64_desc *desc)
{
	const uint64_t first = CORE_REG(regs.regs[0]);
	uint64_t i;
	int ret = 0;

	for (i = 0; !ret && i < 6; i++)
		ret = set_reg(fd, first + i * WORDS_IN_REG, desc->args[i]);
	return ret;
}

int bf_kvm_set_regs(int fd, const struct bf_vcpu_boot64_desc *desc)
{
	int ret = set_args(fd, desc);

	if (!ret)
		ret = set_reg(fd, CORE_REG(sp_el1), desc->rsp);
	if (!ret)
		ret = set_reg(fd, CORE_REG(regs.pstate), PSTATE_EL1H_MASKED);
	return ret ? ret : set_reg(fd, CORE_REG(regs.pc), desc->rip);
}

bool bf_kvm_is_end(const struct kvm_run *page)
{
	const uint32_t esr = page->debug.arch.hsr;

	return page->exit_reason == KVM_EXIT_DEBUG &&
	       ESR_CLASS(esr) == CLASS_BRK && !(esr & BRK_NUMBER);
}

/* Some machines have fewer bits, and then KVM refuses type 0. */
unsigned long bf_kvm_vm_type(int device, unsigned long wanted)
{
	long bits = bf_kvm_number(device, KVM_CHECK_EXTENSION,
				  KVM_CAP_ARM_VM_IPA_SIZE);

	if (wanted || bits <= 0 || bits >= DEFAULT_IPA_BITS)
		return wanted;
	return (unsigned long)bits;
}

int bf_kvm_boot64(int vm_fd, int fd, const struct bf_vcpu_boot64_desc *desc)
{
	int ret;

	if (!desc->page_tables_hva || desc->page_tables % ALIGNMENT)
		return -EINVAL;
	fill_page_table(desc->page_tables_hva);
	ret = init_vcpu(vm_fd, fd);
	if (!ret)
		ret = trap_brk(fd);
	if (!ret)
		ret = set_mmu(fd, desc->page_tables);
	return ret ? ret : bf_kvm_set_regs(fd, desc);
}
