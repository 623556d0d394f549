// SPDX-License-Identifier: MIT
/*
 * A domain is on the worker's list exactly while ssp->queued is not 0; the
 * worker alone takes it off, under the domain's lock.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

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

enum {
	WORKER_AWAKE = 0,
	WORKER_ASLEEP = 1,
	WORKER_NAPS = 2,
};

#define WORKER_NAP_NS 10000

static struct {
	struct srcu_struct *incoming; /* domains to take over, a stack */
	unsigned int word;	      /* bumped at each poke */
	unsigned int rest;	      /* futex: is it asleep? */
	bool no_nap;
	unsigned int running;
	bool forbidden;
	void (*wanted)(void *opaque);
	void *opaque;
	pthread_mutex_t start_lock;
	/* Of whoever does a round. */
	pthread_mutex_t round_lock;
	struct srcu_struct *list;
	struct srcu_struct *todo; /* of them, not visited in this pass */
} worker = {
	.start_lock = PTHREAD_MUTEX_INITIALIZER,
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

static bool must_wake(unsigned int rest, enum srcu_haste haste)
{
	return rest == WORKER_ASLEEP ||
	       (rest == WORKER_NAPS && haste == SRCU_NOW);
}

/*
 * The bump comes before the load of rest; the worker stores rest before it
 * reads the word for the last time (worker_rest()).  All four are sequentially
 * consistent: either it sees the bump or we see it at rest.  Otherwise it
 * would sleep through what we have for it.  Who finds it asleep wakes it;
 * others need not, until it has slept again.  It sleeps on rest, not on the
 * word: an exchange that comes late, when it has been up and is about to sleep
 * again, keeps it from sleeping.
 */
void srcu_worker_poke(enum srcu_haste haste)
{
	unsigned int rest;

	if (haste != SRCU_SOON)
		__atomic_store_n(&worker.no_nap, true, __ATOMIC_RELAXED);
	__atomic_fetch_add(&worker.word, 1, __ATOMIC_SEQ_CST);
	rest = __atomic_load_n(&worker.rest, __ATOMIC_SEQ_CST);
	if (must_wake(rest, haste) &&
	    __atomic_exchange_n(&worker.rest, WORKER_AWAKE, __ATOMIC_SEQ_CST))
		futex_wake_all(&worker.rest);
	if (worker.wanted)
		worker.wanted(worker.opaque);
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

/*
 * Sleeps unless the word moved from what it was; see srcu_worker_poke().
 * True: something came up.
 */
static bool worker_rest(unsigned int how, unsigned int word, uint64_t time_ns)
{
	__atomic_store_n(&worker.rest, how, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&worker.word, __ATOMIC_SEQ_CST) == word)
		futex_wait(&worker.rest, how, time_ns);
	__atomic_store_n(&worker.rest, WORKER_AWAKE, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&worker.word, __ATOMIC_SEQ_CST) != word;
}

static void worker_nap(void)
{
	unsigned int word = __atomic_load_n(&worker.word, __ATOMIC_SEQ_CST);

	if (!__atomic_load_n(&worker.no_nap, __ATOMIC_RELAXED))
		worker_rest(WORKER_NAPS, word, WORKER_NAP_NS);
}

static void *worker_main(void *unused)
{
	uint64_t deadline;
	unsigned int word;

	/* A nap of microseconds must not become one of the usual slack. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	for (;;) {
		__atomic_store_n(&worker.no_nap, false, __ATOMIC_RELAXED);
		word = __atomic_load_n(&worker.word, __ATOMIC_SEQ_CST);
		pthread_mutex_lock(&worker.round_lock);
		deadline = worker_round();
		pthread_mutex_unlock(&worker.round_lock);
		if (worker_rest(WORKER_ASLEEP, word, until(deadline)))
			worker_nap();
	}
	return unused;
}

/* Signals are the program's business: none is delivered to the worker. */
static bool worker_spawn(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int ret;

	if (worker.forbidden || pthread_attr_init(&attr))
		return false;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&thread, &attr, worker_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (ret)
		return false;
	pthread_setname_np(thread, "belfry-srcu");
	return true;
}

bool srcu_worker_start(void)
{
	bool running;

	if (__atomic_load_n(&worker.running, __ATOMIC_ACQUIRE))
		return true;
	pthread_mutex_lock(&worker.start_lock);
	running = worker.running || worker_spawn();
	__atomic_store_n(&worker.running, running, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&worker.start_lock);
	return running;
}

int srcu_forbid_worker(void (*wanted)(void *opaque), void *opaque)
{
	int ret = 0;

	pthread_mutex_lock(&worker.start_lock);
	if (worker.running) {
		ret = -EBUSY;
	} else {
		worker.forbidden = true;
		worker.opaque = opaque;
		worker.wanted = wanted;
	}
	pthread_mutex_unlock(&worker.start_lock);
	return ret;
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
	worker.rest = WORKER_AWAKE;
	worker.running = 0;
	on_worker = false;
	pthread_mutex_init(&worker.round_lock, NULL);
	pthread_mutex_init(&worker.start_lock, NULL);
}

void srcu_worker_unqueue(struct srcu_struct *ssp)
{
	ssp->queued = SRCU_NOT_QUEUED;
}
