// SPDX-License-Identifier: MIT
#include "srcu/futex.h"
#include "srcu/gp.h"
#include "srcu/report.h"
#include "srcu/stall.h"
#include "srcu/track.h"

static unsigned int stall_timeout_ms = 10000;

void bf_srcu_set_stall_timeout(unsigned int ms)
{
	__atomic_store_n(&stall_timeout_ms, ms, __ATOMIC_RELAXED);
}

static uint64_t stall_timeout_ns(void)
{
	return __atomic_load_n(&stall_timeout_ms, __ATOMIC_RELAXED) *
	       NSEC_PER_MSEC;
}

uint64_t bf_srcu_stall_timeout(const struct bf_srcu *ssp, uint64_t timeout_ns)
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
static void add_slots(struct bf_srcu_text *text, struct bf_srcu *ssp, int bank)
{
	unsigned int i, nr = ssp->slots ? bf_srcu_nr_slots : 0;
	long balance;

	bf_srcu_text_add(text, "entered less left, by CPU:");
	for (i = 0; i < nr; i++) {
		balance = bf_srcu_slot_balance(&ssp->slots[i], bank);
		if (balance)
			bf_srcu_text_add(text, " %u:%+ld", i, balance);
	}
	balance = bf_srcu_slot_balance(&ssp->boot, bank);
	if (balance)
		bf_srcu_text_add(text, " early:%+ld", balance);
	bf_srcu_text_add(text, "\n");
}

static void report_stall(struct bf_srcu *ssp, uint64_t now)
{
	struct bf_srcu_text text = {.len = 0};
	uint64_t age_ms = (now - ssp->gp_blocked) / NSEC_PER_MSEC;

	bf_srcu_text_add(
		&text,
		"belfry: SRCU domain %s: a grace period has waited %llu "
		"ms for readers; ",
		ssp->name, (unsigned long long)age_ms);
	/* The bank that new readers leave alone is the one waited for. */
	add_slots(&text, ssp, (int)ssp->idx ^ 1);
	if (bf_srcu_tracked(ssp))
		bf_srcu_track_describe(&text, ssp);
	pthread_mutex_unlock(&ssp->lock);
	bf_srcu_report(BF_SRCU_REPORT_STALL, &text);
	pthread_mutex_lock(&ssp->lock);
}

void bf_srcu_stall_check(struct bf_srcu *ssp)
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
