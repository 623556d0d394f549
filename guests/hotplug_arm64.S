/* SPDX-License-Identifier: MIT */
/* A guest that polls a hotplug controller.  guests.h describes its registers. */
#include "program_arm64.inc"
#include "guests.h"

#define EVENT	0
#define ADDRESS	8
#define FOUND	16
#define PROBE	1

guest hotplug
	ldr	w3, =GUEST_HOTPLUG_TOKEN
0:	ldr	w1, [x0, #EVENT]
	cbz	w1, 0b
	cmp	w1, #PROBE
	b.ne	1f
	ldr	x2, [x0, #ADDRESS]
	str	w3, [x2, #4]
	ldr	w1, [x2]
	str	w1, [x0, #FOUND]
	b	0b
	.ltorg
end_guest hotplug

	.section .note.GNU-stack, "", %progbits
