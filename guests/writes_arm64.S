/* SPDX-License-Identifier: MIT */
/* Guests that write to a device.  guests.h describes their arguments. */
#include "program_arm64.inc"

.macro write_mmio name, store:vararg
guest \name
	cbz	x1, 1f
0:	\store
	sub	x1, x1, #1
	cbnz	x1, 0b
end_guest \name
.endm

	write_mmio write_mmio1, strb w2, [x0]
	write_mmio write_mmio2, strh w2, [x0]
	write_mmio write_mmio4, str w2, [x0]
	write_mmio write_mmio8, str x2, [x0]

	.section .note.GNU-stack, "", %progbits
