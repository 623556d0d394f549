// SPDX-License-Identifier: MIT
/*
 * Domains of BF_SRCU_DEFINE(), from a constructor that runs before theirs to
 * the first update.  In a process of its own: no other domain exists, and each
 * test has domains that no test before it has used.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "srcu/gp.h"
#include "srcu_fixture.h"
#include "tests/flags.h"

static int reports;

static void count_report(enum bf_srcu_report what, const char *text)
{
	__atomic_fetch_add(&reports, 1, __ATOMIC_RELEASE);
}

/* Runs before the constructor of the domain, which stands below. */
static struct srcu_struct used_early;
static int early_idx;
static unsigned long early_cookie;

__attribute__((constructor(101))) static void use_early(void)
{
	synchronize_srcu_expedited(&used_early);
	early_idx = srcu_read_lock(&used_early);
	early_cookie = get_state_synchronize_srcu(&used_early);
}

DEFINE_STATIC_SRCU(used_early);

static void test_use_before_set_up(void **state)
{
	assert_true(used_early.slots || !bf_srcu_nr_slots);
	start_poll_synchronize_srcu(&used_early);
	usleep(20000);
	assert_false(poll_state_synchronize_srcu(&used_early, early_cookie));
	srcu_read_unlock(&used_early, early_idx);
	synchronize_srcu_expedited(&used_early);
	assert_true(poll_state_synchronize_srcu(&used_early, early_cookie));
}

static void check_boot_unused(const struct srcu_struct *ssp)
{
	static const struct __bf_srcu_slot zero;

	if (bf_srcu_nr_slots)
		assert_memory_equal(&ssp->boot, &zero, sizeof(zero));
}

DEFINE_STATIC_SRCU(read_only);
DEFINE_STATIC_SRCU_FAST(read_only_fast);

/* Readers of a domain without an updater must not share one cache line. */
static void test_readers_without_update(void **state)
{
	srcu_read_unlock(&read_only, srcu_read_lock(&read_only));
	srcu_up_read(&read_only, srcu_down_read(&read_only));
	check_boot_unused(&read_only);
	assert_ptr_equal(read_only.rseq_slots, read_only.slots);
	srcu_read_unlock_fast(&read_only_fast,
			      srcu_read_lock_fast(&read_only_fast));
	check_boot_unused(&read_only_fast);
	assert_int_equal(!!read_only_fast.rseq_slots,
			 read_only_fast.membarrier && read_only_fast.slots);
}

static int called;

static void note_call(struct srcu_head *head)
{
	set(&called, 1);
}

DEFINE_STATIC_SRCU(fenced);

static void test_section_before_first_update(void **state)
{
	struct srcu_head head;
	int idx = srcu_read_lock(&fenced);

	call_srcu(&fenced, &head, note_call);
	usleep(20000);
	assert_int_equal(get(&called), 0);
	srcu_read_unlock(&fenced, idx);
	srcu_barrier(&fenced);
	assert_int_equal(get(&called), 1);
}

static void test_fast_section_before_first_update(void **state)
{
	static DEFINE_SRCU_FAST(fast);
	struct srcu_ctr *scp = srcu_read_lock_fast(&fast);
	unsigned long cookie = start_poll_synchronize_srcu(&fast);

	usleep(20000);
	assert_false(poll_state_synchronize_srcu(&fast, cookie));
	assert_true(bf_srcu_gp_readers(&fast));
	srcu_read_unlock_fast(&fast, scp);
	assert_false(bf_srcu_gp_readers(&fast));
	synchronize_srcu(&fast);
}

/* Forks while this thread and another one are in a section. */
static void check_fork(struct srcu_struct *ssp)
{
	struct holder holder;
	int status, idx;
	pid_t pid;

	holder_start(&holder, ssp);
	idx = srcu_read_lock(ssp);
	pid = fork();
	if (!pid) {
		alarm(20);
		synchronize_srcu(ssp);
		_exit(get(&reports));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	srcu_read_unlock(ssp, idx);
	holder_end(&holder);
	synchronize_srcu(ssp);
	assert_int_equal(get(&reports), 0);
}

DEFINE_STATIC_SRCU(forked);

/* Must come first: an update registers the handlers of fork. */
static void test_fork_before_first_update(void **state)
{
	check_fork(&forked);
}

DEFINE_STATIC_SRCU(forked_tracked);

static void test_fork_with_tracking(void **state)
{
	bf_srcu_set_tracking(true);
	bf_srcu_set_report_hook(count_report);
	check_fork(&forked_tracked);
	bf_srcu_set_tracking(false);
}

DEFINE_STATIC_SRCU(unused);
DEFINE_STATIC_SRCU(in_use);

/* A section that began without tracking may end after tracking is on. */
static void test_tracking_of_unused_domains(void **state)
{
	int idx = srcu_read_lock(&in_use);

	bf_srcu_set_report_hook(count_report);
	bf_srcu_set_tracking(true);
	srcu_read_unlock(&in_use, idx);
	assert_int_equal(get(&reports), 0);
	assert_false(bf_srcu_gp_readers(&in_use));
	srcu_read_unlock(&unused, 0);
	assert_int_equal(get(&reports), 1);
	assert_false(bf_srcu_gp_readers(&unused));
	bf_srcu_set_tracking(false);
	bf_srcu_set_report_hook(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fork_before_first_update),
		cmocka_unit_test(test_fork_with_tracking),
		cmocka_unit_test(test_use_before_set_up),
		cmocka_unit_test(test_readers_without_update),
		cmocka_unit_test(test_section_before_first_update),
		cmocka_unit_test(test_fast_section_before_first_update),
		cmocka_unit_test(test_tracking_of_unused_domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
