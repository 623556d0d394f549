/* SPDX-License-Identifier: MIT */
/*
 * A raw kernel for QEMU's machine "virt", which is its own disk, too.  It maps
 * memory, so that the drive and the guest share the caches, and calls main() in
 * boot_arm64.c.  That compares the words below with those of the disk.
 */
#include "boot_arm64.h"

#define ATTR_DEVICE	0x00	/* index 0 of MAIR */
#define ATTR_NORMAL	0xff	/* index 1: write back */
#define BLOCK		0x401	/* accessed, a block */
#define BLOCK_NORMAL	(BLOCK | 3 << 8 | 1 << 2) /* shareable, index 1 */

/* 32-bit addresses, pages of 4 KiB, cached table walks by TTBR0 alone. */
#define TCR		(32 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23)
#define SCTLR_ON	(1 << 0 | 1 << 2 | 1 << 12) /* MMU, caches */

#define PSCI_SYSTEM_OFF	0x84000008

	.section .start, "ax"
	.globl	_start
_start:
	ldr	x0, =ATTR_DEVICE | ATTR_NORMAL << 8
	msr	mair_el1, x0
	ldr	x0, =TCR
	msr	tcr_el1, x0
	adr	x0, table
	msr	ttbr0_el1, x0
	isb
	tlbi	vmalle1
	dsb	nsh
	isb
	mrs	x0, sctlr_el1
	ldr	x1, =SCTLR_ON
	orr	x0, x0, x1
	msr	sctlr_el1, x0
	isb
	ldr	x0, =STACK
	mov	sp, x0
	bl	main
	ldr	w0, =PSCI_SYSTEM_OFF
	hvc	#0
	b	.			/* there is no PSCI */
	.ltorg

	/* GiB 0: devices; GiB 1: memory. */
	.balign	4096
table:
	.quad	BLOCK
	.quad	0x40000000 | BLOCK_NORMAL
	.fill	510, 8, 0

	/* Distinct words. */
	.section .words, "a"
	.globl	words
words:
	.set	value, 0x62656c66
	.rept	DATA_SECTORS * SECTOR / 4
	.set	value, (value * 1664525 + 1013904223) & 0xffffffff
	.long	value
	.endr
