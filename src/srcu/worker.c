// SPDX-License-Identifier: MIT
/*
 * The worker's thread, and its rounds: a round visits each domain on the
 * worker's list.  A domain is on the list exactly while ssp->queued is not 0.
 * Only the worker takes it off, under the domain's lock.
 *
 * A visit is bounded: it begins at most one grace period and runs at most
 * SRCU_VISIT_BATCHES batches of callbacks.  Otherwise a callback that queues
 * itself again, or a producer in a loop, keeps the worker in one domain, and
 * the requests of all other domains wait for ever.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/prctl.h>

#include "base/thread.h"
#include "base/thread_local.h"
#include "srcu/membarrier.h"
#include "srcu/report.h"
#include "srcu/wait.h"
#include "srcu/worker.h"

/* The callbacks of a batch: a few microseconds of work. */
#define SRCU_VISIT_CALLBACKS 128

enum {
	SRCU_VISIT_BATCHES = 2, /* before the grace period and after it */
	SRCU_DRAIN_PASSES = 4,	/* a grace period needs three membarriers */
};

/* One visit to each domain. */
struct worker_pass {
	uint64_t max_callbacks; /* of each batch */
	bool may_begin;		/* a grace period in each domain */
	bool need_membarrier;
	uint64_t deadline; /* of the next pass; 0: at once */
	/* What the present visit may still do: */
	unsigned int batches;
	bool may_begin_now;
};

static struct {
	struct bf_srcu *incoming;   /* domains to take over, a stack */
	pthread_mutex_t turnstile;  /* taken before round_lock */
	pthread_mutex_t round_lock; /* one round at a time; protects: */
	struct bf_srcu *list;
	struct bf_srcu *todo; /* those not visited in this pass */
} worker = {
	.turnstile = PTHREAD_MUTEX_INITIALIZER,
	.round_lock = PTHREAD_MUTEX_INITIALIZER,
};

/* Is this thread in a round? */
BF_THREAD_LOCAL(bool, in_round);

/*
 * The worker takes round_lock for each pass.  Without the turnstile it would
 * take the lock again before a thread in bf_srcu_worker_forget() wakes up.
 */
static void round_begin(void)
{
	pthread_mutex_lock(&worker.turnstile);
	pthread_mutex_lock(&worker.round_lock);
	pthread_mutex_unlock(&worker.turnstile);
}

static void round_end(void)
{
	pthread_mutex_unlock(&worker.round_lock);
}

enum {
	WORKER_AWAKE = 0,
	WORKER_ASLEEP = 1,
	WORKER_NAPS = 2,
};

#define WORKER_NAP_NS 10000

static void *worker_main(void *unused);

static struct {
	unsigned int word; /* changes at each poke */
	unsigned int rest; /* futex: is it asleep? */
	bool no_nap;
	unsigned int running;
	bool forbidden;
	void (*wanted)(void *opaque);
	void *opaque;
	pthread_mutex_t start_lock;
	struct bf_thread start;
} thread = {
	.start_lock = PTHREAD_MUTEX_INITIALIZER,
	.start = {.name = "belfry-srcu", .fn = worker_main},
};

static bool must_wake(unsigned int rest, enum srcu_haste haste)
{
	return rest == WORKER_ASLEEP ||
	       (rest == WORKER_NAPS && haste == SRCU_NOW);
}

/*
 * This thread changes the word before it loads rest.  The worker stores rest
 * before it reads the word for the last time (worker_rest()).  These four
 * accesses are sequentially consistent: either the worker sees the change, or
 * this thread sees the worker at rest.  Otherwise the worker would sleep
 * through the request.
 *
 * The thread that finds the worker asleep wakes it; the others need not, until
 * the worker has slept again.  The worker sleeps on rest, not on the word: an
 * exchange that comes late, when the worker was awake and is about to sleep
 * again, keeps it from sleeping.
 */
void bf_srcu_worker_poke(enum srcu_haste haste)
{
	unsigned int rest;

	if (haste != SRCU_SOON)
		__atomic_store_n(&thread.no_nap, true, __ATOMIC_RELAXED);
	__atomic_fetch_add(&thread.word, 1, __ATOMIC_SEQ_CST);
	rest = __atomic_load_n(&thread.rest, __ATOMIC_SEQ_CST);
	if (must_wake(rest, haste) &&
	    __atomic_exchange_n(&thread.rest, WORKER_AWAKE, __ATOMIC_RELAXED))
		futex_wake_all(&thread.rest);
	if (thread.wanted)
		thread.wanted(thread.opaque);
}

static void worker_push(struct bf_srcu *ssp)
{
	struct bf_srcu *old =
		__atomic_load_n(&worker.incoming, __ATOMIC_RELAXED);

	do {
		ssp->work_next = old;
	} while (!__atomic_compare_exchange_n(&worker.incoming, &old, ssp, true,
					      __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
}

bool bf_srcu_worker_has(struct bf_srcu *ssp)
{
	return __atomic_load_n(&ssp->queued, __ATOMIC_SEQ_CST);
}

void bf_srcu_worker_kick(struct bf_srcu *ssp, enum srcu_haste haste)
{
	if (!__atomic_exchange_n(&ssp->queued, true, __ATOMIC_SEQ_CST))
		worker_push(ssp);
	bf_srcu_worker_start();
	bf_srcu_worker_poke(haste);
}

/* Has the pace passed?  The first call after a request starts its clock. */
static bool gp_is_due(struct bf_srcu *ssp)
{
	uint64_t now;

	if (bf_srcu_gp_wanted_now(ssp))
		return true;
	now = bf_now_ns();
	bf_srcu_start_pace(ssp, now);
	return now >= ssp->gp_due;
}

static bool worker_begin_gp(struct bf_srcu *ssp, struct worker_pass *pass)
{
	if (!bf_srcu_gp_wanted(ssp)) {
		ssp->gp_due = 0;
		return false;
	}
	if (!pass->may_begin_now || !gp_is_due(ssp))
		return false;
	pass->may_begin_now = false;
	bf_srcu_gp_begin(ssp, bf_srcu_gp_wanted_now(ssp));
	return true;
}

/*
 * Advances the grace period in progress.  If it needs a membarrier it waits for
 * the end of the pass, because one membarrier serves all domains.
 */
static bool worker_step_gp(struct bf_srcu *ssp, struct worker_pass *pass)
{
	if (bf_srcu_gp_wants_membarrier(ssp)) {
		/* It is made once, so it is counted for one domain only. */
		ssp->stats.membarriers += !pass->need_membarrier;
		pass->need_membarrier = true;
		return false;
	}
	if (bf_srcu_gp_step(ssp)) {
		ssp->gp_last_end = bf_now_ns();
		return true;
	}
	/* After an announcement the grace period needs one more step. */
	return bf_srcu_gp_announce_sleep(ssp, SRCU_WAIT_WORKER);
}

/* Does one thing for the domain; false: the visit is over. */
static bool worker_step(struct bf_srcu *ssp, struct worker_pass *pass)
{
	if (pass->batches && bf_srcu_run_callbacks(ssp, pass->max_callbacks)) {
		pass->batches--;
		return true;
	}
	if (bf_srcu_gp_phase(ssp) == SRCU_GP_IDLE)
		return worker_begin_gp(ssp, pass);
	return worker_step_gp(ssp, pass);
}

/*
 * Takes a domain off the list that needs nothing.  A thread that queues a
 * callback pushes it and then reads queued; this function clears queued and
 * then reads the pushed callbacks.  All four accesses are sequentially
 * consistent, so one of the two threads sees the other.  Otherwise a callback
 * might stay behind on a domain that is not on the list.  Of the two exchanges
 * that put it back one finds queued cleared.
 */
static bool worker_drop(struct bf_srcu *ssp)
{
	__atomic_store_n(&ssp->queued, false, __ATOMIC_SEQ_CST);
	return !bf_srcu_gp_wanted(ssp) ||
	       __atomic_exchange_n(&ssp->queued, true, __ATOMIC_RELAXED);
}

/*
 * When does the worker have to look again?  0: at once, because the visit ended
 * with work left.  Lock held.
 */
static uint64_t worker_deadline(struct bf_srcu *ssp)
{
	if (bf_srcu_callbacks_ready(ssp))
		return 0;
	if (bf_srcu_gp_phase(ssp) != SRCU_GP_IDLE)
		return bf_now_ns() + bf_srcu_gp_sleep_ns(ssp);
	/*
	 * FUTEX_FOREVER also if another thread runs callbacks: that thread sees
	 * the callbacks that are left.
	 */
	if (!bf_srcu_gp_wanted(ssp))
		return FUTEX_FOREVER;
	return gp_is_due(ssp) ? 0 : ssp->gp_due;
}

static bool worker_idle(struct bf_srcu *ssp)
{
	return bf_srcu_gp_phase(ssp) == SRCU_GP_IDLE &&
	       !bf_srcu_gp_wanted(ssp) && !ssp->cb_done &&
	       !bf_srcu_callbacks_ready(ssp);
}

/* True: the domain stays on the list, for another visit at pass->deadline. */
static bool worker_visit(struct bf_srcu *ssp, struct worker_pass *pass)
{
	uint64_t when;
	bool keep;

	pass->batches = SRCU_VISIT_BATCHES;
	pass->may_begin_now = pass->may_begin;
	pthread_mutex_lock(&ssp->lock);
	while (worker_step(ssp, pass))
		;
	if (ssp->gp_blocked)
		bf_srcu_stall_check(ssp);
	keep = !worker_idle(ssp) || !worker_drop(ssp);
	if (keep) {
		when = worker_deadline(ssp);
		if (when < pass->deadline)
			pass->deadline = when;
	}
	pthread_mutex_unlock(&ssp->lock);
	return keep;
}

static void worker_take_incoming(void)
{
	struct bf_srcu *ssp, *next;

	ssp = __atomic_exchange_n(&worker.incoming, NULL, __ATOMIC_SEQ_CST);
	for (; ssp; ssp = next) {
		next = ssp->work_next;
		ssp->work_next = worker.list;
		worker.list = ssp;
	}
}

/*
 * Visits each domain once, new ones first, and makes the membarrier that their
 * grace periods wait for.  A callback may take a domain off either list: see
 * bf_srcu_worker_forget().
 */
static void worker_run_pass(struct worker_pass *pass)
{
	struct bf_srcu *ssp;

	*in_round() = true;
	pass->need_membarrier = false;
	pass->deadline = FUTEX_FOREVER;
	worker_take_incoming();
	worker.todo = worker.list;
	worker.list = NULL;
	while ((ssp = worker.todo)) {
		worker.todo = ssp->work_next;
		if (!worker_visit(ssp, pass))
			continue;
		ssp->work_next = worker.list;
		worker.list = ssp;
	}
	if (pass->need_membarrier) {
		bf_srcu_membarrier();
		pass->deadline = 0;
	}
	*in_round() = false;
}

static uint64_t time_until(uint64_t deadline)
{
	uint64_t now;

	if (deadline == FUTEX_FOREVER)
		return FUTEX_FOREVER;
	now = bf_now_ns();
	return deadline > now ? deadline - now : 0;
}

/*
 * Only the first pass begins grace periods, and the number of passes is
 * bounded: requests that come meanwhile are left to the next call.
 */
static void drain_passes(struct worker_pass *pass)
{
	int i;

	for (i = 0; i < SRCU_DRAIN_PASSES; i++) {
		pass->may_begin = i == 0;
		worker_run_pass(pass);
		if (!pass->need_membarrier)
			return;
	}
}

uint64_t bf_srcu_drain(void)
{
	struct worker_pass pass = {.max_callbacks = SRCU_ALL_CALLBACKS};

	if (pthread_mutex_trylock(&worker.round_lock))
		return 0;
	drain_passes(&pass);
	round_end();
	return time_until(pass.deadline);
}

/*
 * Sleeps unless the word has changed; see bf_srcu_worker_poke().  Returns true
 * if it has changed.
 */
static bool worker_rest(unsigned int how, unsigned int word, uint64_t time_ns)
{
	__atomic_store_n(&thread.rest, how, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&thread.word, __ATOMIC_SEQ_CST) == word)
		futex_wait(&thread.rest, how, time_ns);
	/* Relaxed: a poke that misses this makes a wake-up too many. */
	__atomic_store_n(&thread.rest, WORKER_AWAKE, __ATOMIC_RELAXED);
	return __atomic_load_n(&thread.word, __ATOMIC_RELAXED) != word;
}

static void worker_nap(void)
{
	unsigned int word = __atomic_load_n(&thread.word, __ATOMIC_RELAXED);

	if (!__atomic_load_n(&thread.no_nap, __ATOMIC_RELAXED))
		worker_rest(WORKER_NAPS, word, WORKER_NAP_NS);
}

static void *worker_main(void *unused)
{
	struct worker_pass pass = {
		.max_callbacks = SRCU_VISIT_CALLBACKS,
		.may_begin = true,
	};
	uint64_t time_ns;
	unsigned int word;

	/* The default slack, 50 us, would lengthen a nap of 10 us. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	for (;;) {
		__atomic_store_n(&thread.no_nap, false, __ATOMIC_RELAXED);
		word = __atomic_load_n(&thread.word, __ATOMIC_SEQ_CST);
		round_begin();
		worker_run_pass(&pass);
		round_end();
		time_ns = time_until(pass.deadline);
		if (time_ns && worker_rest(WORKER_ASLEEP, word, time_ns))
			worker_nap();
	}
	return unused;
}

static bool worker_spawn(void)
{
	if (thread.forbidden || bf_thread_start(&thread.start))
		return false;
	pthread_detach(thread.start.id);
	return true;
}

bool bf_srcu_worker_start(void)
{
	bool running;

	/* Relaxed: nothing is read because of it. */
	if (__atomic_load_n(&thread.running, __ATOMIC_RELAXED))
		return true;
	pthread_mutex_lock(&thread.start_lock);
	running = thread.running || worker_spawn();
	__atomic_store_n(&thread.running, running, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&thread.start_lock);
	return running;
}

int bf_srcu_start_worker(void)
{
	if (bf_srcu_worker_start())
		return 0;
	return thread.forbidden ? -EPERM : -EAGAIN;
}

int bf_srcu_forbid_worker(void (*wanted)(void *opaque), void *opaque)
{
	int ret = 0;

	pthread_mutex_lock(&thread.start_lock);
	if (thread.running) {
		ret = -EBUSY;
	} else {
		thread.forbidden = true;
		thread.opaque = opaque;
		thread.wanted = wanted;
	}
	pthread_mutex_unlock(&thread.start_lock);
	return ret;
}

static void list_remove(struct bf_srcu **link, struct bf_srcu *ssp)
{
	while (*link && *link != ssp)
		link = &(*link)->work_next;
	if (*link)
		*link = ssp->work_next;
}

/* A callback may call this: its thread is in the round already. */
void bf_srcu_worker_forget(struct bf_srcu *ssp)
{
	const bool inside = *in_round();

	if (!bf_srcu_worker_has(ssp))
		return;
	if (!inside)
		round_begin();
	worker_take_incoming();
	list_remove(&worker.list, ssp);
	list_remove(&worker.todo, ssp);
	ssp->queued = false;
	if (!inside)
		round_end();
}

void bf_srcu_worker_after_fork(void)
{
	worker.incoming = NULL;
	worker.list = NULL;
	worker.todo = NULL;
	*in_round() = false;
	pthread_mutex_init(&worker.turnstile, NULL);
	pthread_mutex_init(&worker.round_lock, NULL);
	thread.rest = WORKER_AWAKE;
	thread.running = 0;
	pthread_mutex_init(&thread.start_lock, NULL);
}
