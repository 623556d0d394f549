// SPDX-License-Identifier: MIT
/* Fast domains: the number of membarrier(2) calls, and work without them. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#ifdef HAVE_LIBSECCOMP
#include <seccomp.h>
#endif

#include "srcu/gp.h"
#include "srcu/membarrier.h"
#include "tests/flags.h"
#include "srcu_fixture.h"

static uint64_t membarriers(struct srcu_struct *ssp)
{
	struct bf_srcu_stats stats;

	bf_srcu_get_stats(ssp, &stats);
	return stats.membarriers;
}

static void *leave_soon(void *holder)
{
	usleep(30000);
	holder_end(holder);
	return NULL;
}

/*
 * The reader sleeps in its section, so the updater sleeps as well.  It must not
 * return before the reader has left.
 */
static void check_sleeping_reader(struct srcu_struct *ssp)
{
	struct holder holder;
	pthread_t waker;

	holder_start_fast(&holder, ssp);
	pthread_create(&waker, NULL, leave_soon, &holder);
	synchronize_srcu_expedited(ssp);
	assert_int_equal(get(&holder.left), 1);
	pthread_join(waker, NULL);
}

static void test_one_membarrier_without_sleepers(void **state)
{
	struct srcu_struct ssp;
	uint64_t before;
	int i;

	if (!bf_srcu_membarrier_available())
		skip();
	assert_int_equal(init_srcu_struct_fast(&ssp), 0);
	before = membarriers(&ssp);
	for (i = 0; i < 100; i++)
		synchronize_srcu_expedited(&ssp);
	assert_int_equal(membarriers(&ssp) - before, 100);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static void test_two_membarriers_with_a_sleeper(void **state)
{
	struct srcu_struct ssp;

	if (!bf_srcu_membarrier_available())
		skip();
	assert_int_equal(init_srcu_struct_fast(&ssp), 0);
	check_sleeping_reader(&ssp);
	assert_int_equal(membarriers(&ssp), 2);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static void test_fenced_domain_makes_none(void **state)
{
	struct srcu_struct ssp;
	int i;

	assert_int_equal(init_srcu_struct(&ssp), 0);
	for (i = 0; i < 10; i++)
		synchronize_srcu_expedited(&ssp);
	assert_int_equal(membarriers(&ssp), 0);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

#define DOMAINS 1000

static unsigned long called;

static void count(struct srcu_head *head)
{
	__atomic_fetch_add(&called, 1, __ATOMIC_RELAXED);
}

/* The callbacks fall due almost at once, so domains share membarriers. */
static void test_domains_share_a_membarrier(void **state)
{
	struct srcu_struct *domains;
	struct srcu_head *heads = calloc(DOMAINS, sizeof(*heads));
	uint64_t total = 0;
	int i;

	if (!bf_srcu_membarrier_available())
		skip();
	domains = aligned_alloc(__alignof__(*domains),
				DOMAINS * sizeof(*domains));
	for (i = 0; i < DOMAINS; i++) {
		assert_int_equal(init_srcu_struct_fast(&domains[i]), 0);
		bf_srcu_set_pace(&domains[i], 300000000);
		call_srcu(&domains[i], &heads[i], count);
	}
	while (__atomic_load_n(&called, __ATOMIC_RELAXED) < DOMAINS)
		usleep(1000);
	for (i = 0; i < DOMAINS; i++) {
		total += membarriers(&domains[i]);
		srcu_barrier(&domains[i]);
		assert_int_equal(cleanup_srcu_struct(&domains[i]), 0);
	}
	/*
	 * Deadlines differ by the time that queueing took.  So the worker needs
	 * several rounds, but far fewer than one for each domain.
	 */
	print_message("%d domains, %lu membarriers\n", DOMAINS,
		      (unsigned long)total);
	assert_in_range(total, 1, DOMAINS / 4);
	free(domains);
	free(heads);
}

/* In a child with a filter that refuses membarrier(2), readers use fences. */
static int without_membarrier(void)
{
#ifdef HAVE_LIBSECCOMP
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	struct srcu_struct ssp;
	struct srcu_ctr *scp;

	if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
			     SCMP_SYS(membarrier), 0) ||
	    seccomp_load(filter))
		return 77;
	if (bf_srcu_membarrier_available() || init_srcu_struct_fast(&ssp))
		return 1;
	scp = srcu_read_lock_fast(&ssp);
	if (ssp.membarrier || ssp.rseq_slots || !bf_srcu_gp_readers(&ssp))
		return 2;
	srcu_read_unlock_fast(&ssp, scp);
	check_sleeping_reader(&ssp);
	return membarriers(&ssp) || cleanup_srcu_struct(&ssp) ? 3 : 0;
#else
	return 77;
#endif
}

#ifdef HAVE_LIBSECCOMP
static int refusals;

static void count_refusals(enum bf_srcu_report what, const char *text)
{
	refusals += what == BF_SRCU_REPORT_MEMBARRIER;
}
#endif

/* In a child that sets the filter when readers without fences may run. */
static int filter_after_init(void)
{
#ifdef HAVE_LIBSECCOMP
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	struct srcu_struct ssp;

	if (!bf_srcu_membarrier_available() || init_srcu_struct_fast(&ssp) ||
	    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
			     SCMP_SYS(membarrier), 0) ||
	    seccomp_load(filter))
		return 77;
	bf_srcu_set_report_hook(count_refusals);
	synchronize_srcu_expedited(&ssp);
	check_sleeping_reader(&ssp);
	return refusals != 1 || cleanup_srcu_struct(&ssp);
#else
	return 77;
#endif
}

/* Grace periods go on, more slowly, and one report tells of the refusal. */
static void test_filter_after_init(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(filter_after_init());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Must come first: a process probes for membarrier(2) once. */
static void test_without_membarrier(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(without_membarrier());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_membarrier),
		cmocka_unit_test(test_filter_after_init),
		cmocka_unit_test(test_one_membarrier_without_sleepers),
		cmocka_unit_test(test_two_membarriers_with_a_sleeper),
		cmocka_unit_test(test_fenced_domain_makes_none),
		cmocka_unit_test(test_domains_share_a_membarrier),
	};

	return cmocka_run_group_tests_name("srcu_fast", tests, NULL, NULL);
}
