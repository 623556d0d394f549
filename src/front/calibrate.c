// SPDX-License-Identifier: MIT
#include "front/calibrate.h"

/* Without a measurement: between the kernels before Linux 6.18 and since. */
#define DEFAULT_INSTALL_AFTER 256

/* A busy machine may measure anything, so the result has limits. */
#define MIN_INSTALL_AFTER 4
#define MAX_INSTALL_AFTER 10000

unsigned int bf_costs_install_after(const struct bf_costs *costs)
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

static unsigned int load_or_measure(void)
{
	struct bf_costs costs;

	if (bf_costs_load(&costs))
		return bf_costs_install_after(&costs);
	if (!bf_costs_measure(&costs))
		return DEFAULT_INSTALL_AFTER;
	bf_costs_save(&costs);
	return bf_costs_install_after(&costs);
}

/* Two threads may both measure, and get about the same result. */
unsigned int bf_calibrated_install_after(void)
{
	static unsigned int install_after;
	unsigned int result = __atomic_load_n(&install_after, __ATOMIC_RELAXED);

	if (!result) {
		result = load_or_measure();
		__atomic_store_n(&install_after, result, __ATOMIC_RELAXED);
	}
	return result;
}
