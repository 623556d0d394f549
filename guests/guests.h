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

#define GUEST_HOTPLUG_TOKEN 0x706c7567 /* see guest_hotplug */

#ifndef __ASSEMBLER__

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

/*
 * The driver of a virtio-style device (registers as of virtio-mmio) that says
 * so on a serial port.  rdi: its queue, rsi: address of the device, rdx: the
 * serial port, rcx: how many requests, not 0.  Reads MagicValue and ends where
 * it is not "virt"; prints a line; writes its queue to QueueNotify for each
 * request; waits until the device has counted as many for that queue in the
 * word at Config + 4 * queue.
 */
extern const struct guest guest_driver;

/*
 * Tries out what is plugged in, until it is told to stop.  rdi: address of a
 * hotplug controller with a word EVENT at 0 (0: nothing; 1: try; else stop), a
 * quadword ADDRESS at 8 and a word FOUND at 16.  To try is to store TOKEN at
 * ADDRESS + 4, to load the word at ADDRESS, and to store that in FOUND, upon
 * which the controller takes the event back.
 */
extern const struct guest guest_hotplug;

#endif /* __ASSEMBLER__ */
#endif
