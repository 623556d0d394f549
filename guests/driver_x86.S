/* SPDX-License-Identifier: MIT */
/* A driver of a virtio-style device.  guests.h describes its arguments. */
#include "program_x86.inc"

/* Registers of a 16550 */
#define SERIAL_LSR	5
#define SERIAL_LSR_THRE	0x20	/* ready for a byte */

/* Registers of virtio-mmio (virtio 1.3, 4.2.2) */
#define MAGIC_VALUE	0x000
#define MAGIC_VIRT	0x74726976
#define QUEUE_NOTIFY	0x050
#define CONFIG		0x100

guest driver
	mov	MAGIC_VALUE(%rsi), %eax
	cmp	$MAGIC_VIRT, %eax
	jne	1f
	mov	%rsi, %r9
	mov	%rcx, %r8

	add	$SERIAL_LSR, %edx
0:	inb	%dx, %al
	test	$SERIAL_LSR_THRE, %al
	jz	0b
	sub	$SERIAL_LSR, %edx
	lea	.Lline(%rip), %rsi
	mov	$.Lline_end - .Lline, %ecx
	cld
	rep outsb

	mov	%r8, %rcx
0:	mov	%edi, QUEUE_NOTIFY(%r9)
	loop	0b

0:	mov	CONFIG(%r9, %rdi, 4), %eax
	cmp	%r8d, %eax
	jne	0b
	jmp	1f
.Lline:
	.ascii	"the driver found its device\n"
.Lline_end:
end_guest driver

	.section .note.GNU-stack, "", @progbits
