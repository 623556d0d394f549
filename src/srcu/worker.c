// SPDX-License-Identifier: MIT
/*
 * What the worker does: a round visits each domain on its list.  A domain is
 * on the list exactly while ssp->queued is not 0; the worker alone takes it
 * off, under the domain's lock.
 */
#include <pthread.h>

#include "srcu/callback.h"
#include "srcu/domain.h"
#include "srcu/heavy.h"
#include "srcu/stall.h"
#include "srcu/wait.h"
#include "srcu/worker.h"

enum {
	SRCU_NOT_QUEUED = 0,
	SRCU_QUEUED = 1,
	SRCU_QUEUED_LEAVING = 2, /* cleanup sleeps until it is off the list */
};

static struct {
	struct srcu_struct *incoming; /* domains to take over, a stack */
	/* Of whoever does a round. */
	pthread_mutex_t round_lock;
	struct srcu_struct *list;
	struct srcu_struct *todo; /* of them, not visited in this pass */
} worker = {
	.round_lock = PTHREAD_MUTEX_INITIALIZER,
};

static __thread bool on_worker;

static void worker_push(struct srcu_struct *ssp)
{
	struct srcu_struct *old =
		__atomic_load_n(&worker.incoming, __ATOMIC_RELAXED);

	do {
		ssp->work_next = old;
	} while (!__atomic_compare_exchange_n(&worker.incoming, &old, ssp, true,
					      __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
}

bool srcu_worker_has(struct srcu_struct *ssp)
{
	return __atomic_load_n(&ssp->queued, __ATOMIC_SEQ_CST) !=
	       SRCU_NOT_QUEUED;
}

void srcu_worker_kick(struct srcu_struct *ssp, enum srcu_haste haste)
{
	if (__atomic_exchange_n(&ssp->queued, SRCU_QUEUED, __ATOMIC_SEQ_CST) ==
	    SRCU_NOT_QUEUED)
		worker_push(ssp);
	srcu_worker_start();
	srcu_worker_poke(haste);
}

void srcu_worker_kick_locked(struct srcu_struct *ssp, enum srcu_haste haste)
{
	if (srcu_worker_has(ssp))
		srcu_worker_poke(haste);
	else
		srcu_worker_kick(ssp, haste);
}

/* Has the pace passed?  The first look at a request starts its clock. */
static bool gp_is_due(struct srcu_struct *ssp)
{
	uint64_t now;

	if (srcu_gp_wanted_now(ssp))
		return true;
	now = monotonic_ns();
	srcu_start_pace(ssp, now);
	return now >= ssp->gp_due;
}

static bool worker_begin_gp(struct srcu_struct *ssp)
{
	if (!srcu_gp_wanted(ssp)) {
		ssp->gp_due = 0;
		return false;
	}
	if (!gp_is_due(ssp))
		return false;
	srcu_gp_begin(ssp, srcu_gp_wanted_now(ssp));
	return true;
}

/*
 * A grace period in progress, one step further.  One that wants a heavy
 * barrier waits for the end of the round's pass: one serves all.
 */
static bool worker_step_gp(struct srcu_struct *ssp, bool *heavy)
{
	if (srcu_gp_wants_heavy(ssp)) {
		/* Counted for the first that wants it: it is made once. */
		ssp->stats.membarriers += !*heavy;
		*heavy = true;
		return false;
	}
	if (srcu_gp_step(ssp)) {
		ssp->gp_last_end = monotonic_ns();
		return true;
	}
	/* And look once more, if it has to be announced. */
	return srcu_gp_announce_sleep(ssp, SRCU_WAIT_WORKER);
}

/* One thing for the domain; false when there is nothing to do but wait. */
static bool worker_step(struct srcu_struct *ssp, bool *heavy)
{
	if (srcu_run_callbacks(ssp))
		return true;
	if (srcu_gp_phase(ssp) == SRCU_GP_IDLE)
		return worker_begin_gp(ssp);
	return worker_step_gp(ssp, heavy);
}

/*
 * Takes a domain that wants nothing off the list.  Whoever queues a callback
 * pushes it and then reads queued; we clear queued and then look for pushed
 * callbacks; all are sequentially consistent, so one of the two sees the
 * other, and no callback stays behind unseen.
 */
static bool worker_drop(struct srcu_struct *ssp)
{
	unsigned int old = __atomic_exchange_n(&ssp->queued, SRCU_NOT_QUEUED,
					       __ATOMIC_SEQ_CST);

	if (srcu_gp_wanted(ssp) &&
	    __atomic_exchange_n(&ssp->queued, SRCU_QUEUED, __ATOMIC_SEQ_CST) ==
		    SRCU_NOT_QUEUED)
		return false;
	if (old == SRCU_QUEUED_LEAVING)
		futex_wake_all(&ssp->queued);
	return true;
}

/* When must the worker look again?  Lock held, nothing to do right now. */
static uint64_t worker_deadline(struct srcu_struct *ssp)
{
	if (srcu_gp_phase(ssp) == SRCU_GP_IDLE)
		/* Or another thread runs callbacks, and will see those left. */
		return srcu_gp_wanted(ssp) ? ssp->gp_due : FUTEX_FOREVER;
	return monotonic_ns() + srcu_gp_sleep_ns(ssp);
}

static bool worker_idle(struct srcu_struct *ssp)
{
	return srcu_gp_phase(ssp) == SRCU_GP_IDLE && !srcu_gp_wanted(ssp) &&
	       !ssp->cb_done;
}

/* True: stays on the list, to be looked at again at *deadline. */
static bool worker_visit(struct srcu_struct *ssp, uint64_t *deadline,
			 bool *heavy)
{
	uint64_t when;
	bool keep;

	pthread_mutex_lock(&ssp->lock);
	while (worker_step(ssp, heavy))
		;
	if (ssp->gp_blocked)
		srcu_stall_check(ssp);
	keep = !worker_idle(ssp) || !worker_drop(ssp);
	if (keep) {
		when = worker_deadline(ssp);
		if (when < *deadline)
			*deadline = when;
	}
	pthread_mutex_unlock(&ssp->lock);
	return keep;
}

/*
 * Visits each domain once; true when a heavy barrier is wanted.  A callback
 * may take a domain off either list: see worker_unlist().
 */
static bool worker_pass(uint64_t *deadline)
{
	struct srcu_struct *ssp;
	bool heavy = false;

	*deadline = FUTEX_FOREVER;
	worker.todo = worker.list;
	worker.list = NULL;
	while ((ssp = worker.todo)) {
		worker.todo = ssp->work_next;
		if (!worker_visit(ssp, deadline, &heavy))
			continue;
		ssp->work_next = worker.list;
		worker.list = ssp;
	}
	return heavy;
}

static void worker_take_incoming(void)
{
	struct srcu_struct *ssp, *next;

	ssp = __atomic_exchange_n(&worker.incoming, NULL, __ATOMIC_SEQ_CST);
	for (; ssp; ssp = next) {
		next = ssp->work_next;
		ssp->work_next = worker.list;
		worker.list = ssp;
	}
}

/* Everything that can be done now; returns when there will be more. */
static uint64_t worker_round(void)
{
	uint64_t deadline;

	on_worker = true;
	worker_take_incoming();
	while (worker_pass(&deadline))
		srcu_heavy_barrier();
	on_worker = false;
	return deadline;
}

static uint64_t until(uint64_t deadline)
{
	uint64_t now;

	if (deadline == FUTEX_FOREVER)
		return FUTEX_FOREVER;
	now = monotonic_ns();
	return deadline > now ? deadline - now : 0;
}

uint64_t srcu_worker_round(void)
{
	uint64_t deadline;

	pthread_mutex_lock(&worker.round_lock);
	deadline = worker_round();
	pthread_mutex_unlock(&worker.round_lock);
	return until(deadline);
}

uint64_t srcu_drain(void)
{
	uint64_t deadline;

	if (pthread_mutex_trylock(&worker.round_lock))
		return 0;
	deadline = worker_round();
	pthread_mutex_unlock(&worker.round_lock);
	return until(deadline);
}

static void list_remove(struct srcu_struct **link, struct srcu_struct *ssp)
{
	while (*link && *link != ssp)
		link = &(*link)->work_next;
	if (*link)
		*link = ssp->work_next;
}

/* In a callback: the worker is this thread, and cannot be waited for. */
static void worker_unlist(struct srcu_struct *ssp)
{
	worker_take_incoming();
	list_remove(&worker.list, ssp);
	list_remove(&worker.todo, ssp);
	srcu_worker_unqueue(ssp);
}

/* The worker drops a domain that wants nothing as soon as it looks at it. */
void srcu_worker_forget(struct srcu_struct *ssp)
{
	unsigned int old = SRCU_QUEUED;

	if (on_worker) {
		worker_unlist(ssp);
		return;
	}

	if (!__atomic_compare_exchange_n(&ssp->queued, &old,
					 SRCU_QUEUED_LEAVING, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	if (!srcu_worker_start()) {
		while (srcu_worker_has(ssp))
			srcu_drain();
		return;
	}
	srcu_worker_poke(SRCU_NOW);
	while (__atomic_load_n(&ssp->queued, __ATOMIC_ACQUIRE) ==
	       SRCU_QUEUED_LEAVING)
		futex_wait(&ssp->queued, SRCU_QUEUED_LEAVING, FUTEX_FOREVER);
}

void srcu_worker_after_fork(void)
{
	worker.incoming = NULL;
	worker.list = NULL;
	worker.todo = NULL;
	on_worker = false;
	pthread_mutex_init(&worker.round_lock, NULL);
	srcu_worker_thread_after_fork();
}

void srcu_worker_unqueue(struct srcu_struct *ssp)
{
	ssp->queued = SRCU_NOT_QUEUED;
}
