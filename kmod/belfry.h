/* SPDX-License-Identifier: GPL-2.0 */
/*
 * belfry.ko ends the stall behind a device registration of KVM.
 *
 * Since Linux 6.18 a registration on a KVM bus does not wait for readers: it
 * hands the old table to call_srcu(). That request is not expedited, so the
 * grace period sleeps on timers of one jiffy and more. The next memslot
 * change, deassign or close(vm) asks for an expedited grace period, and
 * waits for those timers all the same.
 *
 * The module raises srcu_gp_seq_needed_exp, the sequence number up to which
 * SRCU expedites grace periods, by one of two methods:
 *
 * mark     on entry of call_srcu() by a registration, raise it to the grace
 *          period that this call is about to ask for.
 * promote  on entry of synchronize_srcu_expedited() and srcu_barrier(), raise
 *          it to the furthest grace period that was asked for, and run now
 *          the work that waits for a timer.
 *
 * With both methods it does at synchronize_srcu() what mark does, where KVM
 * ends the notifiers of a VM's interrupts (the PIT has two).
 *
 * Invariant: srcu_gp_seq_needed_exp never exceeds the furthest grace period
 * that was asked for, or that the probed call is about to ask for. A number
 * beyond it would leave an idle domain expedited: cleanup_srcu_struct() would
 * warn, and leak the domain. Build with BELFRY_DEBUG=y to check the invariant
 * at run time.
 *
 * While rcu_normal is 1, SRCU treats expedited requests as normal ones, and
 * the module does nothing. PREEMPT_RT sets rcu_normal after the boot.
 */
#ifndef BELFRY_H
#define BELFRY_H

#include <linux/types.h>

struct kobject;
struct srcu_struct;
struct workqueue_struct;

#ifdef pr_fmt
#undef pr_fmt
#endif
#define pr_fmt(fmt) "belfry: " fmt

/* The kernel exports it, but no public header declares it. */
bool rcu_gp_is_normal(void);

/* state.c: each access to the state of an SRCU domain. */

/**
 * belfry_mark() - expedite the grace period that a call will ask for
 * @ssp: domain of the call_srcu() or synchronize_srcu() that is about to run
 *
 * Context: entry of that function; any context that may call call_srcu().
 */
void belfry_mark(struct srcu_struct *ssp);

/**
 * belfry_promote() - expedite all grace periods that were asked for
 * @ssp: domain of an expedited request or a barrier that is about to run
 *
 * Context: preemption disabled, interrupts enabled or disabled.
 */
void belfry_promote(struct srcu_struct *ssp);

/**
 * belfry_start_callbacks() - start the callbacks that wait for a timer
 * @ssp: domain of a srcu_barrier() that is about to run
 *
 * Context: preemption disabled, interrupts enabled or disabled.
 */
void belfry_start_callbacks(struct srcu_struct *ssp);

/**
 * belfry_check_domain() - warn once if the invariant does not hold
 * @ssp: a domain without a call_srcu() in progress
 *
 * Does nothing without BELFRY_DEBUG.
 */
void belfry_check_domain(struct srcu_struct *ssp);

int belfry_learn_workqueue(void);

/* domains.c: the domains on which KVM registers devices. */
void belfry_domain_add(const struct srcu_struct *ssp);
bool belfry_domain_has(const struct srcu_struct *ssp);
void belfry_domain_remove(const struct srcu_struct *ssp);

/* kvm.c: the callback by which KVM frees the old table of a bus. */
extern unsigned long belfry_free_bus;

bool belfry_kernel_expedites(void);
int belfry_kvm_init(void);
void belfry_kvm_exit(void);
const char *belfry_kvm_state(void);

/**
 * belfry_kvm_devices_of() - the domain on which a VM registers devices
 * @irq_srcu: the domain of that VM's interrupt notifiers, or any other domain
 *
 * Return: &kvm->srcu where @irq_srcu is &kvm->irq_srcu; else an address to
 * compare, never to follow.
 */
const struct srcu_struct *
belfry_kvm_devices_of(const struct srcu_struct *irq_srcu);

/* probe.c: attaches to SRCU's exported functions. */
int belfry_probe_init(void);
void belfry_probe_exit(void);
unsigned long belfry_probe_missed(void);

/* main.c: the decisions; called by the probes with preemption disabled. */
void belfry_on_call(struct srcu_struct *ssp, unsigned long func);
void belfry_on_normal(struct srcu_struct *ssp);
void belfry_on_expedited(struct srcu_struct *ssp);
void belfry_on_barrier(struct srcu_struct *ssp);

/* counters.c */
enum belfry_counter {
	BELFRY_REGISTRATIONS, /* call_srcu() by a registration */
	BELFRY_MARKED,	      /* grace periods expedited before their start */
	BELFRY_PROMOTED,      /* grace periods that became expedited later */
	BELFRY_TIMERS_CUT,    /* of these, a timer was pending */
	BELFRY_CALLBACKS,     /* callback lists started before their timer */
	BELFRY_VIOLATIONS,    /* the invariant did not hold (BELFRY_DEBUG) */
	BELFRY_COUNTERS
};

void belfry_count(enum belfry_counter counter);
int belfry_counters_init(void);
void belfry_counters_exit(void);

#endif /* BELFRY_H */
