// SPDX-License-Identifier: MIT
/* The remedies for this machine and this command, the best first. */
#include <stdlib.h>
#include <string.h>

#include "tools/belfry/common/xalloc.h"
#include "tools/belfry/doctor/internal.h"

static struct remedy *add_remedy(struct diagnosis *diagnosis, const char *name,
				 const char *obstacle, uint64_t saves)
{
	struct remedy *remedy = &diagnosis->remedies[diagnosis->nr_remedies++];

	*remedy = (struct remedy){
		.name = name, .obstacle = obstacle, .saves = saves};
	return remedy;
}

static uint64_t difference(uint64_t more, uint64_t less)
{
	return more > less ? more - less : 0;
}

static uint64_t belfry_saves(const struct machine *machine)
{
	const struct costs *costs = &machine->costs;

	if (machine->problem == PROBLEM_WAIT)
		return difference(costs->registration,
				  costs->belfry_registration);
	return difference(costs->after, costs->belfry_after);
}

static char *load_action(const struct machine *machine)
{
	const char *load = machine->module_installed ?
				   "modprobe belfry" :
				   "make -C kmod && insmod kmod/belfry.ko";

	if (machine->module.loaded && !machine->module.enabled)
		return xstrdup("echo Y >/sys/module/belfry/parameters/enabled");
	if (machine->module_need)
		return xasprintf("%s (%s)", load, machine->module_need);
	return xstrdup(load);
}

/* A loaded module that stays idle has its reason. */
static const char *module_obstacle(const struct machine *machine)
{
	if (!machine->module.loaded)
		return machine->module_obstacle;
	if (strcmp(machine->module.state, "active"))
		return machine->module.state;
	if (!machine->module.enabled)
		return NULL;
	return "it is on, but a call still waits: see Limits in doc/kernel.md";
}

static void add_module(struct diagnosis *diagnosis)
{
	const struct machine *machine = &diagnosis->machine;
	struct remedy *remedy;

	if (machine->problem != PROBLEM_STALL)
		return;
	remedy = add_remedy(diagnosis, "module", module_obstacle(machine),
			    difference(machine->costs.after,
				       machine->costs.change));
	remedy->action = load_action(machine);
	remedy->effect =
		xstrdup("for each change right after a registration, "
			"an irqchip or a PIT, of every VM of the host");
}

/* The words after "belfry run -- ". */
static char *join_words(char *const *words)
{
	char *text = xstrdup("belfry run --"), *longer;

	for (; *words; words++) {
		longer = xasprintf("%s %s", text, *words);
		free(text);
		text = longer;
	}
	return text;
}

static bool has_kernel_irqchip(const struct command *command)
{
	return command && command->vmm.irqchip == IRQCHIP_KERNEL;
}

static char *run_effect(const struct diagnosis *diagnosis)
{
	if (diagnosis->machine.problem == PROBLEM_WAIT)
		return xstrdup("for each registration");
	if (has_kernel_irqchip(diagnosis->command))
		return xstrdup("for each change right after a doorbell or a "
			       "zone; the change after the irqchip still "
			       "waits");
	return xstrdup("for each change right after a doorbell or a zone");
}

static void add_run(struct diagnosis *diagnosis)
{
	const struct command *command = diagnosis->command;
	static char name[] = "COMMAND", *any[] = {name, NULL};
	struct remedy *remedy = add_remedy(
		diagnosis, "run", command ? command->run_obstacle : NULL,
		belfry_saves(&diagnosis->machine));

	remedy->action = join_words(command ? command->argv : any);
	remedy->effect = run_effect(diagnosis);
}

/* Slots before the irqchip do not wait; a split irqchip leaves nothing. */
static void add_irqchip(struct diagnosis *diagnosis)
{
	const struct costs *costs = &diagnosis->machine.costs;
	struct remedy *remedy;

	if (!irqchip_can_split || !has_kernel_irqchip(diagnosis->command) ||
	    !diagnosis->command->vmm.is_qemu ||
	    diagnosis->machine.problem != PROBLEM_STALL)
		return;
	remedy = add_remedy(diagnosis, "split irqchip", NULL,
			    difference(costs->irqchip, costs->change));
	remedy->action = xstrdup("-machine kernel-irqchip=split");
	remedy->effect = xstrdup("once, at the start; the PIC, the IOAPIC and "
				 "the PIT move to QEMU, which costs guests "
				 "that use them");
}

static void add_library(struct diagnosis *diagnosis)
{
	const struct machine *machine = &diagnosis->machine;
	struct remedy *remedy =
		add_remedy(diagnosis, "library", NULL, belfry_saves(machine));

	remedy->action = xasprintf(
		"for the VMM's author: link belfry (belfry/front.h)%s",
		has_kernel_irqchip(diagnosis->command) ?
			", and add memory slots before the irqchip" :
			"");
	remedy->effect = run_effect(diagnosis);
}

/* Return the reason why there is nothing to gain, or NULL. */
static const char *nothing_to_gain(const struct diagnosis *diagnosis)
{
	const struct machine *machine = &diagnosis->machine;
	const struct command *command = diagnosis->command;

	if (command && command->has_belfry)
		return "nothing to gain: LD_PRELOAD has belfry already";
	if (command && command->vmm.without_kvm)
		return "nothing to gain: the command line selects no KVM";
	if (machine->problem != PROBLEM_NONE)
		return NULL;
	if (machine->rcu_normal)
		return "nothing to gain: each change of a VM waits, because "
		       "/sys/kernel/rcu_normal is 1";
	if (kernel_module_acts(&machine->module))
		return "nothing to gain: the kernel module ends the stall";
	return "nothing to gain: no call waits on this machine";
}

/* The remedies that can be used come first; each part keeps its order. */
static void sort_remedies(struct diagnosis *diagnosis)
{
	struct remedy sorted[MAX_REMEDIES];
	size_t n = 0;

	for (int part = 0; part < 2; part++)
		for (size_t i = 0; i < diagnosis->nr_remedies; i++)
			if (!!diagnosis->remedies[i].obstacle == part)
				sorted[n++] = diagnosis->remedies[i];
	memcpy(diagnosis->remedies, sorted, n * sizeof(*sorted));
}

void diagnosis_conclude(struct diagnosis *diagnosis)
{
	diagnosis->verdict = nothing_to_gain(diagnosis);
	diagnosis->gain = !diagnosis->verdict;
	if (!diagnosis->gain)
		return;
	diagnosis->verdict = diagnosis->machine.problem == PROBLEM_STALL ?
				     "changes of a VM stall" :
				     "registrations wait";
	add_module(diagnosis);
	add_run(diagnosis);
	add_irqchip(diagnosis);
	add_library(diagnosis);
	sort_remedies(diagnosis);
}

void diagnosis_free(struct diagnosis *diagnosis)
{
	for (size_t i = 0; i < diagnosis->nr_remedies; i++) {
		free(diagnosis->remedies[i].action);
		free(diagnosis->remedies[i].effect);
	}
	if (diagnosis->command)
		command_free(diagnosis->command);
}
