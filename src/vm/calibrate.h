/* SPDX-License-Identifier: MIT */
/*
 * How often a doorbell has to ring before giving it to the kernel is worth the
 * grace period that this leaves behind.
 *
 * As with skis that are rented until the rent has cost what skis cost: who
 * installs after as many rings in user space as an install costs pays at most
 * twice what he would if he knew how many are to come.
 */
#ifndef BF_VM_CALIBRATE_H
#define BF_VM_CALIBRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What this kernel charges. */
struct bf_costs {
	uint64_t install_ns; /* a registration, and what waits behind it */
	uint64_t ring_ns;    /* a ring in user space, more than in the kernel */
};

/*
 * The rings that make an install worth it, at least 1.  The first call of a
 * boot measures, which takes some 25 ms and a VM for that long; the others of
 * any process read what that one left in a file.
 */
unsigned int bf_calibrated_rings(void);

/* The sum that is behind it. */
unsigned int bf_rings_of(const struct bf_costs *costs);

/* calibrate_measure.c.  False: it cannot be measured here. */
bool bf_costs_measure(struct bf_costs *costs);

/*
 * calibrate_cache.c.  A file of the user's own, per boot; false, and nothing
 * lost, where there is none that can be trusted, or none can be written.
 */
bool bf_costs_load(struct bf_costs *costs);
bool bf_costs_save(const struct bf_costs *costs);

/* The file's name, "" where the kernel does not tell the boot. */
void bf_costs_path(char *path, size_t size);

#endif
