/* SPDX-License-Identifier: MIT */
/* The kernel module belfry.ko, as /sys/module/belfry shows it. */
#ifndef BF_CLI_KERNEL_MODULE_H
#define BF_CLI_KERNEL_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/belfry/common/json.h"

/* The counters since the module was loaded; see doc/kernel.md. */
enum kernel_module_counter {
	MODULE_REGISTRATIONS,
	MODULE_MARKED,
	MODULE_PROMOTED,
	MODULE_TIMERS_CUT,
	MODULE_CALLBACKS_STARTED,
	MODULE_MISSED,
	NR_MODULE_COUNTERS,
};

struct kernel_module {
	bool loaded;
	bool enabled;
	char state[32]; /* the parameter "state"; see doc/kernel.md */
	char method[16];
	uint64_t counters[NR_MODULE_COUNTERS];
};

void kernel_module_read(struct kernel_module *module);

/* Return whether the module acts on KVM's registrations. */
bool kernel_module_acts(const struct kernel_module *module);

/* Return whether it would, once it is switched on. */
bool kernel_module_can_act(const struct kernel_module *module);

/* Switch the module on or off.  Returns 0 or a negative errno. */
int kernel_module_enable(bool enabled);

/* Write one line into text, without a newline; return text. */
const char *kernel_module_describe(char *text, size_t size);

/* The findings as a JSON object. */
struct json_object *kernel_module_json(const struct kernel_module *module);

#endif
