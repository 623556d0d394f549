/* SPDX-License-Identifier: MIT */
/* Guests that ring; guests.h has their arguments. */

#include "program.inc"

.macro ring_mmio name, store:vararg
guest \name
	mov	%rsi, %rcx
	jrcxz	1f
0:	\store
	loop	0b
end_guest \name
.endm

	ring_mmio ring_mmio1, movb %dl, (%rdi)
	ring_mmio ring_mmio2, movw %dx, (%rdi)
	ring_mmio ring_mmio4, movl %edx, (%rdi)
	ring_mmio ring_mmio8, movq %rdx, (%rdi)

.macro ring_pio name, write:vararg
guest \name
	mov	%edx, %eax
	mov	%edi, %edx
	mov	%rsi, %rcx
	jrcxz	1f
0:	\write
	loop	0b
end_guest \name
.endm

	ring_pio ring_pio1, outb %al, %dx
	ring_pio ring_pio2, outw %ax, %dx
	ring_pio ring_pio4, outl %eax, %dx

guest ring_pio_string
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
end_guest ring_pio_string

	.section .note.GNU-stack, "", @progbits
