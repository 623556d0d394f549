// SPDX-License-Identifier: MIT
/* SRCU: what grace periods wait for, and what they do not wait for. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../cli/srcu_worker.h"
#include "srcu/gp.h"
#include "flags.h"
#include "util.h"

#define FOREVER_NS (3600ULL * 1000000000ULL)

/* A thread that sits in a section until told to leave. */
struct holder {
	struct srcu_struct *ssp;
	pthread_t thread;
	int inside;
	int leave;
	int left; /* set before the section ends */
};

static void *hold(void *arg)
{
	struct holder *holder = arg;
	int idx = srcu_read_lock(holder->ssp);

	set(&holder->inside, 1);
	wait_for(&holder->leave, 1);
	set(&holder->left, 1);
	srcu_read_unlock(holder->ssp, idx);
	return NULL;
}

static void holder_start(struct holder *holder, struct srcu_struct *ssp)
{
	memset(holder, 0, sizeof(*holder));
	holder->ssp = ssp;
	pthread_create(&holder->thread, NULL, hold, holder);
	wait_for(&holder->inside, 1);
}

static void holder_end(struct holder *holder)
{
	set(&holder->leave, 1);
	pthread_join(holder->thread, NULL);
}

/* A thread that waits for a grace period. */
struct waiter {
	struct srcu_struct *ssp;
	void (*wait)(struct srcu_struct *ssp);
	struct holder *holder;
	pthread_t thread;
	int began;
	int done;
	int holder_had_left;
};

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

static void waiter_start(struct waiter *waiter, struct srcu_struct *ssp,
			 void (*wait)(struct srcu_struct *ssp),
			 struct holder *holder)
{
	memset(waiter, 0, sizeof(*waiter));
	waiter->ssp = ssp;
	waiter->wait = wait;
	waiter->holder = holder;
	pthread_create(&waiter->thread, NULL, wait_thread, waiter);
	wait_for(&waiter->began, 1);
}

static void setup_domain(struct srcu_struct *ssp)
{
	assert_int_equal(init_srcu_struct(ssp), 0);
}

static void end_domain(struct srcu_struct *ssp)
{
	srcu_barrier(ssp);
	assert_int_equal(cleanup_srcu_struct(ssp), 0);
}

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

/* Readers that come while a grace period waits are in the other bank. */
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
	assert_true(srcu_gp_readers(&ssp));
	srcu_read_unlock(&ssp, outer);
	assert_false(srcu_gp_readers(&ssp));
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

/* Callbacks that note in which order they came. */
struct noted {
	struct srcu_head head;
	int number;
};

static int notes[64], noted;

static void note(struct srcu_head *head)
{
	notes[noted] = container_of(head, struct noted, head)->number;
	__atomic_fetch_add(&noted, 1, __ATOMIC_RELEASE);
}

static void test_callbacks_in_order(void **state)
{
	struct noted cb[ARRAY_SIZE(notes)];
	struct srcu_struct ssp;
	int i;

	setup_domain(&ssp);
	noted = 0;
	for (i = 0; i < (int)ARRAY_SIZE(cb); i++) {
		cb[i].number = i;
		call_srcu(&ssp, &cb[i].head, note);
		if (i % 10 == 9)
			synchronize_srcu_expedited(&ssp);
	}
	srcu_barrier(&ssp);
	assert_int_equal(get(&noted), ARRAY_SIZE(cb));
	for (i = 0; i < (int)ARRAY_SIZE(cb); i++)
		assert_int_equal(notes[i], i);
	end_domain(&ssp);
}

static void test_callback_waits_for_reader(void **state)
{
	struct noted cb = {.number = 7};
	struct srcu_struct ssp;
	struct holder holder;

	setup_domain(&ssp);
	noted = 0;
	holder_start(&holder, &ssp);
	call_srcu(&ssp, &cb.head, note);
	usleep(30000);
	assert_int_equal(get(&noted), 0);
	holder_end(&holder);
	srcu_barrier(&ssp);
	assert_int_equal(get(&noted), 1);
	end_domain(&ssp);
}

/* With a pace of an hour only promotion can run the callback. */
static void test_expedited_promotes_callbacks(void **state)
{
	struct noted cb[2] = {{.number = 1}, {.number = 2}};
	struct srcu_struct ssp;

	setup_domain(&ssp);
	srcu_set_pace(&ssp, FOREVER_NS);
	noted = 0;
	call_srcu(&ssp, &cb[0].head, note);
	usleep(10000);
	assert_int_equal(get(&noted), 0);
	synchronize_srcu_expedited(&ssp);
	wait_for(&noted, 1);
	call_srcu(&ssp, &cb[1].head, note);
	srcu_barrier(&ssp);
	assert_int_equal(get(&noted), 2);
	end_domain(&ssp);
}

static struct srcu_struct *again_domain;
static struct noted again_second;

static void note_and_queue(struct srcu_head *head)
{
	note(head);
	call_srcu(again_domain, &again_second.head, note);
}

static void test_callback_queues_callback(void **state)
{
	struct noted first = {.number = 1};
	struct srcu_struct ssp;

	setup_domain(&ssp);
	again_domain = &ssp;
	again_second.number = 2;
	noted = 0;
	call_srcu(&ssp, &first.head, note_and_queue);
	wait_for(&noted, 2);
	assert_int_equal(notes[1], 2);
	end_domain(&ssp);
}

/* The worker must have let go when the memory is given back. */
static void test_barrier_then_cleanup(void **state)
{
	struct srcu_struct *ssp;
	struct noted cb;
	int i;

	for (i = 0; i < 500; i++) {
		ssp = aligned_alloc(__alignof__(*ssp), sizeof(*ssp));
		setup_domain(ssp);
		noted = 0;
		cb.number = i;
		call_srcu(ssp, &cb.head, note);
		srcu_barrier(ssp);
		assert_int_equal(cleanup_srcu_struct(ssp), 0);
		memset(ssp, 0xa5, sizeof(*ssp));
		free(ssp);
	}
}

static void test_sequence_numbers(void **state)
{
	assert_int_equal(srcu_gp_snap(400), 404);
	assert_int_equal(srcu_gp_snap(401), 408);
	assert_int_equal(srcu_gp_snap(402), 408);
	assert_true(srcu_gp_done(404, 404));
	assert_true(srcu_gp_done(408, 404));
	assert_false(srcu_gp_done(402, 404));
	assert_false(srcu_gp_done(400, 408));
	/* Across the wrap. */
	assert_int_equal(srcu_gp_snap(0UL - 4), 0);
	assert_true(srcu_gp_done(4, 0UL - 4));
	assert_false(srcu_gp_done(0UL - 4, 4));
	/* More than two grace periods behind: the cookie is an old one. */
	assert_true(srcu_gp_done(400, 440));
	assert_true(srcu_gp_done(0, SRCU_GP_COMPLETED));
}

static void test_polled(void **state)
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
		__srcu_count_lock(&ssp, i & 1);
		assert_true(srcu_gp_readers(&ssp));
		__srcu_count_unlock(&ssp, i & 1);
		assert_false(srcu_gp_readers(&ssp));
	}
	for (i = 0; i < 300; i++)
		synchronize_srcu_expedited(&ssp);
	end_domain(&ssp);
}

DEFINE_STATIC_SRCU(no_init);

static void test_define_srcu(void **state)
{
	struct noted cb = {.number = 3};
	int idx = srcu_read_lock(&no_init);

	/* The section began before the domain had counters of its own. */
	noted = 0;
	call_srcu(&no_init, &cb.head, note);
	usleep(20000);
	assert_int_equal(get(&noted), 0);
	srcu_read_unlock(&no_init, idx);
	srcu_barrier(&no_init);
	assert_int_equal(get(&noted), 1);
}

/* Must come first: later tests start the worker. */
static void test_no_thread_before_first_callback(void **state)
{
	struct noted cb = {.number = 1};
	struct srcu_struct ssp;
	pid_t tid;

	setup_domain(&ssp);
	synchronize_srcu_expedited(&ssp);
	synchronize_srcu(&ssp);
	synchronize_srcu(&ssp);
	srcu_barrier(&ssp);
	assert_int_equal(find_srcu_workers(&tid), 0);
	noted = 0;
	call_srcu(&ssp, &cb.head, note);
	assert_int_equal(find_srcu_workers(&tid), 1);
	end_domain(&ssp);
}

static void wait_in_callback(struct srcu_head *head)
{
	note(head);
	synchronize_srcu(again_domain);
	synchronize_srcu(again_domain);
	synchronize_srcu_expedited(again_domain);
	note(head);
}

/* Nobody else drives the grace period that a callback waits for. */
static void test_callback_waits(void **state)
{
	struct noted cb = {.number = 1};
	struct srcu_struct ssp;

	setup_domain(&ssp);
	again_domain = &ssp;
	noted = 0;
	call_srcu(&ssp, &cb.head, wait_in_callback);
	wait_for(&noted, 2);
	end_domain(&ssp);
}

static struct srcu_struct other_domain;
static int cleaned;

static void clean_idle_other(struct srcu_head *head)
{
	start_poll_synchronize_srcu(&other_domain);
	synchronize_srcu_expedited(&other_domain);
	cleaned = cleanup_srcu_struct(&other_domain);
	note(head);
}

static void test_cleanup_in_anothers_callback(void **state)
{
	struct noted cb = {.number = 1};
	struct srcu_struct ssp;

	setup_domain(&ssp);
	setup_domain(&other_domain);
	noted = 0;
	cleaned = 1;
	call_srcu(&ssp, &cb.head, clean_idle_other);
	wait_for(&noted, 1);
	assert_int_equal(cleaned, 0);
	memset(&other_domain, 0xa5, sizeof(other_domain));
	end_domain(&ssp);
}

/* As slow as can be is not as fast as can be. */
static void test_endless_pace(void **state)
{
	struct noted cb = {.number = 1};
	struct srcu_struct ssp;

	setup_domain(&ssp);
	srcu_set_pace(&ssp, UINT64_MAX);
	noted = 0;
	call_srcu(&ssp, &cb.head, note);
	usleep(20000);
	assert_int_equal(get(&noted), 0);
	end_domain(&ssp);
	assert_int_equal(noted, 1);
}

static void test_statistics(void **state)
{
	struct noted cb[2] = {{.number = 1}, {.number = 2}};
	struct srcu_stats stats;
	struct srcu_struct ssp;
	struct holder holder;
	struct waiter waiter;

	setup_domain(&ssp);
	srcu_set_pace(&ssp, FOREVER_NS);
	noted = 0;
	call_srcu_expedited(&ssp, &cb[0].head, note);
	wait_for(&noted, 1);
	srcu_get_stats(&ssp, &stats);
	assert_int_equal(stats.expedited, 1);
	assert_int_equal(stats.promoted, 0);
	call_srcu(&ssp, &cb[1].head, note);
	synchronize_srcu_expedited(&ssp);
	srcu_get_stats(&ssp, &stats);
	assert_int_equal(stats.expedited, 2);
	assert_int_equal(stats.promoted, 1);
	holder_start(&holder, &ssp);
	waiter_start(&waiter, &ssp, synchronize_srcu_expedited, &holder);
	usleep(20000);
	holder_end(&holder);
	pthread_join(waiter.thread, NULL);
	end_domain(&ssp);
	assert_true(ssp.stats.longest_wait_ns >= 10000000);
	assert_int_equal(ssp.stats.callbacks, 2);
}

/* Readers, updaters and callbacks at once; an object says when it is dead. */
#define ALIVE 0x600d600d
#define DEAD  0xdeaddead

struct object {
	struct srcu_head head;
	unsigned int magic;
};

static struct srcu_struct stress_domain;
static struct object *stress_object;
static int stress_stop, stress_bad;

static struct object *object_new(void)
{
	struct object *object = malloc(sizeof(*object));

	object->magic = ALIVE;
	return object;
}

static void object_free(struct srcu_head *head)
{
	struct object *object = container_of(head, struct object, head);

	__atomic_store_n(&object->magic, DEAD, __ATOMIC_RELAXED);
	free(object);
}

static void *stress_reader(void *arg)
{
	struct object *object;
	int i, idx;

	while (!get(&stress_stop)) {
		idx = srcu_read_lock(&stress_domain);
		object = srcu_dereference(stress_object, &stress_domain);
		for (i = 0; i < 10; i++)
			if (__atomic_load_n(&object->magic, __ATOMIC_RELAXED) !=
			    ALIVE)
				set(&stress_bad, 1);
		if (object->magic % 64 == 0)
			sched_yield();
		srcu_read_unlock(&stress_domain, idx);
	}
	return arg;
}

static void replace_object(bool wait)
{
	struct object *new = object_new();
	struct object *old =
		__atomic_exchange_n(&stress_object, new, __ATOMIC_ACQ_REL);

	if (wait) {
		synchronize_srcu_expedited(&stress_domain);
		object_free(&old->head);
	} else {
		call_srcu(&stress_domain, &old->head, object_free);
	}
}

static void *stress_writer(void *arg)
{
	int i;

	for (i = 0; i < 20000; i++)
		replace_object((uintptr_t)arg & 1);
	return NULL;
}

static void test_stress(void **state)
{
	pthread_t readers[3], writers[2];
	uintptr_t i;

	setup_domain(&stress_domain);
	stress_object = object_new();
	for (i = 0; i < ARRAY_SIZE(readers); i++)
		pthread_create(&readers[i], NULL, stress_reader, NULL);
	for (i = 0; i < ARRAY_SIZE(writers); i++)
		pthread_create(&writers[i], NULL, stress_writer, (void *)i);
	for (i = 0; i < ARRAY_SIZE(writers); i++)
		pthread_join(writers[i], NULL);
	set(&stress_stop, 1);
	for (i = 0; i < ARRAY_SIZE(readers); i++)
		pthread_join(readers[i], NULL);
	end_domain(&stress_domain);
	free(stress_object);
	assert_int_equal(get(&stress_bad), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_thread_before_first_callback),
		cmocka_unit_test(test_expedited_waits_for_reader),
		cmocka_unit_test(test_normal_waits_for_reader),
		cmocka_unit_test(test_other_domain_does_not_wait),
		cmocka_unit_test(test_later_reader_does_not_hold_up),
		cmocka_unit_test(test_nested_sections),
		cmocka_unit_test(test_section_ends_in_another_thread),
		cmocka_unit_test(test_cleanup_while_busy),
		cmocka_unit_test(test_callbacks_in_order),
		cmocka_unit_test(test_callback_waits_for_reader),
		cmocka_unit_test(test_expedited_promotes_callbacks),
		cmocka_unit_test(test_callback_queues_callback),
		cmocka_unit_test(test_barrier_then_cleanup),
		cmocka_unit_test(test_sequence_numbers),
		cmocka_unit_test(test_polled),
		cmocka_unit_test(test_counts_wrap),
		cmocka_unit_test(test_define_srcu),
		cmocka_unit_test(test_callback_waits),
		cmocka_unit_test(test_cleanup_in_anothers_callback),
		cmocka_unit_test(test_endless_pace),
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_stress),
	};

	return cmocka_run_group_tests_name("srcu", tests, NULL, NULL);
}
