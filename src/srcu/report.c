// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "srcu/futex.h"
#include "srcu/abandoned.h"
#include "srcu/gp.h"
#include "srcu/report.h"

static void (*report_hook)(enum bf_srcu_report what, const char *text);
static unsigned int stall_timeout_ms = 10000;

void bf_srcu_set_report_hook(void (*hook)(enum bf_srcu_report what,
					  const char *text))
{
	__atomic_store_n(&report_hook, hook, __ATOMIC_RELEASE);
}

void bf_srcu_text_add(struct bf_srcu_text *text, const char *format, ...)
{
	size_t room = sizeof(text->buf) - text->len;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text->buf + text->len, room, format, args);
	va_end(args);
	if (len > 0)
		text->len += (size_t)len < room ? (size_t)len : room - 1;
}

void bf_srcu_text_add_place(struct bf_srcu_text *text, void *place)
{
	Dl_info info;

	if (!dladdr(place, &info))
		bf_srcu_text_add(text, "%p", place);
	else if (info.dli_sname)
		bf_srcu_text_add(
			text, "%s+%#lx (%s)", info.dli_sname,
			(unsigned long)((char *)place - (char *)info.dli_saddr),
			info.dli_fname);
	else
		bf_srcu_text_add(text, "%s+%#lx", info.dli_fname,
				 (unsigned long)((char *)place -
						 (char *)info.dli_fbase));
}

void bf_srcu_send_report(enum bf_srcu_report what,
			 const struct bf_srcu_text *text)
{
	void (*hook)(enum bf_srcu_report, const char *) =
		__atomic_load_n(&report_hook, __ATOMIC_ACQUIRE);

	if (hook)
		hook(what, text->buf);
	else
		bf_log(text->buf);
}

void bf_srcu_set_stall_timeout(unsigned int ms)
{
	__atomic_store_n(&stall_timeout_ms, ms, __ATOMIC_RELAXED);
}

uint64_t bf_srcu_stall_due_ns(const struct bf_srcu *ssp)
{
	uint64_t limit, waited;

	limit = __atomic_load_n(&stall_timeout_ms, __ATOMIC_RELAXED) *
		NSEC_PER_MSEC;
	if (!limit || !ssp->gp_blocked)
		return UINT64_MAX;
	waited = bf_now_ns() - ssp->gp_stalled;
	return waited < limit ? limit - waited : 0;
}

/*
 * A section may begin on one CPU and end on another, so only the sum over all
 * CPUs is the number of readers.  The balances show where they began.
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

void bf_srcu_stall_check(struct bf_srcu *ssp)
{
	struct bf_srcu_text text = {.len = 0};
	uint64_t age_ms;

	bf_srcu_find_abandoned(ssp);
	if (bf_srcu_stall_due_ns(ssp))
		return;
	ssp->gp_stalled = bf_now_ns();
	age_ms = (ssp->gp_stalled - ssp->gp_blocked) / NSEC_PER_MSEC;
	bf_srcu_text_add(&text,
			 "belfry: SRCU domain %s: a grace period has waited "
			 "%llu ms for readers; ",
			 ssp->name, (unsigned long long)age_ms);
	/* It waits for the bank that new readers do not use. */
	add_slots(&text, ssp, (int)ssp->idx ^ 1);
	if (ssp->tracked)
		bf_srcu_track_describe(&text, ssp);
	pthread_mutex_unlock(&ssp->lock);
	bf_srcu_send_report(BF_SRCU_REPORT_STALL, &text);
	pthread_mutex_lock(&ssp->lock);
}
