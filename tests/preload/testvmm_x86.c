/* SPDX-License-Identifier: MIT */
/* Guest programs in real mode.  The finite ones end with HLT. */
#include <sys/ioctl.h>

#include "testvmm.h"

__asm__(".pushsection .rodata\n"
	"	.code16\n"
	"all_kinds_start:\n"
	"	movw	$0x2000, %ax\n" /* ds:0 is GUEST_MMIO */
	"	movw	%ax, %ds\n"
	"	movl	$1, 0\n"
	"	movl	$2, 0\n"
	"	movw	$1, 0\n"
	"	movb	$1, 0\n"
	"	movl	$7, 8\n"
	"	movw	$0xabcd, 8\n"
	"	movb	$3, 8\n"
	"	movl	$4, 9\n" /* not aligned */
	"	movl	$5, 0x10\n"
	"	movl	$6, 0x10\n"
	"	movl	0, %eax\n" /* a doorbell takes writes only */
	"	movw	$0x600, %dx\n"
	"	movl	$0x11223344, %eax\n"
	"	outb	%al, %dx\n"
	"	outw	%ax, %dx\n"
	"	outl	%eax, %dx\n"
	"	inb	%dx, %al\n"
	"	movw	$0x604, %dx\n"
	"	movb	$1, %al\n"
	"	outb	%al, %dx\n"
	"	movb	$2, %al\n"
	"	outb	%al, %dx\n"
	"	xorw	%ax, %ax\n" /* strings, read from the program */
	"	movw	%ax, %ds\n"
	"	cld\n"
	"	movw	$(0x1000 + match_first - all_kinds_start), %si\n"
	"	movw	$3, %cx\n"
	"	rep outsb\n"
	"	movw	$(0x1000 + miss_first - all_kinds_start), %si\n"
	"	movw	$3, %cx\n"
	"	rep outsb\n"
	"	hlt\n"
	"match_first:\n"
	"	.byte	1, 2, 1\n"
	"miss_first:\n"
	"	.byte	2, 1, 1\n"
	"all_kinds_end:\n"

	"count_start:\n"
	"	movw	$0x2000, %ax\n"
	"	movw	%ax, %ds\n"
	"1:	movl	%ecx, 0\n"
	"	decl	%ecx\n"
	"	jnz	1b\n"
	"	hlt\n"
	"count_end:\n"

	"forever_start:\n"
	"	movw	$0x2000, %ax\n"
	"	movw	%ax, %ds\n"
	"1:	movl	%ecx, 0\n"
	"	jmp	1b\n"
	"forever_end:\n"
	"	.code64\n"
	"	.popsection\n");

extern const char all_kinds_start[], all_kinds_end[];
extern const char count_start[], count_end[];
extern const char forever_start[], forever_end[];

const struct guest_code guest_all_kinds = {all_kinds_start, all_kinds_end};
const struct guest_code guest_count = {count_start, count_end};
const struct guest_code guest_forever = {forever_start, forever_end};

void testvmm_set_registers(struct testvmm *vm, unsigned int vcpu,
			   uint32_t count)
{
	struct kvm_regs regs = {.rip = GUEST_CODE, .rflags = 2, .rcx = count};
	int fd = vm->vcpu[vcpu].fd;
	struct kvm_sregs sregs;

	testvmm_check(!ioctl(fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	testvmm_check(!ioctl(fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	testvmm_check(!ioctl(fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static struct kvm_regs get_registers(int vcpu_fd)
{
	struct kvm_regs regs;

	testvmm_check(!ioctl(vcpu_fd, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	return regs;
}

uint64_t testvmm_writes_left(int vcpu_fd)
{
	return get_registers(vcpu_fd).rcx;
}

uint64_t testvmm_pc(int vcpu_fd)
{
	return get_registers(vcpu_fd).rip;
}

void testvmm_add_irqchip(struct testvmm *vm)
{
	testvmm_check(!ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0),
		      "KVM_CREATE_IRQCHIP");
}
