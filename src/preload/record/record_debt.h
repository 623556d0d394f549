/* SPDX-License-Identifier: MIT */
/*
 * Whose grace period a call sleeps out.  Since Linux 6.18 a registration
 * leaves one behind, and the first of certain calls that comes before its
 * timer has run out waits for it and so clears it; a VM's debts are its own.
 */
#ifndef BF_PRELOAD_RECORD_DEBT_H
#define BF_PRELOAD_RECORD_DEBT_H

#include "preload/record/record.h"

/* A registration reached the kernel. */
void debt_made(uint32_t vm, enum recorded_debt debt, uint64_t now);

/* One that the kernel would have had by now without belfry. */
void debt_deferred(uint32_t vm, uint64_t now);

/*
 * A call that was made: leaves a debt, pays those of its VM, or neither.
 * Returns those it paid, as bits, where it stalled.
 */
uint32_t debt_of_call(uint32_t vm, uint32_t key, uint64_t start, uint64_t end,
		      long ret);

#endif
