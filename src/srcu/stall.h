/* SPDX-License-Identifier: MIT */
/* Grace periods that readers hold up for too long. */
#ifndef BF_SRCU_STALL_H
#define BF_SRCU_STALL_H

#include "belfry/srcu.h"

/* The shorter of timeout_ns and what is left until a report is due. */
uint64_t srcu_stall_timeout(const struct srcu_struct *ssp, uint64_t timeout_ns);

/* Reports if it is due.  Lock held, dropped for the report. */
void srcu_stall_check(struct srcu_struct *ssp);

#endif
