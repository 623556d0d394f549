// SPDX-License-Identifier: MIT
/* The kernel module, switched on and off between measurements. */
#include <signal.h>

#include "base/util.h"
#include "tools/belfry/common/kernel_module.h"
#include "tools/belfry/stall/rows.h"

static const int ending_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

/* The state that the administrator chose. */
static bool was_enabled;

/* open(2) and write(2) are safe in a handler. */
static void restore_and_end(int number)
{
	kernel_module_enable(was_enabled);
	raise(number);
}

static void catch_signals(void)
{
	const struct sigaction action = {
		.sa_handler = restore_and_end,
		.sa_flags = SA_RESETHAND | SA_NODEFER,
	};

	for (size_t i = 0; i < ARRAY_SIZE(ending_signals); i++)
		sigaction(ending_signals[i], &action, NULL);
}

bool stall_module_take(void)
{
	struct kernel_module module;

	kernel_module_read(&module);
	was_enabled = module.enabled;
	if (!kernel_module_can_act(&module))
		return false;
	catch_signals();
	return !kernel_module_enable(false);
}

void stall_module_restore(void)
{
	kernel_module_enable(was_enabled);
}

/* A discarded run gives each side warm caches to begin with. */
static int measure_with(bool module, bool warm, stall_plain_fn measure,
			const void *arg, const int *eventfds,
			struct samples *samples)
{
	struct samples unused = {0};
	int ret = kernel_module_enable(module);

	if (!ret && warm)
		ret = measure(arg, eventfds, &unused);
	if (!ret)
		ret = measure(arg, eventfds, samples);
	samples_free(&unused);
	return ret;
}

int stall_measure_plain(stall_plain_fn measure, bool warm, const void *arg,
			const int *eventfds, struct stall_samples *out)
{
	int ret;

	if (!stall_kinds.module)
		return measure(arg, eventfds, &out->plain);
	ret = measure_with(true, warm, measure, arg, eventfds, &out->module);
	if (ret)
		return ret;
	return measure_with(false, warm, measure, arg, eventfds, &out->plain);
}
