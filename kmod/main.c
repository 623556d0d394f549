// SPDX-License-Identifier: GPL-2.0
/* Parameters, the decisions of the probes, loading and unloading. */
#include "belfry.h"

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

enum { METHOD_MARK, METHOD_PROMOTE };
enum { ACT_ON_KVM, ACT_ON_ALL };

static const char *const method_names[] = {"mark", "promote"};
static const char *const scope_names[] = {"kvm", "all"};

/* A parameter with a value out of a list of names. */
struct choice {
	const char *const *names;
	int count;
	int value;
};

static struct choice method = {
	.names = method_names,
	.count = ARRAY_SIZE(method_names),
	.value = METHOD_PROMOTE,
};

static struct choice scope = {
	.names = scope_names,
	.count = ARRAY_SIZE(scope_names),
	.value = ACT_ON_KVM,
};

static int choice_set(const char *text, const struct kernel_param *param)
{
	struct choice *choice = param->arg;
	int value = __sysfs_match_string(choice->names, choice->count, text);

	if (value < 0)
		return value;
	WRITE_ONCE(choice->value, value);
	return 0;
}

static int choice_get(char *buffer, const struct kernel_param *param)
{
	const struct choice *choice = param->arg;

	return sysfs_emit(buffer, "%s\n",
			  choice->names[READ_ONCE(choice->value)]);
}

static const struct kernel_param_ops choice_ops = {
	.set = choice_set,
	.get = choice_get,
};

module_param_cb(method, &choice_ops, &method, 0644);
MODULE_PARM_DESC(
	method,
	"mark: expedite the grace period of a registration from the start; promote: expedite it when an expedited request or a barrier waits for it (default)");

module_param_cb(scope, &choice_ops, &scope, 0644);
MODULE_PARM_DESC(
	scope,
	"kvm: domains on which KVM registers devices (default); all: each SRCU domain (method=promote only)");

static bool enabled = true;
module_param(enabled, bool, 0644);
MODULE_PARM_DESC(enabled, "act at all (default: y)");

static bool needed = true;

static const char *state_name(void)
{
	if (!needed)
		return "not needed";
	if (READ_ONCE(belfry_free_bus) && rcu_gp_is_normal())
		return "idle while rcu_normal is 1";
	return belfry_kvm_state();
}

static int state_get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%s\n", state_name());
}

static const struct kernel_param_ops state_ops = {
	.get = state_get,
};

module_param_cb(state, &state_ops, NULL, 0444);
MODULE_PARM_DESC(
	state,
	"active, waiting for kvm, idle while rcu_normal is 1, or not needed (read only)");

static bool acts(void)
{
	return READ_ONCE(enabled) && !rcu_gp_is_normal();
}

static bool method_is(int value)
{
	return acts() && READ_ONCE(method.value) == value;
}

void belfry_on_call(struct srcu_struct *ssp, unsigned long func)
{
	if (!func || func != READ_ONCE(belfry_free_bus) || !READ_ONCE(enabled))
		return;
	belfry_count(BELFRY_REGISTRATIONS);
	belfry_domain_add(ssp);
	if (method_is(METHOD_MARK))
		belfry_mark(ssp);
}

/*
 * KVM ends the PIT's notifiers by normal grace periods, one after the other. A
 * caller of synchronize_srcu() always waits, so the grace period that it asks
 * for is expedited with both methods.
 */
void belfry_on_normal(struct srcu_struct *ssp)
{
	if (acts() && belfry_domain_has(belfry_kvm_devices_of(ssp)))
		belfry_mark(ssp);
}

static bool in_scope(const struct srcu_struct *ssp)
{
	return READ_ONCE(scope.value) == ACT_ON_ALL || belfry_domain_has(ssp);
}

void belfry_on_expedited(struct srcu_struct *ssp)
{
	if (method_is(METHOD_PROMOTE) && in_scope(ssp))
		belfry_promote(ssp);
}

/*
 * KVM calls srcu_barrier() on the domain of its registrations only at the
 * end of a VM, when no registration can be in progress.
 */
void belfry_on_barrier(struct srcu_struct *ssp)
{
	if (method_is(METHOD_PROMOTE) && in_scope(ssp)) {
		belfry_promote(ssp);
		belfry_start_callbacks(ssp);
	}
	if (belfry_domain_has(ssp)) {
		belfry_check_domain(ssp);
		belfry_domain_remove(ssp);
	}
}

static int __init belfry_init(void)
{
	int error;

	if (belfry_kernel_expedites()) {
		pr_info("not needed: this kernel has call_srcu_expedited()\n");
		needed = false;
		return 0;
	}
	error = belfry_learn_workqueue();
	if (error) {
		pr_err("cannot find the workqueue of SRCU: error %d\n", error);
		return error;
	}
	error = belfry_counters_init();
	if (error)
		return error;
	error = belfry_kvm_init();
	if (error)
		goto exit_counters;
	error = belfry_probe_init();
	if (error)
		goto exit_kvm;
	return 0;

exit_kvm:
	belfry_kvm_exit();
exit_counters:
	belfry_counters_exit();
	return error;
}

static void __exit belfry_exit(void)
{
	if (!needed)
		return;
	belfry_probe_exit();
	belfry_kvm_exit();
	belfry_counters_exit();
}

module_init(belfry_init);
module_exit(belfry_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The belfry authors");
MODULE_DESCRIPTION("Ends the stall behind device registrations of KVM");
MODULE_VERSION("0.2");
