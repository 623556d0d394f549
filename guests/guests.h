/* SPDX-License-Identifier: MIT */
/*
 * Guest programs.  They are position independent and the same on every engine.
 * bf_vcpu_boot64() starts them with their arguments.  They need no stack and
 * end with KVM_EXIT_HLT.  A further run ends in the same way.
 *
 * The loops take two instructions a write: where KVM emulates guest code, an
 * instruction costs most of a microsecond.
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

/* Copies a program to guest memory; hva is its address in this process. */
void guest_place(const struct guest *guest, void *hva);

/*
 * The offset of a program in an area of GUEST_AREA bytes, in which each program
 * has a place of its own, so that vCPUs can run different ones.  Of one thread.
 */
#define GUEST_AREA 0x2000
size_t guest_offset(const struct guest *guest);

/* Arguments: address, number of stores (may be 0), value. */
extern const struct guest guest_write_mmio1;
extern const struct guest guest_write_mmio2;
extern const struct guest guest_write_mmio4;
extern const struct guest guest_write_mmio8;

/*
 * Arguments: port, number of writes (may be 0), value.  Programs with ports
 * have size 0 on aarch64.
 */
extern const struct guest guest_write_pio1;
extern const struct guest guest_write_pio2;
extern const struct guest guest_write_pio4;

/*
 * REP OUTSL.  Arguments: port, number of 4-byte writes (may be 0), address of
 * the values, number of values, not 0.  Starts again with the first value after
 * the last.
 */
extern const struct guest guest_write_pio_string;

/*
 * A driver of a virtio-style device (with the registers of virtio-mmio).
 * Arguments: queue, address of the device, serial port (on aarch64 the address
 * of one), number of requests, not 0.
 *
 * Reads MagicValue and ends if it is not "virt".  Prints a line to the serial
 * port.  Writes the queue to QueueNotify once for each request.  Then polls the
 * word at Config + 4 * queue, where the device counts the requests that it
 * served, until it equals the number of requests.
 */
extern const struct guest guest_driver;

/*
 * Polls a hotplug controller and probes addresses for it.  Argument: address of
 * the controller, which has a word EVENT at 0 (0: wait; 1: probe; else stop), a
 * quadword ADDRESS at 8 and a word FOUND at 16.
 *
 * A probe stores GUEST_HOTPLUG_TOKEN at ADDRESS + 4, loads the word at ADDRESS
 * and stores it in FOUND.  The controller then resets EVENT to 0.
 */
extern const struct guest guest_hotplug;

#endif /* __ASSEMBLER__ */
#endif
