/* SPDX-License-Identifier: MIT */
/* A guest that polls a hotplug controller.  guests.h describes its registers. */
#include "program_x86.inc"
#include "guests.h"

#define EVENT	0
#define ADDRESS	8
#define FOUND	16
#define PROBE	1

guest hotplug
0:	mov	EVENT(%rdi), %eax
	test	%eax, %eax
	jz	0b
	cmp	$PROBE, %eax
	jne	1f
	mov	ADDRESS(%rdi), %rsi
	movl	$GUEST_HOTPLUG_TOKEN, 4(%rsi)
	mov	(%rsi), %eax
	mov	%eax, FOUND(%rdi)
	jmp	0b
end_guest hotplug

	.section .note.GNU-stack, "", @progbits
