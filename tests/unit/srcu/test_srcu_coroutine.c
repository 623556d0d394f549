// SPDX-License-Identifier: MIT
/*
 * Readers in a coroutine that moves between two threads, as QEMU's coroutines
 * do.  Each access must use the restartable sequence, the CPU and the tracked
 * sections of the thread that runs the coroutine now.  With those of another
 * thread counts would be lost, because both threads read at the same time.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "srcu/gp.h"

#define MOVES	   2000
#define STACK_SIZE 65536

static struct srcu_struct domain;
static ucontext_t coroutine, threads[2];
static unsigned int runs_on; /* which thread runs the coroutine */
static int turn;	     /* which thread may resume it; 2: it has ended */
static unsigned long sections[2]; /* of the threads themselves */
static int reports;

static void count_report(enum bf_srcu_report what, const char *text)
{
	__atomic_fetch_add(&reports, 1, __ATOMIC_RELAXED);
}

/* Stops here and goes on in the other thread. */
static void move(void)
{
	swapcontext(&coroutine, &threads[runs_on]);
}

/*
 * One function, so that a compiler that keeps the address of a thread-local
 * variable would keep it across the moves.
 */
static void coroutine_main(void)
{
	int down, idx;

	for (unsigned int i = 0; i < MOVES; i++) {
		idx = srcu_read_lock(&domain);
		srcu_read_unlock(&domain, idx);
		down = srcu_down_read(&domain);
		move();
		idx = srcu_read_lock(&domain);
		srcu_up_read(&domain, down);
		srcu_read_unlock(&domain, idx);
	}
	__atomic_store_n(&turn, 2, __ATOMIC_RELEASE);
	move();
}

static void pin(unsigned int nth)
{
	cpu_set_t cpus, one;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &cpus) && !nth--) {
			CPU_SET(cpu, &one);
			sched_setaffinity(0, sizeof(one), &one);
		}
	}
}

static void resume(unsigned int me)
{
	runs_on = me;
	swapcontext(&threads[me], &coroutine);
	if (__atomic_load_n(&turn, __ATOMIC_RELAXED) != 2)
		__atomic_store_n(&turn, (int)!me, __ATOMIC_RELEASE);
}

/* Reads while the coroutine is in the other thread. */
static void *thread_main(void *arg)
{
	unsigned int me = (unsigned int)(uintptr_t)arg;
	int now;

	pin(me);
	while ((now = __atomic_load_n(&turn, __ATOMIC_ACQUIRE)) != 2) {
		if (now == (int)me)
			resume(me);
		srcu_read_unlock(&domain, srcu_read_lock(&domain));
		sections[me]++;
	}
	return NULL;
}

/* In all slots, of both banks; a lost count shows. */
static unsigned long count_entries(void)
{
	unsigned long sum = 0;

	for (unsigned int bank = 0; bank < 2; bank++) {
		sum += domain.boot.atomic_lock[bank];
		for (unsigned int i = 0; domain.slots && i < bf_srcu_nr_slots;
		     i++)
			sum += domain.slots[i].lock[bank] +
			       domain.slots[i].atomic_lock[bank];
	}
	return sum;
}

static void read_in_two_threads(void)
{
	static char stack[STACK_SIZE];
	pthread_t ids[2];
	uintptr_t i;

	getcontext(&coroutine);
	coroutine.uc_stack.ss_sp = stack;
	coroutine.uc_stack.ss_size = sizeof(stack);
	makecontext(&coroutine, coroutine_main, 0);
	turn = 0;
	sections[0] = sections[1] = 0;
	for (i = 0; i < 2; i++)
		pthread_create(&ids[i], NULL, thread_main, (void *)i);
	for (i = 0; i < 2; i++)
		pthread_join(ids[i], NULL);
}

static void check_domain(void)
{
	assert_int_equal(count_entries(),
			 3UL * MOVES + sections[0] + sections[1]);
	assert_false(bf_srcu_gp_readers(&domain));
	synchronize_srcu_expedited(&domain);
	assert_int_equal(cleanup_srcu_struct(&domain), 0);
}

static void test_coroutine_moves(void **state)
{
	assert_int_equal(init_srcu_struct(&domain), 0);
	read_in_two_threads();
	check_domain();
}

/* Each section ends in its thread, so tracking has nothing to report. */
static void test_coroutine_moves_with_tracking(void **state)
{
	bf_srcu_set_report_hook(count_report);
	bf_srcu_set_tracking(true);
	assert_int_equal(init_srcu_struct(&domain), 0);
	read_in_two_threads();
	check_domain();
	assert_int_equal(reports, 0);
	bf_srcu_set_tracking(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_coroutine_moves),
		cmocka_unit_test(test_coroutine_moves_with_tracking),
	};

#ifdef __BF_SRCU_TSAN
	/* ThreadSanitizer does not follow swapcontext(). */
	return 77;
#endif
	return cmocka_run_group_tests_name("srcu_coroutine", tests, NULL, NULL);
}
