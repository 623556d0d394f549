/* SPDX-License-Identifier: MIT */
/*
 * How the program stops ("kicks") a vCPU, as far as its calls show it.
 *
 * A kick may come while the library serves an exit.  With immediate_exit, or
 * with a signal that only KVM_RUN unblocks, the kick is still pending when the
 * vCPU enters the guest again, and KVM_RUN returns.  A signal handler that only
 * sets a flag leaves nothing pending: the program reads its flag when KVM_RUN
 * returns, so the library must return from KVM_RUN for it.
 */
#ifndef BF_PRELOAD_KICK_H
#define BF_PRELOAD_KICK_H

#include <stdbool.h>
#include <stdint.h>

/* Looks for a use of immediate_exit or of a signal mask for KVM_RUN. */
void kick_note_call(uint32_t request, unsigned long arg);

/*
 * True: KVM_RUN must return to the program after each exit that the library
 * served.  The program handles signals, so it can handle EINTR, and has shown
 * no other way to kick.
 */
bool kick_needs_return(void);

#endif
