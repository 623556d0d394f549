// SPDX-License-Identifier: MIT
/* The diagnosis as text, and as one JSON object. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/json.h"
#include "tools/belfry/common/xalloc.h"
#include "tools/belfry/doctor/internal.h"

static const char *const problems[] = {
	[PROBLEM_NONE] = "none",
	[PROBLEM_STALL] = "stall",
	[PROBLEM_WAIT] = "wait",
};

static const char *const linkages[] = {
	[PROGRAM_UNKNOWN] = "unknown",
	[PROGRAM_DYNAMIC] = "dynamic",
	[PROGRAM_STATIC] = "static",
	[PROGRAM_FOREIGN] = "foreign",
};

static const char *const linkage_texts[] = {
	[PROGRAM_UNKNOWN] = "no ELF file",
	[PROGRAM_DYNAMIC] = "dynamically linked",
	[PROGRAM_STATIC] = "statically linked",
	[PROGRAM_FOREIGN] = "for another architecture or C library",
};

static const char *const irqchips[] = {
	[IRQCHIP_UNKNOWN] = "unknown",
	[IRQCHIP_KERNEL] = "kernel",
	[IRQCHIP_SPLIT] = "split",
	[IRQCHIP_USER] = "user",
};

static const char *const irqchip_texts[] = {
	[IRQCHIP_UNKNOWN] = "unknown",
	[IRQCHIP_KERNEL] = "in the kernel: the next change of the VM waits",
	[IRQCHIP_SPLIT] = "split: nothing waits for it",
	[IRQCHIP_USER] = "in user space: nothing waits for it",
};

static void __attribute__((format(printf, 2, 3)))
line(const char *title, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		xcheck(NULL);
	va_end(args);
	cli_line(stdout, "  %-16s%s", title, text);
	free(text);
}

/* Two or three digits that count: "5.9 ms", "13 us", "0.4 us". */
static const char *duration(uint64_t ns, char text[24])
{
	const double us = (double)ns / 1e3;

	if (us >= 1000)
		snprintf(text, 24, "%.1f ms", us / 1e3);
	else
		snprintf(text, 24, us >= 10 ? "%.0f us" : "%.1f us", us);
	return text;
}

static void print_costs(const struct costs *costs)
{
	char a[24], b[24];

	line("registration", "%s", duration(costs->registration, a));
	line("memory slot", "%s alone, %s right after a registration",
	     duration(costs->change, a), duration(costs->after, b));
	if (costs->irqchip)
		line("after irqchip", "%s", duration(costs->irqchip, a));
	line("with belfry", "registration %s, memory slot after it %s",
	     duration(costs->belfry_registration, a),
	     duration(costs->belfry_after, b));
}

static void print_module(const struct machine *machine)
{
	char text[160];

	if (machine->module.loaded)
		line("kernel module", "%s",
		     kernel_module_describe(text, sizeof(text)));
	else if (machine->module_obstacle)
		line("kernel module", "not loaded; it is no remedy here: %s",
		     machine->module_obstacle);
	else
		line("kernel module", "not loaded; this kernel can take it");
}

static void print_load(const struct machine *machine)
{
	char a[24], b[24];

	if (machine_is_busy(machine))
		line("load",
		     "busy: of %s the measurement waited %s for a CPU; repeat"
		     " it when the machine is quiet",
		     duration(machine->measured_ns, a),
		     duration(machine->waited_ns, b));
}

static void print_machine(const struct machine *machine)
{
	puts("This machine");
	line("kernel", "Linux %s, HZ=%u%s%s", machine->release, machine->hz,
	     machine->realtime ? ", PREEMPT_RT" : "",
	     machine->rcu_normal ? ", rcu_normal" : "");
	print_costs(&machine->costs);
	print_load(machine);
	print_module(machine);
}

static void print_descriptors(const struct command *command)
{
	if (!command->fds_needed) {
		line("descriptors", "limit %" PRIu64, command->fd_limit);
		return;
	}
	line("descriptors",
	     "about %" PRIu64 " for %u queues, limit %" PRIu64 "%s",
	     command->fds_needed, command->vmm.queues, command->fd_limit,
	     command->fds_needed > command->fd_limit / 4 * 3 ?
		     ": raise it (ulimit -n)" :
		     "");
}

static void print_sandbox(const struct command *command)
{
	if (command->vmm.sandbox)
		line("sandbox", "%s", command->vmm.sandbox);
	if (command->filtered)
		line("sandbox", "a seccomp filter that the command inherits");
}

static void print_command(const struct command *command)
{
	putchar('\n');
	cli_line(stdout, "%s", command->argv[0]);
	if (command->is_script)
		line("script", "its interpreter is %s", command->first.path);
	line("program", "%s, %s", command->program.path,
	     linkage_texts[command->program.linkage]);
	line("VMM", "%s%s", command->vmm.name ? command->vmm.name : "unknown",
	     command->vmm.without_kvm ? ", without KVM" : "");
	if (command->vmm.name && !command->vmm.is_manager)
		line("irqchip", "%s", irqchip_texts[command->vmm.irqchip]);
	if (*command->preloads)
		line("preloaded", "%s", command->preloads);
	print_descriptors(command);
	print_sandbox(command);
}

static void print_remedy(const struct remedy *remedy, size_t number)
{
	char text[24];

	cli_line(stdout, "  %zu. %s", number, remedy->action);
	if (remedy->obstacle)
		cli_line(stdout, "     not here: %s", remedy->obstacle);
	else
		printf("     saves %s %s\n", duration(remedy->saves, text),
		       remedy->effect);
}

void diagnosis_print(const struct diagnosis *diagnosis)
{
	print_machine(&diagnosis->machine);
	if (diagnosis->command)
		print_command(diagnosis->command);
	printf("\nResult: %s\n", diagnosis->verdict);
	for (size_t i = 0; i < diagnosis->nr_remedies; i++)
		print_remedy(&diagnosis->remedies[i], i + 1);
}

static struct json_object *costs_json(const struct costs *costs)
{
	struct json_object *json = json_new();

	json_set_us(json, "registration_us", costs->registration);
	json_set_us(json, "change_us", costs->change);
	json_set_us(json, "change_after_registration_us", costs->after);
	if (costs->irqchip)
		json_set_us(json, "change_after_irqchip_us", costs->irqchip);
	json_set_us(json, "belfry_registration_us", costs->belfry_registration);
	json_set_us(json, "belfry_change_after_registration_us",
		    costs->belfry_after);
	return json;
}

/* A text, or null. */
static void set_optional(struct json_object *json, const char *key,
			 const char *text)
{
	if (text)
		json_set_text(json, key, text);
	else
		json_set(json, key, NULL);
}

static struct json_object *machine_json(const struct machine *machine)
{
	struct json_object *json = json_new();

	json_set_text(json, "release", machine->release);
	json_set_count(json, "hz", machine->hz);
	json_set_bool(json, "realtime", machine->realtime);
	json_set_bool(json, "rcu_normal", machine->rcu_normal);
	json_set_text(json, "problem", problems[machine->problem]);
	json_set(json, "costs", costs_json(&machine->costs));
	json_set_bool(json, "busy", machine_is_busy(machine));
	json_set(json, "module", kernel_module_json(&machine->module));
	set_optional(json, "module_obstacle", machine->module_obstacle);
	set_optional(json, "module_need", machine->module_need);
	return json;
}

static struct json_object *command_json(const struct command *command)
{
	struct json_object *json = json_new();

	json_set_text(json, "program", command->program.path);
	json_set_text(json, "linkage", linkages[command->program.linkage]);
	json_set_bool(json, "script", command->is_script);
	set_optional(json, "vmm", command->vmm.name);
	json_set_bool(json, "kvm", !command->vmm.without_kvm);
	json_set_text(json, "irqchip", irqchips[command->vmm.irqchip]);
	json_set_text(json, "preloads", command->preloads);
	json_set_bool(json, "has_belfry", command->has_belfry);
	set_optional(json, "sandbox", command->vmm.sandbox);
	json_set_bool(json, "filtered", command->filtered);
	json_set_count(json, "queues", command->vmm.queues);
	json_set_count(json, "descriptors", command->fds_needed);
	json_set_count(json, "descriptor_limit", command->fd_limit);
	set_optional(json, "run_obstacle", command->run_obstacle);
	return json;
}

static struct json_object *remedy_json(const struct remedy *remedy)
{
	struct json_object *json = json_new();

	json_set_text(json, "remedy", remedy->name);
	json_set_text(json, "action", remedy->action);
	json_set_text(json, "effect", remedy->effect);
	json_set_us(json, "saves_us", remedy->saves);
	set_optional(json, "obstacle", remedy->obstacle);
	return json;
}

static struct json_object *remedies_json(const struct diagnosis *diagnosis)
{
	struct json_object *json = json_new_array();

	for (size_t i = 0; i < diagnosis->nr_remedies; i++)
		json_push(json, remedy_json(&diagnosis->remedies[i]));
	return json;
}

void diagnosis_print_json(const struct diagnosis *diagnosis)
{
	struct json_object *json = json_new();

	json_set(json, "machine", machine_json(&diagnosis->machine));
	json_set(json, "command",
		 diagnosis->command ? command_json(diagnosis->command) : NULL);
	json_set_bool(json, "gain", diagnosis->gain);
	json_set_text(json, "result", diagnosis->verdict);
	json_set(json, "remedies", remedies_json(diagnosis));
	json_print(json, stdout);
}
