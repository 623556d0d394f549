/* SPDX-License-Identifier: MIT */
/* Exits in the layout of struct kvm_run, and the bus. */
#ifndef BF_VM_EXIT_H
#define BF_VM_EXIT_H

#include <linux/kvm.h>
#include <stdbool.h>

#include "belfry/io_bus.h"

/*
 * Offers an exit to the bus.  True: somebody took it, a read's data is in the
 * page, and the vCPU may be entered again, which completes the instruction.
 * False: the exit is as it was.
 */
bool bf_exit_offer(struct bf_io_bus *bus, struct kvm_run *run);

#endif
