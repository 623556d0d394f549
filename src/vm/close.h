/* SPDX-License-Identifier: MIT */
/*
 * The end of VMs, one after another.
 *
 * A VM that ends stops watching its process's memory, and waits for a grace
 * period of the kernel's that all VMs of the machine share.  It is expedited
 * where no other is under way; beside another one it is a normal one, which
 * sleeps for milliseconds, whatever doorbells the VM had.  So two ends that
 * meet cost both more than if one had waited for the other.
 */
#ifndef BF_VM_CLOSE_H
#define BF_VM_CLOSE_H

#include "vm/front.h"

/*
 * Calls close_fd(fd), which ends a VM, when no other end is under way in this
 * process; after some milliseconds, which is what may be saved, in any case.
 * close_fd must return, and not be a point of cancellation.
 */
void bf_close_in_turn(int fd, void (*close_fd)(int fd));

/*
 * The same, but out of turn where the VM's own grace period is known to sleep,
 * so that nobody waits for that.  front is stopped, or NULL.
 */
void bf_close_vm(const struct bf_front *front, int fd,
		 void (*close_fd)(int fd));

#endif
