// SPDX-License-Identifier: MIT
/*
 * System calls of readers, updaters and the worker, and their sleeps.  The
 * library makes all of its futex(2) and membarrier(2) calls by syscall(), and
 * this test is linked with --wrap=syscall to count them.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>

#include <cmocka.h>

#include "tests/flags.h"
#include "srcu/futex.h"
#include "srcu/gp.h"

#define NR_SECTIONS 1000
#define HOUR_NS	    (3600 * NSEC_PER_SEC)
#define ASLEEP_MS   300

struct calls {
	int wakes; /* FUTEX_WAKE_PRIVATE */
	int waits; /* other futex calls, counted when they begin */
	int membarriers;
};

static struct calls all; /* calls of all threads */
static __thread struct calls mine;
static int asleep_without_timeout; /* number of threads */

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static void count(int *whole, int *own)
{
	__atomic_fetch_add(whole, 1, __ATOMIC_SEQ_CST);
	++*own;
}

static bool waits_without_timeout(long number, const long *args)
{
	return number == SYS_futex && (int)args[1] == FUTEX_WAIT_PRIVATE &&
	       !args[3];
}

static void count_call(long number, const long *args)
{
	if (number == SYS_membarrier)
		count(&all.membarriers, &mine.membarriers);
	else if (number == SYS_futex && (int)args[1] == FUTEX_WAKE_PRIVATE)
		count(&all.wakes, &mine.wakes);
	else if (number == SYS_futex)
		count(&all.waits, &mine.waits);
}

long __wrap_syscall(long number, ...)
{
	bool no_timeout;
	va_list list;
	long args[6] = {0}, ret;
	int i;

	va_start(list, number);
	for (i = 0; i < (number == SYS_membarrier ? 3 : 6); i++)
		args[i] = va_arg(list, long);
	va_end(list);
	count_call(number, args);
	no_timeout = waits_without_timeout(number, args);
	if (no_timeout)
		__atomic_fetch_add(&asleep_without_timeout, 1,
				   __ATOMIC_SEQ_CST);
	ret = __real_syscall(number, args[0], args[1], args[2], args[3],
			     args[4], args[5]);
	if (no_timeout)
		__atomic_fetch_sub(&asleep_without_timeout, 1,
				   __ATOMIC_SEQ_CST);
	return ret;
}

static struct srcu_struct ssp;
static bool fast; /* ssp is a fast domain */

static int setup_fenced(void **state)
{
	fast = false;
	return init_srcu_struct(&ssp);
}

static int setup_fast(void **state)
{
	fast = true;
	return init_srcu_struct_fast(&ssp);
}

static int teardown(void **state)
{
	srcu_barrier(&ssp);
	return cleanup_srcu_struct(&ssp);
}

static void enter_and_leave(void)
{
	int idx;

	if (fast) {
		srcu_read_unlock_fast(&ssp, srcu_read_lock_fast(&ssp));
	} else {
		idx = srcu_read_lock(&ssp);
		srcu_read_unlock(&ssp, idx);
	}
	srcu_up_read(&ssp, srcu_down_read(&ssp));
}

static void *many_sections(void *arg)
{
	struct calls *calls = arg;
	int i;

	for (i = 0; i < NR_SECTIONS; i++)
		enter_and_leave();
	*calls = mine;
	return NULL;
}

static struct calls calls_of_many_sections(void)
{
	struct calls calls;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, many_sections, &calls),
			 0);
	pthread_join(thread, NULL);
	return calls;
}

static void assert_no_calls(struct calls calls)
{
	assert_int_equal(calls.wakes, 0);
	assert_int_equal(calls.waits, 0);
	assert_int_equal(calls.membarriers, 0);
}

static void test_readers_make_no_calls(void **state)
{
	assert_no_calls(calls_of_many_sections());
}

/* With no reader inside, a fast domain makes one membarrier call. */
static void test_expedited_makes_no_wake(void **state)
{
	int i;

	mine = (struct calls){0};
	for (i = 0; i < 10; i++)
		synchronize_srcu_expedited(&ssp);
	assert_int_equal(mine.wakes, 0);
	assert_int_equal(mine.waits, 0);
	assert_int_equal(mine.membarriers, ssp.membarrier ? 10 : 0);
}

struct waiter {
	pthread_t thread;
	uint64_t slept_ns, cpu_ns;
	int done;
};

static uint64_t thread_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void *wait_for_readers(void *arg)
{
	struct waiter *waiter = arg;
	uint64_t cpu = thread_cpu_ns(), begin = bf_now_ns();

	synchronize_srcu_expedited(&ssp);
	waiter->slept_ns = bf_now_ns() - begin;
	waiter->cpu_ns = thread_cpu_ns() - cpu;
	set(&waiter->done, 1);
	return NULL;
}

/* Polls until condition(), called with the domain's lock held, is true. */
static void wait_until(bool (*condition)(void))
{
	bool met;

	for (;;) {
		pthread_mutex_lock(&ssp.lock);
		met = condition();
		pthread_mutex_unlock(&ssp.lock);
		if (met)
			return;
		usleep(100);
	}
}

static bool has_sleeper(void)
{
	return ssp.sleepers;
}

static bool is_pacing(void)
{
	return ssp.gp_due;
}

/* Returns when the waiter has flipped the banks and announced its sleep. */
static void start_waiter(struct waiter *waiter)
{
	waiter->done = 0;
	assert_int_equal(pthread_create(&waiter->thread, NULL, wait_for_readers,
					waiter),
			 0);
	wait_until(has_sleeper);
}

/*
 * Of two readers that the updater waits for, the last to leave wakes it, once.
 * In a fenced domain the updater may see the last one leave before it sleeps;
 * then there is no wake.
 */
static int wakes_by_last_reader(void)
{
	struct waiter waiter;
	int first = srcu_down_read(&ssp), second = srcu_down_read(&ssp);

	start_waiter(&waiter);
	mine = (struct calls){0};
	srcu_up_read(&ssp, first);
	assert_int_equal(mine.wakes, 0);
	assert_int_equal(get(&waiter.done), 0);
	assert_no_calls(calls_of_many_sections());
	srcu_up_read(&ssp, second);
	pthread_join(waiter.thread, NULL);
	assert_in_range(mine.wakes, 0, 1);
	return mine.wakes;
}

static void test_last_reader_wakes(void **state)
{
	int rounds = 0, woken = 0;

	while (!woken) {
		woken = wakes_by_last_reader();
		rounds++;
	}
	if (ssp.membarrier)
		assert_int_equal(rounds, 1);
}

static void sleep_ms(unsigned int ms)
{
	usleep(1000 * ms);
}

static void assert_slept(const struct waiter *waiter)
{
	assert_true(waiter->slept_ns >= ASLEEP_MS * NSEC_PER_MSEC);
	assert_true(waiter->cpu_ns < waiter->slept_ns / 5);
}

static void test_waiter_uses_no_cpu(void **state)
{
	struct waiter waiter;
	int idx = srcu_down_read(&ssp);

	start_waiter(&waiter);
	sleep_ms(ASLEEP_MS);
	srcu_up_read(&ssp, idx);
	pthread_join(waiter.thread, NULL);
	assert_slept(&waiter);
}

static int stop;

static void *busy_reader(void *arg)
{
	struct calls *calls = arg;

	while (!get(&stop))
		enter_and_leave();
	*calls = mine;
	return NULL;
}

/* Later readers count in the other bank, and do not wake the updater. */
static void test_waiter_beside_a_busy_reader(void **state)
{
	struct waiter waiter;
	struct calls calls;
	pthread_t thread;
	int idx = srcu_down_read(&ssp);

	set(&stop, 0);
	start_waiter(&waiter);
	assert_int_equal(pthread_create(&thread, NULL, busy_reader, &calls), 0);
	sleep_ms(ASLEEP_MS);
	assert_int_equal(get(&waiter.done), 0);
	set(&stop, 1);
	pthread_join(thread, NULL);
	srcu_up_read(&ssp, idx);
	pthread_join(waiter.thread, NULL);
	assert_slept(&waiter);
	assert_no_calls(calls);
}

static int called;

static void note(struct srcu_head *head)
{
	__atomic_fetch_add(&called, 1, __ATOMIC_RELEASE);
}

/* No thread waits for these callbacks, so the worker makes no wake. */
static void test_worker_makes_no_wake(void **state)
{
	struct srcu_head heads[10];
	int i, before;

	set(&called, 0);
	mine = (struct calls){0};
	before = __atomic_load_n(&all.wakes, __ATOMIC_SEQ_CST);
	for (i = 0; i < 10; i++) {
		call_srcu(&ssp, &heads[i], note);
		wait_for(&called, i + 1);
	}
	wait_for(&asleep_without_timeout, 1);
	assert_int_equal(__atomic_load_n(&all.wakes, __ATOMIC_SEQ_CST) - before,
			 mine.wakes);
	/* call_srcu() wakes the worker at most once for each callback. */
	assert_in_range(mine.wakes, 0, 10);
}

/* Many callbacks that are queued while the worker sleeps wake it once. */
static void test_callbacks_wake_once(void **state)
{
	static struct srcu_head heads[10]; /* used until teardown's barrier */
	int i;

	bf_srcu_set_pace(&ssp, HOUR_NS);
	call_srcu(&ssp, &heads[0], note);
	wait_until(is_pacing);
	mine = (struct calls){0};
	for (i = 1; i < 10; i++)
		call_srcu(&ssp, &heads[i], note);
	assert_no_calls(mine);
}

/* After the tests above: no thread wakes up, or sleeps with a timeout. */
static void test_idle_process_sleeps(void **state)
{
	struct calls before;

	wait_for(&asleep_without_timeout, 1);
	before = all;
	sleep_ms(ASLEEP_MS);
	assert_int_equal(get(&asleep_without_timeout), 1);
	assert_memory_equal(&before, &all, sizeof(all));
}

#define BOTH(test)                                                     \
	cmocka_unit_test_setup_teardown(test, setup_fenced, teardown), \
		cmocka_unit_test_setup_teardown(test, setup_fast, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_readers_make_no_calls),
		BOTH(test_expedited_makes_no_wake),
		BOTH(test_last_reader_wakes),
		BOTH(test_waiter_uses_no_cpu),
		BOTH(test_waiter_beside_a_busy_reader),
		BOTH(test_worker_makes_no_wake),
		BOTH(test_callbacks_wake_once),
		BOTH(test_idle_process_sleeps),
	};

	return cmocka_run_group_tests_name("srcu_wake", tests, NULL, NULL);
}
