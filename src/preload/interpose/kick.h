/* SPDX-License-Identifier: MIT */
/*
 * How the program stops its vCPUs, as far as it shows.
 *
 * With immediate_exit, or with a signal that only KVM_RUN lets through, a kick
 * that comes while an exit is served here is still there when the vCPU is
 * entered again.  A signal whose handler only sets a flag is not: the program
 * wants to look at its flag, which it does when KVM_RUN returns.
 */
#ifndef BF_PRELOAD_KICK_H
#define BF_PRELOAD_KICK_H

#include <stdbool.h>
#include <stdint.h>

/* Looks at a call for signs of it. */
void kick_saw_call(uint32_t request, unsigned long arg);

/*
 * Is the program to have its vCPU back after each exit that was served?  It
 * takes signals, so it knows EINTR, and it has shown no other way.
 */
bool kick_wants_back(void);

#endif
