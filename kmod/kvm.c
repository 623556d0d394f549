// SPDX-License-Identifier: GPL-2.0
/*
 * Find the callback by which KVM frees the old table of a bus.
 *
 * A registration is a call_srcu() with that callback. The function is static
 * in KVM, so the module looks it up by name when it loads and whenever kvm.ko
 * comes, and forgets the address when kvm.ko goes.
 */
#include "belfry.h"

#include <linux/container_of.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/string.h>

#ifndef CONFIG_KPROBES
#error "belfry.ko needs CONFIG_KPROBES to find KVM's callback"
#endif

#if IS_BUILTIN(CONFIG_KVM)
#define KVM_SYMBOL(name) name
#else
#define KVM_SYMBOL(name) "kvm:" name
#endif

#define FREE_BUS     KVM_SYMBOL("__free_bus")
#define REGISTER_DEV KVM_SYMBOL("kvm_io_bus_register_dev")

unsigned long belfry_free_bus;

static bool kvm_present;

/*
 * The address of a function, or 0. A probe that is disabled is never armed;
 * registering it only resolves the name. The kernel may place it behind the
 * landing pad at the entry, so subtract the offset that kallsyms reports.
 */
static unsigned long function_address(const char *symbol)
{
	struct kprobe probe = {
		.symbol_name = symbol,
		.flags = KPROBE_FLAG_DISABLED,
	};
	char text[KSYM_SYMBOL_LEN];
	unsigned long offset = 0;
	const char *plus;

	if (register_kprobe(&probe))
		return 0;
	sprint_symbol(text, (unsigned long)probe.addr);
	unregister_kprobe(&probe);
	plus = strchr(text, '+');
	if (plus && sscanf(plus, "+%lx/", &offset) != 1)
		return 0;
	return (unsigned long)probe.addr - offset;
}

/* A kernel that expedites the registrations itself. */
bool belfry_kernel_expedites(void)
{
	return function_address("call_srcu_expedited");
}

static void look_up_kvm(void)
{
	unsigned long address = function_address(FREE_BUS);

	WRITE_ONCE(kvm_present, address || function_address(REGISTER_DEV));
	WRITE_ONCE(belfry_free_bus, address);
	if (kvm_present && !address)
		pr_info("not needed: KVM's registrations do not use call_srcu() with __free_bus()\n");
}

static void forget_kvm(void)
{
	WRITE_ONCE(belfry_free_bus, 0);
	WRITE_ONCE(kvm_present, false);
}

static int module_changed(struct notifier_block *nb, unsigned long state,
			  void *data)
{
	const struct module *mod = data;

	if (strcmp(mod->name, "kvm"))
		return NOTIFY_DONE;
	if (state == MODULE_STATE_COMING)
		look_up_kvm();
	else if (state == MODULE_STATE_GOING)
		forget_kvm();
	return NOTIFY_OK;
}

static struct notifier_block module_notifier = {
	.notifier_call = module_changed,
};

/*
 * The notifier comes first, so that kvm.ko cannot come unseen between the
 * lookup and the notifier. A kvm.ko that goes meanwhile is forgotten after
 * the lookup or not found by it.
 */
int belfry_kvm_init(void)
{
	int error = register_module_notifier(&module_notifier);

	if (!error)
		look_up_kvm();
	return error;
}

void belfry_kvm_exit(void)
{
	unregister_module_notifier(&module_notifier);
}

const struct srcu_struct *
belfry_kvm_devices_of(const struct srcu_struct *irq_srcu)
{
	return &container_of(irq_srcu, struct kvm, irq_srcu)->srcu;
}

const char *belfry_kvm_state(void)
{
	if (READ_ONCE(belfry_free_bus))
		return "active";
	return READ_ONCE(kvm_present) ? "not needed" : "waiting for kvm";
}
