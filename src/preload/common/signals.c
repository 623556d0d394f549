/* SPDX-License-Identifier: MIT */
#include "preload/common/signals.h"
#include "preload/seccomp/forbidden.h"

struct signals_held signals_hold(void)
{
	static const uint64_t set = ~SIGNALS_NEVER_HELD;
	struct signals_held held = {.held = !thread_forbids(FORBIDDEN_GUARD)};

	if (held.held)
		signals_set_mask(SIG_BLOCK, &set, &held.mask);
	return held;
}

void signals_release(struct signals_held held)
{
	if (held.held)
		signals_set_mask(SIG_SETMASK, &held.mask, NULL);
}
