// SPDX-License-Identifier: MIT
/*
 * The worker's thread is independent of the thread that starts it.  This
 * process pins itself to one CPU and takes a real-time priority first.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/srcu.h"

static cpu_set_t all_cpus;

static int pin_to_first_cpu(void)
{
	cpu_set_t one;
	int cpu = 0;

	while (!CPU_ISSET(cpu, &all_cpus))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one);
}

struct observer {
	struct srcu_head head;
	pid_t tid;
	int policy;
	cpu_set_t cpus;
	sigset_t blocked;
	int seen;
};

static void observe(struct srcu_head *head)
{
	struct observer *observer = (struct observer *)head;

	observer->tid = (pid_t)syscall(SYS_gettid);
	observer->policy = sched_getscheduler(0);
	sched_getaffinity(0, sizeof(observer->cpus), &observer->cpus);
	pthread_sigmask(SIG_BLOCK, NULL, &observer->blocked);
	__atomic_store_n(&observer->seen, 1, __ATOMIC_RELEASE);
}

static void need(bool good, int line)
{
	if (good)
		return;
	fprintf(stderr, "test_srcu_worker.c:%d: wrong\n", line);
	_exit(1);
}

#define NEED(good) need(good, __LINE__)

static void observe_worker(struct observer *observer)
{
	static struct srcu_struct ssp;

	NEED(!init_srcu_struct(&ssp));
	call_srcu_expedited(&ssp, &observer->head, observe);
	while (!__atomic_load_n(&observer->seen, __ATOMIC_ACQUIRE))
		usleep(100);
	srcu_barrier(&ssp);
	NEED(!cleanup_srcu_struct(&ssp));
}

/* Runs a test in a child, where no worker has been started. */
static void in_child(void (*test)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(30);
		test();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void start_pinned(void)
{
	struct observer observer = {.seen = 0};

	NEED(!pin_to_first_cpu());
	observe_worker(&observer);
	NEED(observer.tid != getpid());
	NEED(CPU_EQUAL(&observer.cpus, &all_cpus));
	NEED(sigismember(&observer.blocked, SIGUSR1) &&
	     sigismember(&observer.blocked, SIGSEGV));
}

static void test_worker_leaves_the_pin(void **state)
{
	in_child(start_pinned);
}

/*
 * The creator spins at a real-time priority on one CPU.  The callback runs
 * although the creator never lets go of that CPU.
 */
static void start_under_fifo(void)
{
	const struct sched_param param = {.sched_priority = 1};
	struct observer observer = {.seen = 0};
	static struct srcu_struct ssp;

	if (CPU_COUNT(&all_cpus) < 2 || pin_to_first_cpu() ||
	    sched_setscheduler(0, SCHED_FIFO, &param))
		_exit(77);
	NEED(!init_srcu_struct(&ssp));
	call_srcu_expedited(&ssp, &observer.head, observe);
	while (!__atomic_load_n(&observer.seen, __ATOMIC_ACQUIRE))
		;
	NEED(observer.policy == SCHED_OTHER);
	NEED(CPU_EQUAL(&observer.cpus, &all_cpus));
}

static void test_worker_runs_beside_a_fifo_thread(void **state)
{
	in_child(start_under_fifo);
}

static void start_beforehand(void)
{
	struct observer observer = {.seen = 0};

	NEED(!bf_srcu_start_worker());
	NEED(!bf_srcu_start_worker());
	NEED(bf_srcu_forbid_worker(NULL, NULL) == -EBUSY);
	observe_worker(&observer);
	NEED(observer.tid != getpid());
}

static void test_start_beforehand(void **state)
{
	in_child(start_beforehand);
}

static void start_forbidden(void)
{
	NEED(!bf_srcu_forbid_worker(NULL, NULL));
	NEED(bf_srcu_start_worker() == -EPERM);
}

static void test_start_after_forbidding(void **state)
{
	in_child(start_forbidden);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worker_leaves_the_pin),
		cmocka_unit_test(test_worker_runs_beside_a_fifo_thread),
		cmocka_unit_test(test_start_beforehand),
		cmocka_unit_test(test_start_after_forbidding),
	};

	if (sched_getaffinity(0, sizeof(all_cpus), &all_cpus))
		return 77;
	return cmocka_run_group_tests_name("srcu_worker", tests, NULL, NULL);
}
