/* SPDX-License-Identifier: MIT */
/* Guests that write to a device.  guests.h describes their arguments. */
#include "program_x86.inc"

.macro write_mmio name, store:vararg
guest \name
	mov	%rsi, %rcx
	jrcxz	1f
0:	\store
	loop	0b
end_guest \name
.endm

	write_mmio write_mmio1, movb %dl, (%rdi)
	write_mmio write_mmio2, movw %dx, (%rdi)
	write_mmio write_mmio4, movl %edx, (%rdi)
	write_mmio write_mmio8, movq %rdx, (%rdi)

.macro write_pio name, write:vararg
guest \name
	mov	%edx, %eax
	mov	%edi, %edx
	mov	%rsi, %rcx
	jrcxz	1f
0:	\write
	loop	0b
end_guest \name
.endm

	write_pio write_pio1, outb %al, %dx
	write_pio write_pio2, outw %ax, %dx
	write_pio write_pio4, outl %eax, %dx

guest write_pio_string
	mov	%rsi, %r8
	mov	%rcx, %r9
	mov	%rdx, %r10
	mov	%edi, %edx
	cld
0:	mov	%r10, %rsi
	mov	%r9, %rcx
	cmp	%r8, %rcx
	cmova	%r8, %rcx
	sub	%rcx, %r8
	rep outsl
	test	%r8, %r8
	jnz	0b
end_guest write_pio_string

	.section .note.GNU-stack, "", @progbits
