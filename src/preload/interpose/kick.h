/* SPDX-License-Identifier: MIT */
/*
 * Kicks: the signals by which the program stops a vCPU.
 *
 * Without belfry a signal that arrives while the kernel has the vCPU ends
 * KVM_RUN with EINTR.  Under belfry it may arrive while the library serves an
 * exit.  If the handler sets immediate_exit, or only KVM_RUN unblocks the
 * signal, the next KVM_RUN returns.  A handler that only sets a flag leaves
 * nothing pending.  So the guard blocks all signals around the program's
 * KVM_RUN, and KVM unblocks them while the vCPU runs (KVM_SET_SIGNAL_MASK).
 * A signal that arrives outside of the kernel stays pending, and ends the next
 * KVM_RUN.
 */
#ifndef BF_PRELOAD_KICK_H
#define BF_PRELOAD_KICK_H

#include "preload/fds/object.h"

/* The program has set the vCPU's signal mask, or taken it away. */
void kick_note_mask(struct object_vcpu *vcpu, bool has_mask);

/* The program asks whether KVM has immediate_exit: all kernels have it. */
void kick_note_capability(void);

/* A handler of the program has left a KVM_RUN by a long jump. */
void kick_note_jump(void);

/*
 * True: a thread that must not make the guard's calls could lose a kick,
 * because the program has a handler and has not asked for immediate_exit.
 */
bool kick_needs_guard(void);

/*
 * Before a KVM_RUN of the program on @fd, of a vCPU whose exits the front
 * serves.  False: no guard, because the program
 * has no handler, or shows that its kicks stay pending, or the thread must not
 * make the system calls.  True: the caller calls kick_guard_end() with *@mask.
 */
bool kick_guard_begin(struct object *obj, int fd, uint64_t *mask);

/* The handlers of pending signals run in this call, and may leave it. */
void kick_guard_end(struct object *obj, uint64_t mask);

/*
 * After an exit that the library served without a guard.  True: a kick may have
 * come meanwhile, and KVM_RUN must return to the program.
 */
bool kick_may_be_lost(void);

#endif
