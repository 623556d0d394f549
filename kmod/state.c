// SPDX-License-Identifier: GPL-2.0
/*
 * The accesses to the state of an SRCU domain.
 *
 * All decisions read and write the sequence numbers under the update-side
 * lock of the domain, as SRCU's own updaters do. The handlers never queue
 * work from call_srcu(), which may run under a runqueue lock.
 */
#include "belfry.h"

#include <linux/build_bug.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#define CREATE_TRACE_POINTS
#include "trace.h"

#ifndef CONFIG_TREE_SRCU
#error "belfry.ko needs Tree SRCU (CONFIG_TREE_SRCU): Tiny SRCU has no timers"
#endif

/*
 * The lock is a raw spinlock since 7.0 and a spinlock before. The compiler
 * selects by type, because distributions backport that change.
 */
#define SUP_LOCK_IS(type) __same_type(((struct srcu_usage *)0)->lock, type)

static_assert(SUP_LOCK_IS(raw_spinlock_t) || SUP_LOCK_IS(spinlock_t),
	      "belfry.ko does not know the type of SRCU's update-side lock");
static_assert(!IS_ENABLED(CONFIG_PREEMPT_RT) || SUP_LOCK_IS(raw_spinlock_t),
	      "belfry.ko needs SRCU's raw update-side lock on PREEMPT_RT");

/* The workqueue of all grace periods; SRCU does not export it. */
static struct workqueue_struct *gp_workqueue;

static unsigned long sup_lock(struct srcu_usage *sup) __acquires(&sup->lock)
{
	void *lock = &ACCESS_PRIVATE(sup, lock);
	unsigned long flags;

	if (SUP_LOCK_IS(raw_spinlock_t))
		raw_spin_lock_irqsave((raw_spinlock_t *)lock, flags);
	else
		spin_lock_irqsave((spinlock_t *)lock, flags);
	return flags;
}

static void sup_unlock(struct srcu_usage *sup, unsigned long flags)
	__releases(&sup->lock)
{
	void *lock = &ACCESS_PRIVATE(sup, lock);

	if (SUP_LOCK_IS(raw_spinlock_t))
		raw_spin_unlock_irqrestore((raw_spinlock_t *)lock, flags);
	else
		spin_unlock_irqrestore((spinlock_t *)lock, flags);
}

/* Microseconds until a pending timer expires. */
static unsigned int timer_left_us(const struct timer_list *timer)
{
	long left = (long)(READ_ONCE(timer->expires) - jiffies);

	return left > 0 ? jiffies_to_usecs(left) : 0;
}

/*
 * Caller holds the lock of sup, so srcu_gp_seq cannot advance. The probed call
 * reads srcu_gp_seq after this and cannot ask for less.
 */
static unsigned long grace_period_to_ask_for(struct srcu_struct *ssp)
{
	return get_state_synchronize_srcu(ssp);
}

void belfry_mark(struct srcu_struct *ssp)
{
	struct srcu_usage *sup = ssp->srcu_sup;
	unsigned long flags, want;
	bool raised;

	flags = sup_lock(sup);
	want = grace_period_to_ask_for(ssp);
	raised = ULONG_CMP_LT(sup->srcu_gp_seq_needed_exp, want);
	if (raised)
		WRITE_ONCE(sup->srcu_gp_seq_needed_exp, want);
	sup_unlock(sup, flags);

	if (raised) {
		belfry_count(BELFRY_MARKED);
		trace_belfry_expedite(ssp, BELFRY_TRACE_MARK, 0);
	}
}

/*
 * Raise srcu_gp_seq_needed_exp to srcu_gp_seq_needed. Return true if SRCU may
 * have put its work to sleep before that. An unused domain has
 * srcu_gp_seq_needed behind srcu_gp_seq, so nothing is raised.
 */
static bool expedite_needed(struct srcu_usage *sup)
{
	unsigned long needed, needed_exp, flags, seq;

	flags = sup_lock(sup);
	seq = sup->srcu_gp_seq;
	needed = sup->srcu_gp_seq_needed;
	needed_exp = sup->srcu_gp_seq_needed_exp;
	if (ULONG_CMP_LT(seq, needed) && ULONG_CMP_LT(needed_exp, needed))
		WRITE_ONCE(sup->srcu_gp_seq_needed_exp, needed);
	sup_unlock(sup, flags);

	return ULONG_CMP_LT(seq, needed) && ULONG_CMP_GE(seq, needed_exp);
}

/*
 * Run the grace-period work now. The work is queued even when no timer is
 * pending: SRCU may have read its delay before expedite_needed() and start
 * the timer after it, and work that is already queued keeps that timer from
 * starting. A run too many finds nothing to do. The lock of sup is not held,
 * because workqueue locks nest outside of it.
 */
void belfry_promote(struct srcu_struct *ssp)
{
	struct srcu_usage *sup = ssp->srcu_sup;
	unsigned int spared_us = 0;
	bool sleeps;

	if (!sup || !expedite_needed(sup))
		return;

	sleeps = timer_pending(&sup->work.timer);
	if (sleeps)
		spared_us = timer_left_us(&sup->work.timer);
	if (mod_delayed_work(gp_workqueue, &sup->work, 0) && sleeps)
		belfry_count(BELFRY_TIMERS_CUT);
	belfry_count(BELFRY_PROMOTED);
	trace_belfry_expedite(ssp, BELFRY_TRACE_PROMOTE, spared_us);
}

/*
 * A grace period that ended without being expedited starts its callbacks by
 * a timer on each CPU. Deleting a pending timer hands the duty to queue that
 * CPU's work over to the caller.
 */
void belfry_start_callbacks(struct srcu_struct *ssp)
{
	int cpu;

	if (!ssp->sda)
		return;
	for_each_possible_cpu(cpu) {
		struct srcu_data *sdp = per_cpu_ptr(ssp->sda, cpu);
		unsigned int left_us;

		if (!timer_pending(&sdp->delay_work))
			continue;
		left_us = timer_left_us(&sdp->delay_work);
		if (!timer_delete(&sdp->delay_work))
			continue;
		queue_work_on(sdp->cpu, gp_workqueue, &sdp->work);
		belfry_count(BELFRY_CALLBACKS);
		trace_belfry_expedite(ssp, BELFRY_TRACE_CALLBACKS, left_us);
	}
}

void belfry_check_domain(struct srcu_struct *ssp)
{
#ifdef BELFRY_DEBUG
	struct srcu_usage *sup = ssp->srcu_sup;
	unsigned long flags;
	bool beyond;

	flags = sup_lock(sup);
	beyond = ULONG_CMP_LT(sup->srcu_gp_seq_needed,
			      sup->srcu_gp_seq_needed_exp);
	sup_unlock(sup, flags);
	if (beyond)
		belfry_count(BELFRY_VIOLATIONS);
	WARN_ONCE(beyond, "belfry: expedited beyond what was asked for\n");
#endif
}

static void learning_callback(struct rcu_head *head)
{
}

/*
 * The first grace period of a domain is not expedited, so its work waits for
 * a timer, and delayed work that waits notes its workqueue.
 */
int belfry_learn_workqueue(void)
{
	struct srcu_struct domain;
	struct rcu_head head;
	int error;

	error = init_srcu_struct(&domain);
	if (error)
		return error;
	init_rcu_head_on_stack(&head);
	call_srcu(&domain, &head, learning_callback);
	srcu_barrier(&domain);
	destroy_rcu_head_on_stack(&head);
	gp_workqueue = domain.srcu_sup->work.wq;
	cleanup_srcu_struct(&domain);
	return gp_workqueue ? 0 : -EOPNOTSUPP;
}
