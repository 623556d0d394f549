/* SPDX-License-Identifier: MIT */
/* Guests that ring; guests.h has their arguments. */

/* Each program is bytes in .rodata and a struct guest that names them. */
.macro guest name
	.section .rodata, "a"
.Lname_\name:
	.asciz	"\name"
.Lstart_\name:
.endm

.macro end_guest name
1:	hlt
	jmp	1b
.Lend_\name:
	.section .data.rel.ro, "aw"
	.balign	8
	.globl	guest_\name
	.hidden	guest_\name
	.type	guest_\name, @object
	.size	guest_\name, 24
guest_\name:
	.quad	.Lname_\name, .Lstart_\name, .Lend_\name - .Lstart_\name
.endm

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
