// SPDX-License-Identifier: MIT
/*
 * The policy lazy: doorbells and zones that were rung often are given to the
 * kernel in a quiet moment, by a thread that may wait for one.
 *
 * A ring is counted by the doorbell itself.  vCPUs look no further than every
 * few exits, counted by each thread for itself, so that no ring writes what
 * another vCPU reads; then they wake the helper, which does the sums.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "vm/calibrate.h"
#include "vm/front_internal.h"

#define DEFAULT_QUIET_MS 10
#define NS_PER_MS	 1000000u

/* A look every sixteenth of the way, at most so many exits apart. */
#define LOOKS	 16
#define MAX_STEP 64

static __thread unsigned int exits_not_looked_at;

static void set_rings(struct bf_front *front, unsigned int rings)
{
	unsigned int step = rings / LOOKS;

	if (step > MAX_STEP || !rings)
		step = MAX_STEP;
	__atomic_store_n(&front->step, step ? step : 1, __ATOMIC_RELAXED);
	__atomic_store_n(&front->rings, rings, __ATOMIC_RELAXED);
}

void bf_front_lazy_init(struct bf_front *front,
			const struct bf_front_config *config)
{
	uint32_t quiet = config->quiet_ms ? config->quiet_ms : DEFAULT_QUIET_MS;
	struct front_helper *helper = &front->helper;
	pthread_condattr_t attr;

	front->counts = front->policy == BF_POLICY_LAZY && front->vm_fd >= 0;
	front->quiet_ns = (uint64_t)quiet * NS_PER_MS;
	set_rings(front, config->rings);
	pthread_mutex_init(&helper->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&helper->wake, &attr);
	pthread_condattr_destroy(&attr);
}

void bf_front_lazy_destroy(struct bf_front *front)
{
	pthread_cond_destroy(&front->helper.wake);
	pthread_mutex_destroy(&front->helper.lock);
}

/* Helper's lock held. */
static void wait_until(struct front_helper *helper, uint64_t ns)
{
	const struct timespec at = {
		.tv_sec = (time_t)(ns / 1000000000u),
		.tv_nsec = (long)(ns % 1000000000u),
	};

	pthread_cond_timedwait(&helper->wake, &helper->lock, &at);
}

/* Helper's lock held, dropped meanwhile. */
static void install(struct bf_front *front, struct front_helper *helper)
{
	bool done;

	__atomic_store_n(&helper->look, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&helper->lock);
	if (!front->rings)
		set_rings(front, bf_calibrated_rings());
	done = bf_front_install_rung(front);
	pthread_mutex_lock(&helper->lock);
	if (!done)
		__atomic_store_n(&helper->look, true, __ATOMIC_RELAXED);
}

static void *help(void *arg)
{
	struct bf_front *front = arg;
	struct front_helper *helper = &front->helper;
	uint64_t quiet_at;

	pthread_mutex_lock(&helper->lock);
	while (!helper->stop) {
		if (!helper->look)
			pthread_cond_wait(&helper->wake, &helper->lock);
		else if ((quiet_at = bf_front_quiet_at(front)))
			wait_until(helper, quiet_at);
		else
			install(front, helper);
	}
	pthread_mutex_unlock(&helper->lock);
	return NULL;
}

/*
 * With all signals blocked: they are the VMM's.  Where no thread can be had
 * the doorbells stay in user space.
 */
static bool start(struct bf_front *front)
{
	struct front_helper *helper = &front->helper;
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	helper->started = !pthread_create(&helper->thread, NULL, help, front);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (helper->started)
		pthread_setname_np(helper->thread, "belfry-front");
	return helper->started;
}

static void wake_helper(struct bf_front *front)
{
	struct front_helper *helper = &front->helper;

	if (__atomic_load_n(&helper->look, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&helper->lock);
	if (!helper->stop && (helper->started || start(front))) {
		__atomic_store_n(&helper->look, true, __ATOMIC_RELAXED);
		pthread_cond_signal(&helper->wake);
	} else {
		helper->stop = true;
	}
	pthread_mutex_unlock(&helper->lock);
}

/* pthread_join() is a point of cancellation; the VMM's close() may not be. */
static void join(pthread_t thread)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_join(thread, NULL);
	pthread_setcancelstate(state, NULL);
}

void bf_front_lazy_stop(struct bf_front *front)
{
	struct front_helper *helper = &front->helper;
	bool started;

	pthread_mutex_lock(&helper->lock);
	started = helper->started;
	helper->started = false;
	helper->stop = true;
	pthread_cond_signal(&helper->wake);
	pthread_mutex_unlock(&helper->lock);
	if (started)
		join(helper->thread);
}

static bool is_inside(const struct kvm_coalesced_mmio_zone *zone,
		      const struct kvm_run *run)
{
	const bool pio = run->exit_reason == KVM_EXIT_IO;
	uint64_t addr = pio ? run->io.port : run->mmio.phys_addr;
	uint64_t len = pio ? run->io.size : run->mmio.len;

	return pio == zone->pio && addr >= zone->addr && len <= zone->size &&
	       addr - zone->addr <= zone->size - len;
}

/*
 * Counts the exits that this one stands for.  Who finds the lock taken counts
 * nothing: no exit waits here, and what is counted decides about speed alone.
 */
static bool zone_is_rung(struct bf_front *front, const struct kvm_run *run)
{
	const unsigned int step =
		__atomic_load_n(&front->step, __ATOMIC_RELAXED);
	const unsigned int rings =
		__atomic_load_n(&front->rings, __ATOMIC_RELAXED);
	struct front_zone *z;
	bool rung = false;

	if (pthread_mutex_trylock(&front->lock))
		return false;
	TAILQ_FOREACH(z, &front->zones, entry)
	if (z->state == FRONT_PENDING && is_inside(&z->zone, run)) {
		z->hits += step;
		rung |= z->hits >= rings;
	}
	pthread_mutex_unlock(&front->lock);
	return rung;
}

void bf_front_count_exit(struct bf_front *front, const struct kvm_run *run,
			 bool ours)
{
	if (!__atomic_load_n(&front->nr_pending, __ATOMIC_RELAXED) ||
	    ++exits_not_looked_at <
		    __atomic_load_n(&front->step, __ATOMIC_RELAXED))
		return;
	exits_not_looked_at = 0;
	if (ours || zone_is_rung(front, run))
		wake_helper(front);
}
