// SPDX-License-Identifier: MIT
#include <errno.h>

#include "front/calibrate.h"

/* Without a measurement: between the kernels before Linux 6.18 and since. */
#define DEFAULT_INSTALL_AFTER 256

/* A busy machine may measure anything, so the result has limits. */
#define MIN_INSTALL_AFTER 4
#define MAX_INSTALL_AFTER 10000

unsigned int bf_costs_install_after(const struct bf_front_costs *costs)
{
	uint64_t signals;

	if (!costs->signal_ns)
		return MAX_INSTALL_AFTER;
	signals = costs->install_ns / costs->signal_ns;
	if (signals < MIN_INSTALL_AFTER)
		return MIN_INSTALL_AFTER;
	return signals > MAX_INSTALL_AFTER ? MAX_INSTALL_AFTER :
					     (unsigned int)signals;
}

static void load_or_measure(struct bf_front_costs *costs)
{
	*costs = (struct bf_front_costs){0};
	if (bf_costs_load(costs))
		costs->install_after = bf_costs_install_after(costs);
	else if (!bf_costs_measure(costs))
		*costs = (struct bf_front_costs){.install_after =
							 DEFAULT_INSTALL_AFTER};
	else if ((costs->install_after = bf_costs_install_after(costs)))
		bf_costs_save(costs);
}

/*
 * Two threads may both measure, and get about the same result.  No lock: a fork
 * beside a measurement must not leave it locked in the child.
 *
 * Release and acquire: order the store of the costs before the state.  Without
 * them a second caller could copy costs that are not there yet.
 */
int bf_front_measure(struct bf_front_costs *costs)
{
	enum { NONE, WRITING, KNOWN };
	static struct bf_front_costs known;
	static int state;
	int none = NONE;

	if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) == KNOWN) {
		*costs = known;
	} else {
		load_or_measure(costs);
		if (__atomic_compare_exchange_n(&state, &none, WRITING, false,
						__ATOMIC_RELAXED,
						__ATOMIC_RELAXED)) {
			known = *costs;
			__atomic_store_n(&state, KNOWN, __ATOMIC_RELEASE);
		}
	}
	return costs->install_ns ? 0 : -ENODEV;
}
