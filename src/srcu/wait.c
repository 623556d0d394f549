// SPDX-License-Identifier: MIT
/*
 * Waiting for grace periods.  A thread that waits drives the grace period
 * itself, in turns with the other waiters and the worker: it holds the lock for
 * a step, never across a sleep.
 */
#include "base/cpu.h"
#include "srcu/membarrier.h"
#include "srcu/report.h"
#include "srcu/wait.h"
#include "srcu/worker.h"

/*
 * Steps before a sleep, for a reader on another CPU that is about to leave.  A
 * model has less.
 */
#ifndef SRCU_SPINS
#define SRCU_SPINS 64
#endif

/* A normal request begins at once after this long without a request. */
#define SRCU_HOLDOFF_NS 25000

/* Makes every sleeper of the domain look again. */
static void wake_sleepers(struct bf_srcu *ssp)
{
	__atomic_fetch_add(&ssp->wake_seq, 1, __ATOMIC_RELEASE);
	futex_wake_all(&ssp->wake_seq);
}

/*
 * A reader calls this when it left a section and saw ssp->waiting.  Only the
 * last reader of the awaited bank wakes the sleepers; for the others the flag
 * stays set, and the last reader sees it.  The fence orders this reader's exit
 * before its scan:
 *
 * - against the exit and the scan of another leaving reader: of two readers
 *   that leave at once, one sees both exits.  Without the fence each may leave
 *   the wake-up to the other.
 * - against a flip and the announcement behind it
 *   (bf_srcu_gp_announce_sleep()): either this reader sees the new bank, or the
 *   step behind the announcement sees this exit.  Without the fence the reader
 *   may scan the wrong bank while the step reads an old count.
 *
 * The exchange lets one of several readers do the work; the wake-up itself
 * orders it, so it is relaxed.  A sleeper that still has to wait announces
 * itself again.
 */
void __bf_srcu_wake(struct bf_srcu *ssp, int idx)
{
	unsigned int sleepers;

	__bf_srcu_fence();
	if (idx == __bf_srcu_bank(ssp) || !bf_srcu_gp_bank_left(ssp))
		return;
	sleepers = __atomic_exchange_n(&ssp->waiting, 0, __ATOMIC_RELAXED);
	if (sleepers & SRCU_WAIT_SYNC)
		wake_sleepers(ssp);
	if (sleepers & SRCU_WAIT_WORKER)
		bf_srcu_worker_poke(SRCU_NOW);
}

static void want_membarrier(struct bf_srcu *ssp)
{
	if (ssp->membarrier)
		ssp->gp_membarrier = bf_srcu_membarrier_next();
}

uint64_t bf_srcu_gp_sleep_ns(const struct bf_srcu *ssp)
{
	uint64_t stall_ns = bf_srcu_stall_due_ns(ssp);
	uint64_t sleep_ns = SRCU_RECHECK_MAX_NS, age_ns;

	if (!ssp->membarrier) {
		age_ns = bf_now_ns() - ssp->gp_announced_ns;
		if (age_ns < SRCU_RECHECK_MAX_NS)
			sleep_ns = SRCU_RECHECK_NS + age_ns;
	}
	return stall_ns < sleep_ns ? stall_ns : sleep_ns;
}

void bf_srcu_gp_begin(struct bf_srcu *ssp, bool expedited)
{
	if (expedited) {
		ssp->stats.expedited++;
		ssp->stats.promoted += bf_srcu_gp_wanted_paced(ssp);
	}
	ssp->gp_due = 0;
	bf_srcu_gp_start(ssp);
	want_membarrier(ssp);
}

bool bf_srcu_gp_wants_membarrier(const struct bf_srcu *ssp)
{
	return ssp->gp_membarrier &&
	       !bf_srcu_membarrier_done(ssp->gp_membarrier);
}

/* Wakes the worker if it sleeps; bf_srcu_gp_step() wakes the other sleepers. */
static void end_wait(struct bf_srcu *ssp)
{
	uint64_t waited = bf_now_ns() - ssp->gp_blocked;

	ssp->gp_blocked = 0;
	if (waited > ssp->stats.longest_wait_ns)
		ssp->stats.longest_wait_ns = waited;
	if (__atomic_exchange_n(&ssp->waiting, 0, __ATOMIC_RELAXED) &
	    SRCU_WAIT_WORKER)
		bf_srcu_worker_poke(SRCU_NEXT);
}

bool bf_srcu_gp_step(struct bf_srcu *ssp)
{
	if (bf_srcu_gp_wants_membarrier(ssp)) {
		bf_srcu_membarrier();
		ssp->stats.membarriers++;
	}
	if (!bf_srcu_gp_advance(ssp))
		return false;
	if (ssp->gp_blocked)
		end_wait(ssp);
	if (ssp->sleepers)
		wake_sleepers(ssp);
	if (ssp->cb_done && !ssp->cb_running)
		bf_srcu_worker_kick(ssp, SRCU_NEXT);
	return true;
}

bool bf_srcu_gp_announce_sleep(struct bf_srcu *ssp, unsigned int sleeper)
{
	if (ssp->gp_announced == ssp->gp_seq &&
	    __atomic_load_n(&ssp->waiting, __ATOMIC_RELAXED) & sleeper)
		return false;
	ssp->gp_announced = ssp->gp_seq;
	ssp->gp_announced_ns = bf_now_ns();
	if (!ssp->gp_blocked)
		ssp->gp_blocked = ssp->gp_stalled = ssp->gp_announced_ns;
	__atomic_fetch_or(&ssp->waiting, sleeper, __ATOMIC_RELAXED);
	__bf_srcu_fence();
	want_membarrier(ssp);
	return true;
}

/* Steps for a few microseconds; true: the grace period is over. */
static bool gp_spin(struct bf_srcu *ssp)
{
	int i;

	for (i = 0; i < SRCU_SPINS; i++) {
		if (bf_srcu_gp_step(ssp))
			return true;
		bf_cpu_relax();
	}
	return false;
}

/* Sleeps until wake_seq is not seq; drops the lock meanwhile. */
static void sleep_for_readers(struct bf_srcu *ssp, unsigned int seq,
			      uint64_t timeout_ns)
{
	ssp->sleepers++;
	pthread_mutex_unlock(&ssp->lock);
	futex_wait(&ssp->wake_seq, seq, timeout_ns);
	pthread_mutex_lock(&ssp->lock);
	ssp->sleepers--;
}

/* Waits for readers of the grace period in progress. */
static void gp_wait(struct bf_srcu *ssp)
{
	unsigned int seq;

	if (gp_spin(ssp))
		return;
	/*
	 * Read before the announcement: a reader that sees the announcement
	 * changes wake_seq.  Acquire, with the release in wake_sleepers(): an
	 * updater that reads the number of a wake-up sees that the reader has
	 * cleared the announcement, and announces again.  Without it this
	 * updater may sleep unannounced.
	 */
	seq = __atomic_load_n(&ssp->wake_seq, __ATOMIC_ACQUIRE);
	while (bf_srcu_gp_announce_sleep(ssp, SRCU_WAIT_SYNC))
		if (bf_srcu_gp_step(ssp))
			return;
	sleep_for_readers(ssp, seq, bf_srcu_gp_sleep_ns(ssp));
	/* Another thread may have ended it meanwhile. */
	if (bf_srcu_gp_phase(ssp) != SRCU_GP_IDLE && !bf_srcu_gp_step(ssp))
		bf_srcu_stall_check(ssp);
}

/* Drives grace periods until that of cookie is over.  Lock held. */
static void gp_drive(struct bf_srcu *ssp, unsigned long cookie, bool expedited)
{
	while (!bf_srcu_gp_done(ssp->gp_seq, cookie)) {
		if (bf_srcu_gp_phase(ssp) == SRCU_GP_IDLE)
			bf_srcu_gp_begin(
				ssp, expedited || bf_srcu_gp_wanted_now(ssp));
		if (!bf_srcu_gp_step(ssp))
			gp_wait(ssp);
	}
}

/* Begins a wait: takes the lock. */
static void wait_begin(struct bf_srcu *ssp, void *place)
{
	if (ssp->tracked)
		bf_srcu_track_wait(ssp, place);
	pthread_mutex_lock(&ssp->lock);
}

void bf_srcu_synchronize_expedited(struct bf_srcu *ssp)
{
	wait_begin(ssp, __builtin_return_address(0));
	gp_drive(ssp, bf_srcu_gp_snap(ssp->gp_seq), true);
	pthread_mutex_unlock(&ssp->lock);
}

bool bf_srcu_gp_try(struct bf_srcu *ssp)
{
	unsigned long cookie;
	bool done;

	pthread_mutex_lock(&ssp->lock);
	cookie = bf_srcu_gp_snap(ssp->gp_seq);
	do {
		if (bf_srcu_gp_phase(ssp) == SRCU_GP_IDLE)
			bf_srcu_gp_begin(ssp, true);
		done = bf_srcu_gp_step(ssp);
	} while (done && !bf_srcu_gp_done(ssp->gp_seq, cookie));
	pthread_mutex_unlock(&ssp->lock);
	return done;
}

#define TRY_EVERY_NS 50000

bool bf_srcu_synchronize_until(struct bf_srcu *ssp, uint64_t until_ns)
{
	const unsigned long cookie = bf_srcu_get_state(ssp);
	unsigned int never = 0;

	while (!bf_srcu_gp_try(ssp) && !bf_srcu_poll_state(ssp, cookie)) {
		if (bf_now_ns() >= until_ns)
			return false;
		futex_wait(&never, 0, TRY_EVERY_NS);
	}
	return true;
}

/* No request for a while: there is nothing to gather. */
static bool idle_for_long(struct bf_srcu *ssp)
{
	return bf_srcu_gp_phase(ssp) == SRCU_GP_IDLE &&
	       !bf_srcu_gp_wanted(ssp) &&
	       bf_now_ns() - ssp->gp_last_end > SRCU_HOLDOFF_NS;
}

void bf_srcu_start_pace(struct bf_srcu *ssp, uint64_t now)
{
	if (ssp->gp_due)
		return;
	ssp->gp_due = now + ssp->pace_ns;
	if (ssp->gp_due < now)
		ssp->gp_due = UINT64_MAX;
}

static void gp_need(struct bf_srcu *ssp, unsigned long cookie)
{
	if ((long)(cookie - ssp->gp_needed) > 0)
		ssp->gp_needed = cookie;
}

/*
 * Gathers requests of others until the pace is over, or until an expedited one
 * comes.  Does not depend on the worker, so a callback may wait here, and so
 * may a thread that holds a lock which callbacks take.
 */
static void gather_requests(struct bf_srcu *ssp, unsigned long cookie)
{
	uint64_t now = bf_now_ns();
	unsigned int seq;

	gp_need(ssp, cookie);
	bf_srcu_start_pace(ssp, now);
	while (!bf_srcu_gp_done(ssp->gp_seq, cookie) &&
	       !bf_srcu_gp_wanted_now(ssp) && now < ssp->gp_due) {
		seq = __atomic_load_n(&ssp->wake_seq, __ATOMIC_RELAXED);
		sleep_for_readers(ssp, seq, ssp->gp_due - now);
		now = bf_now_ns();
	}
}

void bf_srcu_synchronize(struct bf_srcu *ssp)
{
	unsigned long cookie;

	wait_begin(ssp, __builtin_return_address(0));
	cookie = bf_srcu_gp_snap(ssp->gp_seq);
	if (!idle_for_long(ssp))
		gather_requests(ssp, cookie);
	gp_drive(ssp, cookie, false);
	ssp->gp_last_end = bf_now_ns();
	pthread_mutex_unlock(&ssp->lock);
}

void bf_srcu_expedite_current(struct bf_srcu *ssp)
{
	bool wanted;

	pthread_mutex_lock(&ssp->lock);
	wanted = bf_srcu_gp_wanted(ssp) ||
		 __atomic_load_n(&ssp->cb_next, __ATOMIC_RELAXED);
	ssp->gp_urgent = wanted;
	if (wanted && ssp->sleepers)
		wake_sleepers(ssp);
	pthread_mutex_unlock(&ssp->lock);
	if (wanted)
		bf_srcu_worker_kick(ssp, SRCU_NOW);
}

void bf_srcu_set_pace(struct bf_srcu *ssp, uint64_t pace_ns)
{
	pthread_mutex_lock(&ssp->lock);
	ssp->pace_ns = pace_ns;
	ssp->gp_due = 0;
	if (ssp->sleepers)
		wake_sleepers(ssp);
	pthread_mutex_unlock(&ssp->lock);
	bf_srcu_worker_poke(SRCU_NOW);
}

unsigned long bf_srcu_start_poll(struct bf_srcu *ssp)
{
	unsigned long cookie;

	/*
	 * Makes the call a full barrier, as bf_srcu_get_state() is.  The lock
	 * alone orders the caller's earlier stores before the fence of the
	 * grace period.
	 */
	__bf_srcu_fence();
	pthread_mutex_lock(&ssp->lock);
	cookie = bf_srcu_gp_snap(ssp->gp_seq);
	gp_need(ssp, cookie);
	pthread_mutex_unlock(&ssp->lock);
	bf_srcu_worker_kick(ssp, SRCU_SOON);
	return cookie;
}

void bf_srcu_get_stats(struct bf_srcu *ssp, struct bf_srcu_stats *stats)
{
	pthread_mutex_lock(&ssp->lock);
	*stats = ssp->stats;
	pthread_mutex_unlock(&ssp->lock);
}
