// SPDX-License-Identifier: MIT
/*
 * Waiting for grace periods.  The thread that waits drives the grace period
 * itself, in turns with whoever else wants one: the lock is held for the
 * steps, never across a sleep.
 */
#include "srcu/domain.h"
#include "srcu/heavy.h"
#include "srcu/stall.h"
#include "srcu/track.h"
#include "srcu/wait.h"
#include "srcu/worker.h"

/* A reader on another CPU that is about to leave is worth some microseconds. */
#define SRCU_SPINS 64

/* A normal request may begin at once when nobody asked for this long. */
#define SRCU_HOLDOFF_NS 25000

void srcu_wake_sleepers(struct srcu_struct *ssp)
{
	__atomic_fetch_add(&ssp->wake_seq, 1, __ATOMIC_RELEASE);
	futex_wake_all(&ssp->wake_seq);
}

/*
 * Called by a reader that left while somebody waited.  Unless it was the last
 * of the awaited bank there is nothing to wake for; the flag stays, and the
 * last one finds it.  The fence orders our exit before the scan:
 *
 * - against another leaving reader's exit and scan: of two that leave at once
 *   one sees both exits; without it both might leave the waking to the other.
 * - against a flip and the announcement behind it (srcu_gp_announce_sleep()):
 *   either we see the new bank, or the step after the announcement sees our
 *   exit; without it we might look at the wrong bank and it at an old count.
 *
 * The exchange lets one of several do the work; who still has to wait
 * announces itself again before it sleeps.
 */
void __srcu_wake(struct srcu_struct *ssp, int idx)
{
	unsigned int who;

	__srcu_fence();
	if (idx == __srcu_bank(ssp) || !srcu_gp_bank_left(ssp))
		return;
	who = __atomic_exchange_n(&ssp->waiting, 0, __ATOMIC_SEQ_CST);
	if (who & SRCU_WAIT_SYNC)
		srcu_wake_sleepers(ssp);
	if (who & SRCU_WAIT_WORKER)
		srcu_worker_poke(SRCU_NOW);
}

static bool uses_heavy(const struct srcu_struct *ssp)
{
	return ssp->fast && !ssp->reader_fences;
}

static void want_heavy(struct srcu_struct *ssp)
{
	if (uses_heavy(ssp))
		ssp->gp_heavy = srcu_heavy_next();
}

uint64_t srcu_gp_sleep_ns(const struct srcu_struct *ssp)
{
	uint64_t sleep_ns = SRCU_RECHECK_MAX_NS, age_ns;

	if (!uses_heavy(ssp)) {
		age_ns = monotonic_ns() - ssp->gp_announced_ns;
		if (age_ns < SRCU_RECHECK_MAX_NS)
			sleep_ns = SRCU_RECHECK_NS + age_ns;
	}
	return srcu_stall_timeout(ssp, sleep_ns);
}

void srcu_gp_begin(struct srcu_struct *ssp, bool expedited)
{
	if (expedited) {
		ssp->stats.expedited++;
		ssp->stats.promoted += srcu_gp_wanted_paced(ssp);
	}
	ssp->gp_due = 0;
	srcu_gp_start(ssp);
	want_heavy(ssp);
}

bool srcu_gp_wants_heavy(const struct srcu_struct *ssp)
{
	return ssp->gp_heavy && !srcu_heavy_done(ssp->gp_heavy);
}

/* Who announced a sleep is told below, the worker here. */
static void end_wait(struct srcu_struct *ssp)
{
	uint64_t waited = monotonic_ns() - ssp->gp_blocked;

	ssp->gp_blocked = 0;
	if (waited > ssp->stats.longest_wait_ns)
		ssp->stats.longest_wait_ns = waited;
	if (__atomic_exchange_n(&ssp->waiting, 0, __ATOMIC_SEQ_CST) &
	    SRCU_WAIT_WORKER)
		srcu_worker_poke(SRCU_NEXT);
}

bool srcu_gp_step(struct srcu_struct *ssp)
{
	if (srcu_gp_wants_heavy(ssp)) {
		srcu_heavy_barrier();
		ssp->stats.membarriers++;
	}
	if (!srcu_gp_advance(ssp))
		return false;
	if (ssp->gp_blocked)
		end_wait(ssp);
	if (ssp->sleepers)
		srcu_wake_sleepers(ssp);
	if (ssp->cb_done && !ssp->cb_running)
		srcu_worker_kick_locked(ssp, SRCU_NEXT);
	return true;
}

bool srcu_gp_announce_sleep(struct srcu_struct *ssp, unsigned int who)
{
	if (ssp->gp_announced == ssp->gp_seq &&
	    __atomic_load_n(&ssp->waiting, __ATOMIC_RELAXED) & who)
		return false;
	ssp->gp_announced = ssp->gp_seq;
	ssp->gp_announced_ns = monotonic_ns();
	if (!ssp->gp_blocked)
		ssp->gp_blocked = ssp->gp_stalled = ssp->gp_announced_ns;
	__atomic_fetch_or(&ssp->waiting, who, __ATOMIC_SEQ_CST);
	__srcu_fence();
	want_heavy(ssp);
	return true;
}

static void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

/* Is the grace period in progress over within a few microseconds? */
static bool srcu_gp_spin(struct srcu_struct *ssp)
{
	int i;

	for (i = 0; i < SRCU_SPINS; i++) {
		if (srcu_gp_step(ssp))
			return true;
		cpu_relax();
	}
	return false;
}

/* Sleeps until wake_seq leaves seq; the lock is dropped meanwhile. */
static void srcu_sleep(struct srcu_struct *ssp, unsigned int seq,
		       uint64_t timeout_ns)
{
	ssp->sleepers++;
	pthread_mutex_unlock(&ssp->lock);
	futex_wait(&ssp->wake_seq, seq, timeout_ns);
	pthread_mutex_lock(&ssp->lock);
	ssp->sleepers--;
}

/* Waits for readers of the grace period in progress. */
static void srcu_gp_wait(struct srcu_struct *ssp)
{
	unsigned int seq;

	if (srcu_gp_spin(ssp))
		return;
	/* Before the announcement: a reader that sees it changes wake_seq. */
	seq = __atomic_load_n(&ssp->wake_seq, __ATOMIC_ACQUIRE);
	while (srcu_gp_announce_sleep(ssp, SRCU_WAIT_SYNC))
		if (srcu_gp_step(ssp))
			return;
	srcu_sleep(ssp, seq, srcu_gp_sleep_ns(ssp));
	/* Another may have ended it meanwhile, and nobody begun the next. */
	if (srcu_gp_phase(ssp) != SRCU_GP_IDLE && !srcu_gp_step(ssp))
		srcu_stall_check(ssp);
}

/* Drives grace periods until the one of cookie is over.  Lock held. */
static void srcu_gp_drive(struct srcu_struct *ssp, unsigned long cookie,
			  bool expedited)
{
	while (!srcu_gp_done(ssp->gp_seq, cookie)) {
		if (srcu_gp_phase(ssp) == SRCU_GP_IDLE)
			srcu_gp_begin(ssp,
				      expedited || srcu_gp_wanted_now(ssp));
		if (!srcu_gp_step(ssp))
			srcu_gp_wait(ssp);
	}
}

void synchronize_srcu_expedited(struct srcu_struct *ssp)
{
	srcu_prepare(ssp);
	if (srcu_tracked(ssp))
		srcu_track_wait(ssp, __builtin_return_address(0));
	pthread_mutex_lock(&ssp->lock);
	srcu_gp_drive(ssp, srcu_gp_snap(ssp->gp_seq), true);
	pthread_mutex_unlock(&ssp->lock);
}

bool srcu_gp_try(struct srcu_struct *ssp)
{
	unsigned long cookie;
	bool done;

	srcu_prepare(ssp);
	pthread_mutex_lock(&ssp->lock);
	cookie = srcu_gp_snap(ssp->gp_seq);
	do {
		if (srcu_gp_phase(ssp) == SRCU_GP_IDLE)
			srcu_gp_begin(ssp, true);
		done = srcu_gp_step(ssp);
	} while (done && !srcu_gp_done(ssp->gp_seq, cookie));
	pthread_mutex_unlock(&ssp->lock);
	return done;
}

/* Nobody has asked for anything for a while: there is nothing to gather. */
static bool srcu_idle_for_long(struct srcu_struct *ssp)
{
	return srcu_gp_phase(ssp) == SRCU_GP_IDLE && !srcu_gp_wanted(ssp) &&
	       monotonic_ns() - ssp->gp_last_end > SRCU_HOLDOFF_NS;
}

void srcu_start_pace(struct srcu_struct *ssp, uint64_t now)
{
	if (ssp->gp_due)
		return;
	ssp->gp_due = now + ssp->pace_ns;
	if (ssp->gp_due < now)
		ssp->gp_due = UINT64_MAX;
}

static void srcu_need(struct srcu_struct *ssp, unsigned long cookie)
{
	if ((long)(cookie - ssp->gp_needed) > 0)
		ssp->gp_needed = cookie;
}

/*
 * Gathers others' requests until the pace is over, or an expedited one comes
 * first.  The worker may do the same meanwhile; nothing depends on it, so that
 * a callback may wait, and a callback's lock may be held.
 */
static void srcu_gather(struct srcu_struct *ssp, unsigned long cookie)
{
	uint64_t now = monotonic_ns();
	unsigned int seq;

	srcu_need(ssp, cookie);
	srcu_start_pace(ssp, now);
	while (!srcu_gp_done(ssp->gp_seq, cookie) && !srcu_gp_wanted_now(ssp) &&
	       now < ssp->gp_due) {
		seq = __atomic_load_n(&ssp->wake_seq, __ATOMIC_ACQUIRE);
		srcu_sleep(ssp, seq, ssp->gp_due - now);
		now = monotonic_ns();
	}
}

void synchronize_srcu(struct srcu_struct *ssp)
{
	unsigned long cookie;
	bool now;

	srcu_prepare(ssp);
	if (srcu_tracked(ssp))
		srcu_track_wait(ssp, __builtin_return_address(0));
	pthread_mutex_lock(&ssp->lock);
	cookie = srcu_gp_snap(ssp->gp_seq);
	now = srcu_idle_for_long(ssp);
	if (!now)
		srcu_gather(ssp, cookie);
	srcu_gp_drive(ssp, cookie, false);
	ssp->gp_last_end = monotonic_ns();
	pthread_mutex_unlock(&ssp->lock);
}

void srcu_expedite_current(struct srcu_struct *ssp)
{
	bool wanted;

	pthread_mutex_lock(&ssp->lock);
	wanted = srcu_gp_wanted(ssp);
	ssp->gp_urgent = wanted;
	if (wanted && ssp->sleepers)
		srcu_wake_sleepers(ssp);
	pthread_mutex_unlock(&ssp->lock);
	if (wanted)
		srcu_worker_kick(ssp, SRCU_NOW);
}

void srcu_set_pace(struct srcu_struct *ssp, uint64_t pace_ns)
{
	pthread_mutex_lock(&ssp->lock);
	ssp->pace_ns = pace_ns;
	ssp->gp_due = 0;
	if (ssp->sleepers)
		srcu_wake_sleepers(ssp);
	pthread_mutex_unlock(&ssp->lock);
	srcu_worker_poke(SRCU_NOW);
}

unsigned long get_state_synchronize_srcu(struct srcu_struct *ssp)
{
	/*
	 * Orders the caller's stores before the load of the number: a grace
	 * period that has not begun by then has its fence after those stores.
	 */
	__srcu_fence();
	return srcu_gp_snap(__atomic_load_n(&ssp->gp_seq, __ATOMIC_ACQUIRE));
}

unsigned long start_poll_synchronize_srcu(struct srcu_struct *ssp)
{
	unsigned long cookie;

	srcu_prepare(ssp);
	pthread_mutex_lock(&ssp->lock);
	cookie = srcu_gp_snap(ssp->gp_seq);
	srcu_need(ssp, cookie);
	pthread_mutex_unlock(&ssp->lock);
	srcu_worker_kick(ssp, SRCU_SOON);
	return cookie;
}

bool poll_state_synchronize_srcu(struct srcu_struct *ssp, unsigned long cookie)
{
	unsigned long seq = __atomic_load_n(&ssp->gp_seq, __ATOMIC_ACQUIRE);

	if (!srcu_gp_done(seq, cookie))
		return false;
	/* Orders the sections that ended before what the caller does now. */
	__srcu_fence();
	return true;
}

void srcu_get_stats(struct srcu_struct *ssp, struct srcu_stats *stats)
{
	pthread_mutex_lock(&ssp->lock);
	stats->grace_periods = ssp->stats.grace_periods;
	stats->expedited = ssp->stats.expedited;
	stats->promoted = ssp->stats.promoted;
	stats->callbacks = ssp->stats.callbacks;
	stats->longest_wait_ns = ssp->stats.longest_wait_ns;
	stats->membarriers = ssp->stats.membarriers;
	pthread_mutex_unlock(&ssp->lock);
}
