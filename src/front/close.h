/* SPDX-License-Identifier: MIT */
/*
 * VMs of a process close one after another.
 *
 * A VM that closes stops watching its process's memory, and waits for a grace
 * period of a domain that all VMs of the machine share.  The grace period is
 * expedited if no other is in progress; beside another one it is normal, and
 * sleeps for milliseconds, whether or not the VM had doorbells.  So two VMs
 * that close at the same moment both take longer than one after the other.
 */
#ifndef BF_FRONT_CLOSE_H
#define BF_FRONT_CLOSE_H

#include "front/front.h"

/*
 * Calls close_fd(fd), which closes a VM, when no other VM of this process
 * closes, or after 8 ms in any case: a longer wait cannot pay.  close_fd() must
 * return, and must not be a cancellation point.
 */
void bf_close_in_turn(int fd, void (*close_fd)(int fd));

/*
 * The same, but at once if the VM has a pending grace period of its own: its
 * close sleeps in any case, and no other VM must wait for that.  @front is
 * stopped, or NULL.
 */
void bf_close_vm(const struct bf_front *front, int fd,
		 void (*close_fd)(int fd));

#endif
