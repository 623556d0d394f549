// SPDX-License-Identifier: MIT
/* Reports: stalls with and without tracking, and each kind of misuse. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/log.h"
#include "srcu/gp.h"

static char first_text[4096];
static enum bf_srcu_report first_what;
static int reports;

/* Keeps the first report: by a later one the reader may have left. */
static void keep_first_report(enum bf_srcu_report what, const char *text)
{
	if (!__atomic_load_n(&reports, __ATOMIC_ACQUIRE)) {
		first_what = what;
		snprintf(first_text, sizeof(first_text), "%s", text);
	}
	__atomic_fetch_add(&reports, 1, __ATOMIC_RELEASE);
}

static int take_report_count(void)
{
	return __atomic_exchange_n(&reports, 0, __ATOMIC_ACQUIRE);
}

static int setup(void **state)
{
	reports = 0;
	bf_srcu_set_report_hook(keep_first_report);
	bf_srcu_set_tracking(true);
	return 0;
}

static int teardown(void **state)
{
	bf_srcu_set_tracking(false);
	bf_srcu_set_report_hook(NULL);
	bf_srcu_set_stall_timeout(10000);
	return 0;
}

static void check_report(enum bf_srcu_report what, const char *words)
{
	assert_int_equal(take_report_count(), 1);
	assert_int_equal(first_what, what);
	assert_non_null(strstr(first_text, words));
	/* The report names the domain and a place in this program. */
	assert_non_null(strstr(first_text, "domain ssp"));
	assert_non_null(strstr(first_text, "test_srcu_track"));
}

static void ignore_callback(struct srcu_head *head)
{
}

static void test_proper_use_is_not_reported(void **state)
{
	struct srcu_struct ssp;
	struct srcu_head head;
	int outer, inner, down;

	assert_int_equal(init_srcu_struct(&ssp), 0);
	outer = srcu_read_lock(&ssp);
	inner = srcu_read_lock(&ssp);
	down = srcu_down_read(&ssp);
	call_srcu(&ssp, &head, ignore_callback);
	srcu_read_unlock(&ssp, outer);
	srcu_read_unlock(&ssp, inner);
	srcu_up_read(&ssp, down);
	srcu_barrier(&ssp);
	synchronize_srcu(&ssp);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
	assert_int_equal(take_report_count(), 0);
}

static void test_unlock_twice(void **state)
{
	struct srcu_struct ssp;
	int idx;

	assert_int_equal(init_srcu_struct(&ssp), 0);
	idx = srcu_read_lock(&ssp);
	srcu_read_unlock(&ssp, idx);
	assert_int_equal(take_report_count(), 0);
	srcu_read_unlock(&ssp, idx);
	check_report(BF_SRCU_REPORT_UNLOCK, "not open");
	/* The second unlock was not counted, so the domain still works. */
	assert_false(bf_srcu_gp_readers(&ssp));
	synchronize_srcu_expedited(&ssp);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static void test_mixed_flavours(void **state)
{
	struct srcu_struct ssp;
	struct srcu_ctr *scp;
	int idx;

	assert_int_equal(init_srcu_struct(&ssp), 0);
	scp = srcu_read_lock_fast(&ssp);
	check_report(BF_SRCU_REPORT_FLAVOUR, "fenced domain");
	srcu_read_unlock_fast(&ssp, scp);
	assert_int_equal(take_report_count(), 0);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);

	assert_int_equal(init_srcu_struct_fast(&ssp), 0);
	idx = srcu_read_lock(&ssp);
	check_report(BF_SRCU_REPORT_FLAVOUR, "fast domain");
	srcu_read_unlock_fast(&ssp, (struct srcu_ctr *)(uintptr_t)(idx + 1));
	check_report(BF_SRCU_REPORT_FLAVOUR, "other flavour");
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static void test_head_queued_twice(void **state)
{
	struct srcu_struct ssp;
	struct srcu_head head;

	assert_int_equal(init_srcu_struct(&ssp), 0);
	bf_srcu_set_pace(&ssp, 3600ULL * 1000000000ULL);
	call_srcu(&ssp, &head, ignore_callback);
	call_srcu(&ssp, &head, ignore_callback);
	check_report(BF_SRCU_REPORT_CALLBACK, "queued already");
	srcu_barrier(&ssp);
	call_srcu(&ssp, &head, ignore_callback);
	srcu_barrier(&ssp);
	assert_int_equal(take_report_count(), 0);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static int deadlock_pipe;

/* Passes the report on and ends the child, whose thread would wait for ever. */
static void write_report(void *opaque, const char *text)
{
	ssize_t len = write(deadlock_pipe, text, strlen(text));

	assert_ptr_equal(opaque, &deadlock_pipe);
	_exit(len < 0);
}

static void wait_inside_own_section(void)
{
	struct srcu_struct ssp;

	bf_srcu_set_report_hook(NULL);
	bf_set_log(write_report, &deadlock_pipe);
	init_srcu_struct(&ssp);
	srcu_read_lock(&ssp);
	synchronize_srcu_expedited(&ssp);
	_exit(1);
}

/* In a child: the report goes to the log before the thread waits. */
static void test_wait_inside_own_section(void **state)
{
	char text[1024] = "";
	int status, fds[2];
	ssize_t len;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	deadlock_pipe = fds[1];
	pid = fork();
	if (pid == 0)
		wait_inside_own_section();
	close(fds[1]);
	len = read(fds[0], text, sizeof(text) - 1);
	close(fds[0]);
	assert_true(len > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_non_null(strstr(text, "waits for its own section"));
	assert_non_null(strstr(text, "which began at"));
}

static void *lock_and_synchronize(void *ssp)
{
	assert_int_equal(srcu_read_lock(ssp), 0);
	synchronize_srcu_expedited(ssp);
	return NULL;
}

/* After the report the thread waits, until another one ends the section. */
static void test_deadlock_is_survived(void **state)
{
	struct srcu_struct ssp;
	pthread_t thread;

	assert_int_equal(init_srcu_struct(&ssp), 0);
	pthread_create(&thread, NULL, lock_and_synchronize, &ssp);
	while (!__atomic_load_n(&reports, __ATOMIC_ACQUIRE))
		usleep(1000);
	/* Not a section of this thread: srcu_up_read() is not tracked. */
	srcu_up_read(&ssp, 0);
	pthread_join(thread, NULL);
	check_report(BF_SRCU_REPORT_DEADLOCK, "waits for its own section");
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

/* By default TSan kills a forked child that starts a thread. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}

static struct srcu_struct barrier_domain;

static void leave_process(enum bf_srcu_report what, const char *text)
{
	_exit(what == BF_SRCU_REPORT_DEADLOCK &&
			      strstr(text, "a callback waits for callbacks") &&
			      strstr(text, "domain barrier_domain") ?
		      0 :
		      1);
}

static void call_barrier(struct srcu_head *head)
{
	srcu_barrier(&barrier_domain);
}

/* In a child, because its worker then waits for ever. */
static void check_barrier_in_callback(bool tracked)
{
	struct srcu_head head;
	int status;
	pid_t pid = fork();

	if (!pid) {
		alarm(20);
		bf_srcu_set_report_hook(leave_process);
		bf_srcu_set_tracking(tracked);
		init_srcu_struct(&barrier_domain);
		call_srcu(&barrier_domain, &head, call_barrier);
		for (;;)
			pause();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_barrier_in_callback(void **state)
{
	check_barrier_in_callback(true);
	check_barrier_in_callback(false);
}

struct holder {
	struct srcu_struct *ssp;
	int inside;
	int leave;
};

static void *hold(void *arg)
{
	struct holder *holder = arg;
	int idx;

	pthread_setname_np(pthread_self(), "slow-reader");
	idx = srcu_read_lock(holder->ssp);
	__atomic_store_n(&holder->inside, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&holder->leave, __ATOMIC_ACQUIRE))
		usleep(1000);
	srcu_read_unlock(holder->ssp, idx);
	return NULL;
}

/* Ends the holder's section after two reports. */
static void *wait_for_reports(void *arg)
{
	struct holder *holder = arg;

	while (__atomic_load_n(&reports, __ATOMIC_ACQUIRE) < 2)
		usleep(1000);
	__atomic_store_n(&holder->leave, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void check_stall(bool tracked, void (*request)(struct srcu_struct *ssp))
{
	struct srcu_struct ssp;
	struct holder holder = {.ssp = &ssp};
	pthread_t reader, waker;

	bf_srcu_set_tracking(tracked);
	bf_srcu_set_stall_timeout(20);
	assert_int_equal(init_srcu_struct(&ssp), 0);
	pthread_create(&reader, NULL, hold, &holder);
	while (!__atomic_load_n(&holder.inside, __ATOMIC_ACQUIRE))
		usleep(100);
	pthread_create(&waker, NULL, wait_for_reports, &holder);
	request(&ssp);
	pthread_join(waker, NULL);
	pthread_join(reader, NULL);
	srcu_barrier(&ssp);
	synchronize_srcu_expedited(&ssp);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
	assert_true(take_report_count() >= 2);
	assert_int_equal(first_what, BF_SRCU_REPORT_STALL);
	assert_non_null(strstr(first_text, "domain ssp: a grace period has"));
	assert_non_null(strstr(first_text, ":+1"));
	if (tracked) {
		assert_non_null(strstr(first_text, "(slow-reader)"));
		assert_non_null(strstr(first_text, "test_srcu_track"));
	}
}

static void test_stall_names_the_reader(void **state)
{
	check_stall(true, synchronize_srcu_expedited);
}

static void test_stall_without_tracking(void **state)
{
	check_stall(false, synchronize_srcu_expedited);
}

static int leaked_idx;

static void *exit_inside(void *ssp)
{
	leaked_idx = srcu_read_lock(ssp);
	return NULL;
}

static void *end_leaked(void *ssp)
{
	while (!__atomic_load_n(&reports, __ATOMIC_ACQUIRE))
		usleep(1000);
	srcu_up_read(ssp, leaked_idx);
	return NULL;
}

/* The section that a thread has left open is the cause, so it is named. */
static void test_stall_names_the_place_of_a_thread_that_exited(void **state)
{
	struct srcu_struct ssp;
	pthread_t reader, ender;

	bf_srcu_set_stall_timeout(20);
	assert_int_equal(init_srcu_struct(&ssp), 0);
	pthread_create(&reader, NULL, exit_inside, &ssp);
	pthread_join(reader, NULL);
	pthread_create(&ender, NULL, end_leaked, &ssp);
	synchronize_srcu_expedited(&ssp);
	pthread_join(ender, NULL);
	assert_true(take_report_count() >= 1);
	assert_int_equal(first_what, BF_SRCU_REPORT_STALL);
	assert_non_null(strstr(first_text, "in a section since"));
	assert_non_null(strstr(first_text, "test_srcu_track"));
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static void queue_one(struct srcu_struct *ssp)
{
	static struct srcu_head head;

	call_srcu_expedited(ssp, &head, ignore_callback);
}

/* Only the worker waits for this grace period. */
static void test_stall_of_a_callback(void **state)
{
	check_stall(false, queue_one);
}

static struct srcu_struct shared;

/* In the child of a fork: a report must not name a thread of the parent. */
static void exit_by_report(enum bf_srcu_report what, const char *text)
{
	_exit(strstr(text, "in a section since") ? 1 : 0);
}

static void *stall_after_exit_of(void *forker)
{
	static struct srcu_head head;

	pthread_join(*(pthread_t *)forker, NULL);
	bf_srcu_set_report_hook(exit_by_report);
	bf_srcu_set_stall_timeout(20);
	srcu_down_read(&shared);
	call_srcu_expedited(&shared, &head, ignore_callback);
	for (;;)
		pause();
	return NULL;
}

static pid_t child;

/* The thread that continues in the child has used tracking before. */
static void *fork_and_exit(void *arg)
{
	static pthread_t self, thread;

	srcu_read_unlock(&shared, srcu_read_lock(&shared));
	self = pthread_self();
	child = fork();
	if (child == 0) {
		alarm(20);
		pthread_create(&thread, NULL, stall_after_exit_of, &self);
	}
	return arg;
}

static void test_exit_of_a_thread_that_forked(void **state)
{
	struct holder holder = {.ssp = &shared};
	pthread_t reader, forker;
	pthread_attr_t attr;
	int status;

#ifdef __BF_SRCU_TSAN
	/* TSan does not know the thread that continues in the child. */
	skip();
#endif
	assert_int_equal(init_srcu_struct(&shared), 0);
	/* Too large for the child to reuse this stack for its threads. */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256UL << 20);
	assert_int_equal(pthread_create(&reader, &attr, hold, &holder), 0);
	pthread_attr_destroy(&attr);
	while (!__atomic_load_n(&holder.inside, __ATOMIC_ACQUIRE))
		usleep(100);
	assert_int_equal(pthread_create(&forker, NULL, fork_and_exit, NULL), 0);
	pthread_join(forker, NULL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	__atomic_store_n(&holder.leave, 1, __ATOMIC_RELEASE);
	pthread_join(reader, NULL);
	assert_int_equal(cleanup_srcu_struct(&shared), 0);
}

#define TRACK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRACK_TEST(test_proper_use_is_not_reported),
		TRACK_TEST(test_unlock_twice),
		TRACK_TEST(test_barrier_in_callback),
		TRACK_TEST(test_mixed_flavours),
		TRACK_TEST(test_head_queued_twice),
		TRACK_TEST(test_wait_inside_own_section),
		TRACK_TEST(test_deadlock_is_survived),
		TRACK_TEST(test_stall_names_the_reader),
		TRACK_TEST(test_stall_without_tracking),
		TRACK_TEST(test_stall_names_the_place_of_a_thread_that_exited),
		TRACK_TEST(test_stall_of_a_callback),
		TRACK_TEST(test_exit_of_a_thread_that_forked),
	};

	return cmocka_run_group_tests_name("srcu_track", tests, NULL, NULL);
}
