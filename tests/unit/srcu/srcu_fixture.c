// SPDX-License-Identifier: MIT
#include <string.h>

#include "tests/flags.h"
#include "srcu_fixture.h"

void setup_domain(struct srcu_struct *ssp)
{
	assert_int_equal(init_srcu_struct(ssp), 0);
}

void end_domain(struct srcu_struct *ssp)
{
	srcu_barrier(ssp);
	assert_int_equal(cleanup_srcu_struct(ssp), 0);
}

static void holder_stay(struct holder *holder)
{
	set(&holder->inside, 1);
	wait_for(&holder->leave, 1);
	set(&holder->left, 1);
}

static void *hold_section(void *arg)
{
	struct holder *holder = arg;
	int idx = srcu_read_lock(holder->ssp);

	holder_stay(holder);
	srcu_read_unlock(holder->ssp, idx);
	return NULL;
}

static void *hold_fast_section(void *arg)
{
	struct holder *holder = arg;
	struct srcu_ctr *scp = srcu_read_lock_fast(holder->ssp);

	holder_stay(holder);
	srcu_read_unlock_fast(holder->ssp, scp);
	return NULL;
}

static void holder_start_thread(struct holder *holder, struct srcu_struct *ssp,
				void *(*thread)(void *arg))
{
	memset(holder, 0, sizeof(*holder));
	holder->ssp = ssp;
	pthread_create(&holder->thread, NULL, thread, holder);
	wait_for(&holder->inside, 1);
}

void holder_start(struct holder *holder, struct srcu_struct *ssp)
{
	holder_start_thread(holder, ssp, hold_section);
}

void holder_start_fast(struct holder *holder, struct srcu_struct *ssp)
{
	holder_start_thread(holder, ssp, hold_fast_section);
}

void holder_end(struct holder *holder)
{
	set(&holder->leave, 1);
	pthread_join(holder->thread, NULL);
}

static void *wait_thread(void *arg)
{
	struct waiter *waiter = arg;

	set(&waiter->began, 1);
	waiter->wait(waiter->ssp);
	if (waiter->holder)
		waiter->holder_had_left = get(&waiter->holder->left);
	set(&waiter->done, 1);
	return NULL;
}

void waiter_start(struct waiter *waiter, struct srcu_struct *ssp,
		  void (*wait)(struct srcu_struct *ssp), struct holder *holder)
{
	memset(waiter, 0, sizeof(*waiter));
	waiter->ssp = ssp;
	waiter->wait = wait;
	waiter->holder = holder;
	pthread_create(&waiter->thread, NULL, wait_thread, waiter);
	wait_for(&waiter->began, 1);
}
