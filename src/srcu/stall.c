// SPDX-License-Identifier: MIT
#include "srcu/futex.h"
#include "srcu/gp.h"
#include "srcu/report.h"
#include "srcu/stall.h"
#include "srcu/track.h"

static unsigned int stall_timeout_ms = 10000;

void srcu_set_stall_timeout(unsigned int ms)
{
	__atomic_store_n(&stall_timeout_ms, ms, __ATOMIC_RELAXED);
}

static uint64_t stall_timeout_ns(void)
{
	return __atomic_load_n(&stall_timeout_ms, __ATOMIC_RELAXED) *
	       NSEC_PER_MSEC;
}

uint64_t srcu_stall_timeout(const struct srcu_struct *ssp, uint64_t timeout_ns)
{
	uint64_t limit = stall_timeout_ns(), now, left;

	if (!limit || !ssp->gp_blocked)
		return timeout_ns;
	now = monotonic_ns();
	left = ssp->gp_stalled + limit > now ? ssp->gp_stalled + limit - now :
					       0;
	return left < timeout_ns ? left : timeout_ns;
}

/*
 * A section may begin on one CPU and end on another: only the sum over all is
 * the number of readers, but where they began is a start.
 */
static void add_slots(struct srcu_text *text, struct srcu_struct *ssp, int bank)
{
	unsigned int i, nr = ssp->slots ? srcu_nr_slots : 0;
	long balance;

	srcu_text_add(text, "entered less left, by CPU:");
	for (i = 0; i < nr; i++) {
		balance = srcu_slot_balance(&ssp->slots[i], bank);
		if (balance)
			srcu_text_add(text, " %u:%+ld", i, balance);
	}
	balance = srcu_slot_balance(&ssp->boot, bank);
	if (balance)
		srcu_text_add(text, " early:%+ld", balance);
	srcu_text_add(text, "\n");
}

static void report_stall(struct srcu_struct *ssp, uint64_t now)
{
	struct srcu_text text = {.len = 0};
	uint64_t age_ms = (now - ssp->gp_blocked) / NSEC_PER_MSEC;

	srcu_text_add(&text,
		      "belfry: SRCU domain %s: a grace period has waited %llu "
		      "ms for readers; ",
		      ssp->name, (unsigned long long)age_ms);
	/* The bank that new readers leave alone is the one waited for. */
	add_slots(&text, ssp, (int)ssp->idx ^ 1);
	if (srcu_tracked(ssp))
		srcu_track_describe(&text, ssp);
	pthread_mutex_unlock(&ssp->lock);
	srcu_report(SRCU_REPORT_STALL, &text);
	pthread_mutex_lock(&ssp->lock);
}

void srcu_stall_check(struct srcu_struct *ssp)
{
	uint64_t limit = stall_timeout_ns(), now;

	if (!limit || !ssp->gp_blocked)
		return;
	now = monotonic_ns();
	if (now - ssp->gp_stalled < limit)
		return;
	ssp->gp_stalled = now;
	report_stall(ssp, now);
}
