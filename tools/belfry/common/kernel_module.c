// SPDX-License-Identifier: MIT
#include "tools/belfry/common/kernel_module.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER	"/sys/module/belfry/"
#define ENABLED FOLDER "parameters/enabled"

static const char *const counter_names[NR_MODULE_COUNTERS] = {
	[MODULE_REGISTRATIONS] = "registrations",
	[MODULE_MARKED] = "marked",
	[MODULE_PROMOTED] = "promoted",
	[MODULE_TIMERS_CUT] = "timers_cut",
	[MODULE_CALLBACKS_STARTED] = "callbacks_started",
	[MODULE_MISSED] = "missed",
};

/* Store the first line of a file, or an empty text. */
static void file_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(line, (int)size, file))
		*line = '\0';
	if (file)
		fclose(file);
	line[strcspn(line, "\n")] = '\0';
}

static uint64_t read_counter(const char *name)
{
	char path[64], text[24];

	snprintf(path, sizeof(path), FOLDER "counters/%s", name);
	file_line(path, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

void kernel_module_read(struct kernel_module *module)
{
	char enabled[8];

	*module = (struct kernel_module){.loaded = !access(FOLDER, F_OK)};
	if (!module->loaded)
		return;
	file_line(FOLDER "parameters/state", module->state,
		  sizeof(module->state));
	/* The module for kernels before 6.18 has no parameters. */
	if (!*module->state)
		strcpy(module->state, "not needed");
	file_line(FOLDER "parameters/method", module->method,
		  sizeof(module->method));
	file_line(ENABLED, enabled, sizeof(enabled));
	module->enabled = *enabled == 'Y';
	for (int i = 0; i < NR_MODULE_COUNTERS; i++)
		module->counters[i] = read_counter(counter_names[i]);
}

bool kernel_module_can_act(const struct kernel_module *module)
{
	return module->loaded && !strcmp(module->state, "active");
}

bool kernel_module_acts(const struct kernel_module *module)
{
	return kernel_module_can_act(module) && module->enabled;
}

int kernel_module_enable(bool enabled)
{
	int fd = open(ENABLED, O_WRONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, enabled ? "Y" : "N", 1) == 1 ? 0 : -errno;
	close(fd);
	return ret;
}

static void describe_loaded(const struct kernel_module *module, char *text,
			    size_t size)
{
	if (strcmp(module->state, "active"))
		snprintf(text, size, "%s", module->state);
	else if (!module->enabled)
		snprintf(text, size, "off");
	else
		snprintf(text, size,
			 "%s; since it was loaded %" PRIu64 " registrations, "
			 "%" PRIu64 " grace periods promoted, %" PRIu64
			 " marked",
			 module->method, module->counters[MODULE_REGISTRATIONS],
			 module->counters[MODULE_PROMOTED],
			 module->counters[MODULE_MARKED]);
}

const char *kernel_module_describe(char *text, size_t size)
{
	struct kernel_module module;

	kernel_module_read(&module);
	if (module.loaded)
		describe_loaded(&module, text, size);
	else
		snprintf(text, size, "not loaded");
	return text;
}

struct json_object *kernel_module_json(const struct kernel_module *module)
{
	struct json_object *json = json_new();

	json_set_bool(json, "loaded", module->loaded);
	if (!module->loaded)
		return json;
	json_set_text(json, "state", module->state);
	json_set_bool(json, "enabled", module->enabled);
	json_set_text(json, "method", module->method);
	for (int i = 0; i < NR_MODULE_COUNTERS; i++)
		json_set_count(json, counter_names[i], module->counters[i]);
	return json;
}
