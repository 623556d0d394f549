/* SPDX-License-Identifier: MIT */
/* Grace periods that readers hold up for too long. */
#ifndef BF_SRCU_STALL_H
#define BF_SRCU_STALL_H

#include "belfry/srcu.h"

/* The shorter of timeout_ns and what is left until a report is due. */
uint64_t bf_srcu_stall_timeout(const struct bf_srcu *ssp, uint64_t timeout_ns);

/* Reports if it is due.  Lock held, dropped for the report. */
void bf_srcu_stall_check(struct bf_srcu *ssp);

#endif
