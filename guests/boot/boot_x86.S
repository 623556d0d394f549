/* SPDX-License-Identifier: MIT */
/*
 * A disk image with a boot sector.  The boot sector reads the sectors behind it
 * through the BIOS, which uses the queue of a virtio drive.  It does the same
 * for every further drive, each with the same image.  It sums the words of each
 * drive and compares the sum with the expected one.  Then it writes a value to
 * QEMU's isa-debug-exit, and QEMU ends with status value * 2 + 1.  The values:
 */
#define SUMS_ARE_RIGHT	0x10	/* one drive; 0x11: two drives; ... */
#define SUM_IS_WRONG	0x20
#define READ_FAILED	0x21

#define FIRST_DRIVE	0x80
#define DRIVES		0x475	/* BIOS data area: number of drives */

#define EXIT_PORT	0xf4
#define LOAD_ADDR	0x7c00
#define DATA_ADDR	0x8000
#define SECTOR		512
#define DATA_SECTORS	32	/* one read each, so one doorbell signal each */
#define WORDS		(DATA_SECTORS * SECTOR / 4)
#define DISK_SIZE	0x100000 /* SeaBIOS requires whole cylinders */

	.code16
	.globl	_start
_start:
	ljmp	$0, $set_segments
set_segments:
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$LOAD_ADDR, %sp
	cld

next_drive:
	movw	$DATA_SECTORS, %bp
	movw	$DATA_ADDR, packet_offset
	movl	$1, packet_block
read_sector:
	movb	drive, %dl
	movb	$0x42, %ah		/* extended read, by block address */
	movw	$packet, %si
	int	$0x13
	jc	failed
	incl	packet_block
	addw	$SECTOR, packet_offset
	decw	%bp
	jnz	read_sector

	movw	$DATA_ADDR, %si
	movw	$WORDS, %cx
	xorl	%ebx, %ebx
add_word:
	lodsl
	addl	%eax, %ebx
	loop	add_word

	movl	$SUM_IS_WRONG, %eax
	cmpl	expected, %ebx
	jne	leave
	incb	drive
	movzbl	drive, %eax
	subl	$FIRST_DRIVE, %eax
	cmpb	DRIVES, %al
	jb	next_drive
	addl	$(SUMS_ARE_RIGHT - 1), %eax
	jmp	leave
failed:
	movl	$READ_FAILED, %eax
leave:
	outl	%eax, $EXIT_PORT
stop:
	hlt				/* there is no isa-debug-exit */
	jmp	stop

	.balign	4
packet:
	.byte	16, 0			/* size of the packet */
	.word	1			/* sectors */
packet_offset:
	.word	0
	.word	0			/* segment */
packet_block:
	.long	0, 0
expected:
	.long	total
drive:
	.byte	FIRST_DRIVE

	.org	SECTOR - 2
	.word	0xaa55

/* Distinct words, and their sum, computed by the assembler. */
	.set	value, 0x62656c66
	.set	sum, 0
	.rept	WORDS
	.set	value, (value * 1664525 + 1013904223) & 0xffffffff
	.set	sum, (sum + value) & 0xffffffff
	.long	value
	.endr
	.set	total, sum

	.org	DISK_SIZE
