/* SPDX-License-Identifier: MIT */
/* A read-side section of a domain of either flavour. */
#ifndef BF_CLI_TORTURE_SECTION_H
#define BF_CLI_TORTURE_SECTION_H

#include <stdbool.h>

#include "belfry/srcu.h"

struct section {
	struct srcu_struct *srcu;
	bool fast;
	struct srcu_ctr *scp;
	int idx; /* of a fenced one */
};

static inline struct section section_enter(struct srcu_struct *srcu, bool fast)
{
	struct section section = {.srcu = srcu, .fast = fast};

	if (fast)
		section.scp = srcu_read_lock_fast(srcu);
	else
		section.idx = srcu_read_lock(srcu);
	return section;
}

static inline void section_leave(struct section section)
{
	if (section.fast)
		srcu_read_unlock_fast(section.srcu, section.scp);
	else
		srcu_read_unlock(section.srcu, section.idx);
}

#endif
