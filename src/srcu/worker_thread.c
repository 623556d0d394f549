// SPDX-License-Identifier: MIT
/* The worker's thread: its start, its rests, and how it is woken from them. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include "srcu/futex.h"
#include "srcu/worker.h"

enum {
	WORKER_AWAKE = 0,
	WORKER_ASLEEP = 1,
	WORKER_NAPS = 2,
};

#define WORKER_NAP_NS 10000

static struct {
	unsigned int word; /* bumped at each poke */
	unsigned int rest; /* futex: is it asleep? */
	bool no_nap;
	unsigned int running;
	bool forbidden;
	void (*wanted)(void *opaque);
	void *opaque;
	pthread_mutex_t start_lock;
} worker = {
	.start_lock = PTHREAD_MUTEX_INITIALIZER,
};

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
	uint64_t time_ns;
	unsigned int word;

	/* A nap of microseconds must not become one of the usual slack. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	for (;;) {
		__atomic_store_n(&worker.no_nap, false, __ATOMIC_RELAXED);
		word = __atomic_load_n(&worker.word, __ATOMIC_SEQ_CST);
		time_ns = srcu_worker_round();
		if (worker_rest(WORKER_ASLEEP, word, time_ns))
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

void srcu_worker_thread_after_fork(void)
{
	worker.rest = WORKER_AWAKE;
	worker.running = 0;
	pthread_mutex_init(&worker.start_lock, NULL);
}
