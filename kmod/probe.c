// SPDX-License-Identifier: GPL-2.0
/*
 * Attach to four exported functions of SRCU: by fprobe, or by kprobe in a
 * kernel without fprobe. Handlers run with preemption disabled.
 */
#include "belfry.h"

#include <linux/array_size.h>
#include <linux/fprobe.h>
#include <linux/kprobes.h>
#include <linux/ptrace.h>
#include <linux/rcupdate.h>

static const char *const functions[] = {
	"call_srcu",
	"synchronize_srcu",
	"synchronize_srcu_expedited",
	"srcu_barrier",
};

enum { ON_CALL, ON_NORMAL, ON_EXPEDITED, ON_BARRIER, PROBES };

static_assert(ARRAY_SIZE(functions) == PROBES);

#if defined(CONFIG_FPROBE) && !defined(BELFRY_KPROBE)

static int entered_call(struct fprobe *probe, unsigned long ip,
			unsigned long return_ip, struct ftrace_regs *regs,
			void *data)
{
	belfry_on_call((void *)ftrace_regs_get_argument(regs, 0),
		       ftrace_regs_get_argument(regs, 2));
	return 0;
}

static int entered_normal(struct fprobe *probe, unsigned long ip,
			  unsigned long return_ip, struct ftrace_regs *regs,
			  void *data)
{
	belfry_on_normal((void *)ftrace_regs_get_argument(regs, 0));
	return 0;
}

static int entered_expedited(struct fprobe *probe, unsigned long ip,
			     unsigned long return_ip, struct ftrace_regs *regs,
			     void *data)
{
	belfry_on_expedited((void *)ftrace_regs_get_argument(regs, 0));
	return 0;
}

static int entered_barrier(struct fprobe *probe, unsigned long ip,
			   unsigned long return_ip, struct ftrace_regs *regs,
			   void *data)
{
	belfry_on_barrier((void *)ftrace_regs_get_argument(regs, 0));
	return 0;
}

static struct fprobe probes[PROBES] = {
	[ON_CALL] = {.entry_handler = entered_call},
	[ON_NORMAL] = {.entry_handler = entered_normal},
	[ON_EXPEDITED] = {.entry_handler = entered_expedited},
	[ON_BARRIER] = {.entry_handler = entered_barrier},
};

static int probe_register(int i)
{
	const char *name = functions[i];

	return register_fprobe_syms(&probes[i], &name, 1);
}

static void probe_unregister(int i)
{
	unregister_fprobe(&probes[i]);
}

#else

static int entered_call(struct kprobe *probe, struct pt_regs *regs)
{
	belfry_on_call((void *)regs_get_kernel_argument(regs, 0),
		       regs_get_kernel_argument(regs, 2));
	return 0;
}

static int entered_normal(struct kprobe *probe, struct pt_regs *regs)
{
	belfry_on_normal((void *)regs_get_kernel_argument(regs, 0));
	return 0;
}

static int entered_expedited(struct kprobe *probe, struct pt_regs *regs)
{
	belfry_on_expedited((void *)regs_get_kernel_argument(regs, 0));
	return 0;
}

static int entered_barrier(struct kprobe *probe, struct pt_regs *regs)
{
	belfry_on_barrier((void *)regs_get_kernel_argument(regs, 0));
	return 0;
}

static struct kprobe probes[PROBES] = {
	[ON_CALL] = {.pre_handler = entered_call},
	[ON_NORMAL] = {.pre_handler = entered_normal},
	[ON_EXPEDITED] = {.pre_handler = entered_expedited},
	[ON_BARRIER] = {.pre_handler = entered_barrier},
};

static int probe_register(int i)
{
	probes[i].symbol_name = functions[i];
	return register_kprobe(&probes[i]);
}

static void probe_unregister(int i)
{
	unregister_kprobe(&probes[i]);
}

#endif

static void unregister_first(int count)
{
	while (count--)
		probe_unregister(count);
	/* unregister_fprobe() of 6.18 does not wait for running handlers. */
	synchronize_rcu();
}

int belfry_probe_init(void)
{
	int i, error;

	for (i = 0; i < PROBES; i++) {
		error = probe_register(i);
		if (error) {
			pr_err("cannot attach to %s(): error %d\n",
			       functions[i], error);
			unregister_first(i);
			return error;
		}
	}
	return 0;
}

void belfry_probe_exit(void)
{
	unregister_first(PROBES);
}

unsigned long belfry_probe_missed(void)
{
	unsigned long missed = 0;
	int i;

	for (i = 0; i < PROBES; i++)
		missed += READ_ONCE(probes[i].nmissed);
	return missed;
}
