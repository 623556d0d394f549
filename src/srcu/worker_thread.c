// SPDX-License-Identifier: MIT
/* The worker's thread: its start, its sleep, and its wake-up. */
#include <errno.h>
#include <sys/prctl.h>

#include "base/thread.h"
#include "srcu/futex.h"
#include "srcu/worker.h"

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
	struct bf_thread thread;
} worker = {
	.start_lock = PTHREAD_MUTEX_INITIALIZER,
	.thread = {.name = "belfry-srcu", .fn = worker_main},
};

static bool must_wake(unsigned int rest, enum srcu_haste haste)
{
	return rest == WORKER_ASLEEP ||
	       (rest == WORKER_NAPS && haste == SRCU_NOW);
}

/*
 * This thread changes the word before it loads rest.  The worker stores rest
 * before it reads the word for the last time (worker_rest()).  All four
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
		__atomic_store_n(&worker.no_nap, true, __ATOMIC_RELAXED);
	__atomic_fetch_add(&worker.word, 1, __ATOMIC_SEQ_CST);
	rest = __atomic_load_n(&worker.rest, __ATOMIC_SEQ_CST);
	if (must_wake(rest, haste) &&
	    __atomic_exchange_n(&worker.rest, WORKER_AWAKE, __ATOMIC_SEQ_CST))
		futex_wake_all(&worker.rest);
	if (worker.wanted)
		worker.wanted(worker.opaque);
}

/*
 * Sleeps unless the word has changed; see bf_srcu_worker_poke().  Returns true
 * if it has changed.
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
	uint64_t time_ns;
	unsigned int word;

	/* The default slack, 50 us, would lengthen a nap of 10 us. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	for (;;) {
		__atomic_store_n(&worker.no_nap, false, __ATOMIC_RELAXED);
		word = __atomic_load_n(&worker.word, __ATOMIC_SEQ_CST);
		time_ns = bf_srcu_worker_round();
		if (worker_rest(WORKER_ASLEEP, word, time_ns))
			worker_nap();
	}
	return unused;
}

static bool worker_spawn(void)
{
	if (worker.forbidden || bf_thread_start(&worker.thread))
		return false;
	pthread_detach(worker.thread.id);
	return true;
}

bool bf_srcu_worker_start(void)
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

int bf_srcu_start_worker(void)
{
	if (bf_srcu_worker_start())
		return 0;
	return worker.forbidden ? -EPERM : -EAGAIN;
}

int bf_srcu_forbid_worker(void (*wanted)(void *opaque), void *opaque)
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

void bf_srcu_worker_thread_after_fork(void)
{
	worker.rest = WORKER_AWAKE;
	worker.running = 0;
	pthread_mutex_init(&worker.start_lock, NULL);
}
