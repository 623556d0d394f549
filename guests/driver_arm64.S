/* SPDX-License-Identifier: MIT */
/* A driver of a virtio-style device.  guests.h describes its arguments. */
#include "program_arm64.inc"

/* Registers of a 16550 */
#define SERIAL_DATA	0
#define SERIAL_LSR	5
#define SERIAL_LSR_THRE_BIT 5	/* ready for a byte */

/* Registers of virtio-mmio (virtio 1.3, 4.2.2) */
#define MAGIC_VALUE	0x000
#define MAGIC_VIRT	0x74726976
#define QUEUE_NOTIFY	0x050
#define CONFIG		0x100

guest driver
	ldr	w4, [x1, #MAGIC_VALUE]
	ldr	w5, =MAGIC_VIRT
	cmp	w4, w5
	b.ne	1f

0:	ldrb	w4, [x2, #SERIAL_LSR]
	tbz	w4, #SERIAL_LSR_THRE_BIT, 0b
	adr	x5, .Lline
	mov	x6, #(.Lline_end - .Lline)
0:	ldrb	w4, [x5], #1
	strb	w4, [x2, #SERIAL_DATA]
	sub	x6, x6, #1
	cbnz	x6, 0b

	mov	x6, x3
0:	str	w0, [x1, #QUEUE_NOTIFY]
	sub	x6, x6, #1
	cbnz	x6, 0b

	add	x5, x1, #CONFIG
0:	ldr	w4, [x5, x0, lsl #2]
	cmp	w4, w3
	b.ne	0b
	b	1f
	.ltorg
.Lline:
	.ascii	"the driver found its device\n"
.Lline_end:
	.balign	4
end_guest driver

	.section .note.GNU-stack, "", %progbits
