/* SPDX-License-Identifier: MIT */
/*
 * Guest programs: position independent, the same bytes on every engine,
 * started as by bf_vcpu_boot64() with their arguments in rdi, rsi, rdx, rcx.
 * They need no stack and end with HLT; the next run then ends there again.
 *
 * A ring is two instructions: where KVM has to emulate guest code, each costs
 * most of a microsecond.
 */
#ifndef BF_GUESTS_GUESTS_H
#define BF_GUESTS_GUESTS_H

#include <stddef.h>

struct guest {
	const char *name;
	const void *start;
	size_t size;
};

/* rdi: address, rsi: how many rings (0 is none), rdx: what to store. */
extern const struct guest guest_ring_mmio1;
extern const struct guest guest_ring_mmio2;
extern const struct guest guest_ring_mmio4;
extern const struct guest guest_ring_mmio8;

/* rdi: port, rsi: how many rings (0 is none), rdx: what to write. */
extern const struct guest guest_ring_pio1;
extern const struct guest guest_ring_pio2;
extern const struct guest guest_ring_pio4;

/*
 * REP OUTSL.  rdi: port, rsi: how many rings, 4 bytes each (0 is none), rdx:
 * address of the values, rcx: how many these are, not 0; they are used again
 * and again.
 */
extern const struct guest guest_ring_pio_string;

#endif
