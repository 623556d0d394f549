// SPDX-License-Identifier: MIT
/* Puts a vCPU into 64-bit mode (Intel SDM 3A 10.8.5, AMD APM 2 14). */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "vm/kvm.h"

#define CR0_PE	   (1ULL << 0)
#define CR0_PG	   (1ULL << 31)
#define CR4_PAE	   (1ULL << 5)
#define CR4_OSFXSR (1ULL << 9)
#define EFER_LME   (1ULL << 8)
#define EFER_LMA   (1ULL << 10)

#define PTE_PRESENT (1ULL << 0)
#define PTE_WRITE   (1ULL << 1)
#define PTE_LARGE   (1ULL << 7)

#define PAGE	    4096ULL
#define ENTRIES	    512
#define GIBIBYTES   4
#define LARGE_SHIFT 21

/* One PML4, one PDPT and four page directories with pages of 2 MiB. */
static void fill_page_tables(uint64_t *table, uint64_t gpa)
{
	const uint64_t flags = PTE_PRESENT | PTE_WRITE;
	uint64_t *pdpt = table + ENTRIES, *pd = pdpt + ENTRIES;
	uint64_t i;

	memset(table, 0, (2 + GIBIBYTES) * PAGE);
	table[0] = (gpa + PAGE) | flags;
	for (i = 0; i < GIBIBYTES; i++)
		pdpt[i] = (gpa + (2 + i) * PAGE) | flags;
	for (i = 0; i < GIBIBYTES * ENTRIES; i++)
		pd[i] = i << LARGE_SHIFT | flags | PTE_LARGE;
}

#define EDX_1                                                          \
	(1U << 0 /* FPU */ | 1U << 3 /* PSE */ | 1U << 5 /* MSR */ |   \
	 1U << 6 /* PAE */ | 1U << 8 /* CX8 */ | 1U << 24 /* FXSR */ | \
	 1U << 25 /* SSE */ | 1U << 26 /* SSE2 */)
#define EDX_80000001 (1U << 11 /* SYSCALL */ | 1U << 29 /* LM */)
#define EAX_80000008 (48 << 8 /* linear */ | 36 /* physical address bits */)

/*
 * A new vCPU has no CPUID, and since Linux 7.3 KVM refuses registers that the
 * guest's CPUID forbids: long mode needs LM.  These leaves are the least that
 * 64-bit code needs.
 */
static int set_cpuid(int fd)
{
	union {
		struct kvm_cpuid2 head;
		char space[sizeof(struct kvm_cpuid2) +
			   5 * sizeof(struct kvm_cpuid_entry2)];
	} cpuid = {.space = {0}};
	struct kvm_cpuid_entry2 *entries = cpuid.head.entries;

	cpuid.head.nent = 5;
	entries[0].eax = 1; /* the last leaf of this range */
	entries[1].function = 1;
	entries[1].edx = EDX_1;
	entries[2].function = 0x80000000;
	entries[2].eax = 0x80000008;
	entries[3].function = 0x80000001;
	entries[3].edx = EDX_80000001;
	entries[4].function = 0x80000008;
	entries[4].eax = EAX_80000008;
	return (int)bf_kvm_ioctl(fd, KVM_SET_CPUID2, &cpuid);
}

/* KVM has no room to store the entries where the vCPU has any. */
static bool has_cpuid(int fd)
{
	struct kvm_cpuid2 none = {.nent = 0};

	return bf_kvm_ioctl(fd, KVM_GET_CPUID2, &none) == -E2BIG;
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.limit = UINT32_MAX,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
	};
}

static int set_sregs(int fd, uint64_t cr3)
{
	struct kvm_segment data = flat_segment(2 << 3, 3);
	struct kvm_sregs sregs;
	long ret = bf_kvm_ioctl(fd, KVM_GET_SREGS, &sregs);

	if (ret)
		return (int)ret;
	sregs.cs = flat_segment(1 << 3, 11);
	sregs.cs.l = 1;
	data.db = 1;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 |= CR0_PE | CR0_PG;
	sregs.cr3 = cr3;
	sregs.cr4 |= CR4_PAE | CR4_OSFXSR;
	sregs.efer |= EFER_LME | EFER_LMA;
	return (int)bf_kvm_ioctl(fd, KVM_SET_SREGS, &sregs);
}

int bf_kvm_set_regs(int fd, const struct bf_vcpu_boot64_desc *desc)
{
	struct kvm_regs regs = {
		.rip = desc->rip,
		.rsp = desc->rsp,
		.rdi = desc->args[0],
		.rsi = desc->args[1],
		.rdx = desc->args[2],
		.rcx = desc->args[3],
		.r8 = desc->args[4],
		.r9 = desc->args[5],
		.rflags = 2, /* the bit that is always 1 */
	};

	return (int)bf_kvm_ioctl(fd, KVM_SET_REGS, &regs);
}

bool bf_kvm_is_end(const struct kvm_run *page)
{
	return page->exit_reason == KVM_EXIT_HLT;
}

unsigned long bf_kvm_vm_type(int device, unsigned long wanted)
{
	return wanted;
}

int bf_kvm_boot64(int vm_fd, int fd, const struct bf_vcpu_boot64_desc *desc)
{
	int ret;

	if (!desc->page_tables_hva || desc->page_tables % PAGE)
		return -EINVAL;
	fill_page_tables(desc->page_tables_hva, desc->page_tables);
	ret = has_cpuid(fd) ? 0 : set_cpuid(fd);
	if (!ret)
		ret = set_sregs(fd, desc->page_tables);
	return ret ? ret : bf_kvm_set_regs(fd, desc);
}
