/* SPDX-License-Identifier: MIT */
/*
 * After how many signals the kernel should get a doorbell.
 *
 * A signal from user space costs more than one in the kernel; an install costs
 * a grace period.  This is ski rental: a front that installs after as many
 * signals as an install costs pays at most twice the price of the best choice,
 * whatever signals the guest will send.
 */
#ifndef BF_FRONT_CALIBRATE_H
#define BF_FRONT_CALIBRATE_H

#include <stddef.h>

#include "belfry/front.h"

/* The threshold that follows from the prices, at least 1. */
unsigned int bf_costs_install_after(const struct bf_front_costs *costs);

/* calibrate_measure.c.  False: nothing can be measured on this machine. */
bool bf_costs_measure(struct bf_front_costs *costs);

/*
 * calibrate_cache.c.  The file belongs to the user and to the boot.  False if
 * there is no file that can be trusted, or none can be written; then the
 * process measures.
 */
bool bf_costs_load(struct bf_front_costs *costs);
bool bf_costs_save(const struct bf_front_costs *costs);

/* The file's name; "" if the kernel has no boot id. */
void bf_costs_path(char *path, size_t size);

#endif
