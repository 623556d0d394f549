// SPDX-License-Identifier: MIT
/* SRCU: readers that a grace period waits for, and those that it ignores. */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "srcu/gp.h"
#include "tests/flags.h"
#include "srcu_fixture.h"

static void check_waits(void (*wait)(struct srcu_struct *ssp))
{
	struct srcu_struct ssp;
	struct holder holder;
	struct waiter waiter;

	setup_domain(&ssp);
	holder_start(&holder, &ssp);
	waiter_start(&waiter, &ssp, wait, &holder);
	usleep(30000);
	assert_int_equal(get(&waiter.done), 0);
	holder_end(&holder);
	pthread_join(waiter.thread, NULL);
	assert_int_equal(waiter.holder_had_left, 1);
	end_domain(&ssp);
}

static void test_expedited_waits_for_reader(void **state)
{
	check_waits(synchronize_srcu_expedited);
}

static void test_normal_waits_for_reader(void **state)
{
	check_waits(synchronize_srcu);
}

static void test_other_domain_does_not_wait(void **state)
{
	struct srcu_struct busy, idle;
	struct holder holder;

	setup_domain(&busy);
	setup_domain(&idle);
	holder_start(&holder, &busy);
	synchronize_srcu_expedited(&idle);
	synchronize_srcu(&idle);
	holder_end(&holder);
	end_domain(&busy);
	end_domain(&idle);
}

/* A reader that begins while a grace period waits counts in the other bank. */
static void test_later_reader_does_not_hold_up(void **state)
{
	struct srcu_struct ssp;
	struct holder early, late;
	struct waiter waiter;

	setup_domain(&ssp);
	holder_start(&early, &ssp);
	waiter_start(&waiter, &ssp, synchronize_srcu_expedited, &early);
	usleep(30000);
	holder_start(&late, &ssp);
	holder_end(&early);
	pthread_join(waiter.thread, NULL);
	assert_int_equal(get(&late.left), 0);
	holder_end(&late);
	end_domain(&ssp);
}

static void test_nested_sections(void **state)
{
	struct srcu_struct ssp;
	int outer, inner;

	setup_domain(&ssp);
	outer = srcu_read_lock(&ssp);
	inner = srcu_read_lock(&ssp);
	srcu_read_unlock(&ssp, inner);
	assert_true(bf_srcu_gp_readers(&ssp));
	srcu_read_unlock(&ssp, outer);
	assert_false(bf_srcu_gp_readers(&ssp));
	end_domain(&ssp);
}

struct handed_over {
	struct srcu_struct *ssp;
	int idx;
};

static void *unlock_elsewhere(void *arg)
{
	struct handed_over *h = arg;

	srcu_up_read(h->ssp, h->idx);
	return NULL;
}

static void test_section_ends_in_another_thread(void **state)
{
	struct srcu_struct ssp;
	struct handed_over h = {.ssp = &ssp};
	pthread_t thread;

	setup_domain(&ssp);
	h.idx = srcu_down_read(&ssp);
	assert_int_equal(cleanup_srcu_struct(&ssp), -EBUSY);
	pthread_create(&thread, NULL, unlock_elsewhere, &h);
	pthread_join(thread, NULL);
	synchronize_srcu_expedited(&ssp);
	end_domain(&ssp);
}

static void test_cleanup_while_busy(void **state)
{
	struct srcu_struct ssp;
	struct holder holder;

	setup_domain(&ssp);
	holder_start(&holder, &ssp);
	assert_int_equal(cleanup_srcu_struct(&ssp), -EBUSY);
	holder_end(&holder);
	synchronize_srcu_expedited(&ssp);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static void test_sequence_numbers(void **state)
{
	assert_int_equal(bf_srcu_gp_snap(400), 404);
	assert_int_equal(bf_srcu_gp_snap(401), 408);
	assert_int_equal(bf_srcu_gp_snap(402), 408);
	assert_true(bf_srcu_gp_done(404, 404));
	assert_true(bf_srcu_gp_done(408, 404));
	assert_false(bf_srcu_gp_done(402, 404));
	assert_false(bf_srcu_gp_done(400, 408));
	/* The sequence wraps. */
	assert_int_equal(bf_srcu_gp_snap(0UL - 4), 0);
	assert_true(bf_srcu_gp_done(4, 0UL - 4));
	assert_false(bf_srcu_gp_done(0UL - 4, 4));
	/*
	 * A cookie cannot be more than two grace periods ahead: this one was
	 * taken before the sequence wrapped.
	 */
	assert_true(bf_srcu_gp_done(400, 440));
}

static void test_poll_state(void **state)
{
	struct srcu_struct ssp;
	unsigned long cookie;
	struct holder holder;

	setup_domain(&ssp);
	cookie = get_state_synchronize_srcu(&ssp);
	assert_false(poll_state_synchronize_srcu(&ssp, cookie));
	synchronize_srcu_expedited(&ssp);
	assert_true(poll_state_synchronize_srcu(&ssp, cookie));

	holder_start(&holder, &ssp);
	cookie = start_poll_synchronize_srcu(&ssp);
	usleep(20000);
	assert_false(poll_state_synchronize_srcu(&ssp, cookie));
	holder_end(&holder);
	while (!poll_state_synchronize_srcu(&ssp, cookie))
		usleep(100);
	end_domain(&ssp);
}

static void test_counts_wrap(void **state)
{
	struct srcu_struct ssp;
	int i;

	setup_domain(&ssp);
	for (i = 0; i < 2; i++) {
		ssp.boot.atomic_lock[i] = ~0UL - 1;
		ssp.boot.atomic_unlock[i] = ~0UL - 1;
	}
	for (i = 0; i < 8; i++) {
		__bf_srcu_count_lock(&ssp, i & 1);
		assert_true(bf_srcu_gp_readers(&ssp));
		__bf_srcu_count_unlock(&ssp, i & 1);
		assert_false(bf_srcu_gp_readers(&ssp));
	}
	for (i = 0; i < 300; i++)
		synchronize_srcu_expedited(&ssp);
	end_domain(&ssp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expedited_waits_for_reader),
		cmocka_unit_test(test_normal_waits_for_reader),
		cmocka_unit_test(test_other_domain_does_not_wait),
		cmocka_unit_test(test_later_reader_does_not_hold_up),
		cmocka_unit_test(test_nested_sections),
		cmocka_unit_test(test_section_ends_in_another_thread),
		cmocka_unit_test(test_cleanup_while_busy),
		cmocka_unit_test(test_sequence_numbers),
		cmocka_unit_test(test_poll_state),
		cmocka_unit_test(test_counts_wrap),
	};

	return cmocka_run_group_tests_name("srcu", tests, NULL, NULL);
}
