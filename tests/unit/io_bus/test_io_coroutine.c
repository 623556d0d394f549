// SPDX-License-Identifier: MIT
/*
 * Handlers that suspend their coroutine and resume in another thread, as QEMU's
 * may.  The frames of the threads stay right: a thread is told -EDEADLK while
 * a coroutine that entered a handler on it is inside, and not afterwards.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

#include "belfry/srcu.h"
#include "bus_fixture.h"

#define STACK_SIZE (64 * 1024)
#define ROUNDS	   200
#define FEW	   8  /* a thread has room for their frames */
#define MANY	   40 /* ... and not for these */
#define RANGE	   0x1000
#define DOORBELL   0x2000

struct coroutine {
	ucontext_t context;
	ucontext_t *resumer;
	void *stack;
	uint64_t addr;	   /* of its write */
	uint32_t elements; /* of the string that it writes */
	bool over;
};

static void yield(struct coroutine *coroutine)
{
	swapcontext(&coroutine->context, coroutine->resumer);
}

/* Runs a coroutine until it yields. */
static void resume(struct coroutine *coroutine)
{
	ucontext_t here;

	coroutine->resumer = &here;
	swapcontext(&here, &coroutine->context);
}

static int yielding_write(void *opaque, uint64_t offset,
			  const struct bf_io_access *access)
{
	yield(access->source);
	return 0;
}

static void yielding_signal(void *opaque, uint64_t value,
			    const struct bf_io_access *access)
{
	yield(access->source);
}

/* makecontext() passes ints only. */
static struct coroutine *starting;

static void run_coroutine(void)
{
	struct coroutine *coroutine = starting;
	uint32_t data[FEW] = {0};
	struct bf_io_access access = {
		.addr = coroutine->addr,
		.data = data,
		.len = sizeof(data[0]),
		.write = true,
		.source = coroutine,
	};

	assert_int_equal(
		bf_io_dispatch_string(bus, &access, coroutine->elements), 0);
	coroutine->over = true;
	yield(coroutine);
}

/* Runs it until it is in the handler of its first element. */
static void start(struct coroutine *coroutine, uint64_t addr, uint32_t elements)
{
	*coroutine = (struct coroutine){.addr = addr, .elements = elements};
	coroutine->stack = malloc(STACK_SIZE);
	getcontext(&coroutine->context);
	coroutine->context.uc_stack.ss_sp = coroutine->stack;
	coroutine->context.uc_stack.ss_size = STACK_SIZE;
	makecontext(&coroutine->context, run_coroutine, 0);
	starting = coroutine;
	resume(coroutine);
	assert_false(coroutine->over);
}

/* Another frame on this memory would not be taken for the coroutine's. */
static void end(struct coroutine *coroutine)
{
	assert_true(coroutine->over);
	memset(coroutine->stack, 0xee, STACK_SIZE);
	free(coroutine->stack);
}

/* A second thread, which runs functions on coroutines. */
static struct {
	pthread_t thread;
	sem_t work, done;
	void (*fn)(struct coroutine *coroutine);
	struct coroutine *coroutine;
} helper;

static void *help(void *unused)
{
	for (;;) {
		sem_wait(&helper.work);
		if (!helper.fn)
			return NULL;
		helper.fn(helper.coroutine);
		sem_post(&helper.done);
	}
}

static void helper_start(void)
{
	sem_init(&helper.work, 0, 0);
	sem_init(&helper.done, 0, 0);
	assert_int_equal(pthread_create(&helper.thread, NULL, help, NULL), 0);
}

static void helper_run(void (*fn)(struct coroutine *coroutine),
		       struct coroutine *coroutine)
{
	helper.fn = fn;
	helper.coroutine = coroutine;
	sem_post(&helper.work);
	sem_wait(&helper.done);
}

static void helper_end(void)
{
	helper.fn = NULL;
	sem_post(&helper.work);
	pthread_join(helper.thread, NULL);
}

static int synchronize_ret;

static void synchronize(struct coroutine *unused)
{
	synchronize_ret = bf_io_synchronize(bus);
}

static int helper_synchronize(void)
{
	helper_run(synchronize, NULL);
	return synchronize_ret;
}

static int setup(void **state)
{
	static const struct bf_io_ops ops = {.write = yielding_write};
	const struct bf_io_doorbell_desc desc = {
		.addr = DOORBELL,
		.wildcard = true,
		.consumer = BF_IO_CONSUMER_CALLBACK,
		.callback = yielding_signal,
	};

	helper_start();
	return bus_setup(state) || add_range(RANGE, 8, &ops, NULL, NULL) ||
	       add_doorbell(desc, NULL);
}

static int teardown(void **state)
{
	helper_end();
	return bus_teardown(state);
}

static void move_to_helper(uint64_t addr)
{
	struct coroutine coroutine;

	start(&coroutine, addr, 1);
	assert_int_equal(bf_io_synchronize(bus), -EDEADLK);
	helper_run(resume, &coroutine);
	assert_int_equal(bf_io_synchronize(bus), 0);
	assert_int_equal(helper_synchronize(), 0);
	end(&coroutine);
}

static void test_handler_leaves_in_another_thread(void **state)
{
	for (int i = 0; i < ROUNDS; i++) {
		move_to_helper(RANGE);
		move_to_helper(DOORBELL);
	}
}

/* Each element of a string is handled in both threads. */
static void test_string_moves_between_threads(void **state)
{
	struct coroutine coroutine;

	start(&coroutine, RANGE, FEW);
	for (uint32_t i = 0; i < FEW; i++) {
		if (i % 2)
			resume(&coroutine);
		else
			helper_run(resume, &coroutine);
		if (i + 1 < FEW)
			assert_int_equal(i % 2 ? bf_io_synchronize(bus) :
						 helper_synchronize(),
					 -EDEADLK);
	}
	assert_int_equal(bf_io_synchronize(bus), 0);
	assert_int_equal(helper_synchronize(), 0);
	end(&coroutine);
}

/* They leave in another order than that in which they entered. */
static void leave_shuffled(uint32_t count)
{
	static struct coroutine coroutines[MANY];

	for (uint32_t i = 0; i < count; i++)
		start(&coroutines[i], i % 3 ? RANGE : DOORBELL, 1);
	for (uint32_t i = 0; i < count; i++) {
		struct coroutine *coroutine = &coroutines[i * 7 % count];

		if (count == FEW + 1)
			assert_int_equal(bf_io_synchronize(bus), -EDEADLK);
		if (i % 2)
			resume(coroutine);
		else
			helper_run(resume, coroutine);
		end(coroutine);
	}
	assert_int_equal(bf_io_synchronize(bus), 0);
	assert_int_equal(helper_synchronize(), 0);
}

static void test_handlers_leave_in_any_order(void **state)
{
	for (int i = 0; i < ROUNDS; i++) {
		leave_shuffled(FEW + 1);
		leave_shuffled(MANY - 1);
	}
}

static void start_on_range(struct coroutine *coroutine)
{
	start(coroutine, RANGE, 1);
}

/*
 * The thread that entered the handler has exited, and the next thread may have
 * its address: its own frame must stay when the handler leaves in it.
 */
static void test_handler_outlives_its_thread(void **state)
{
	struct coroutine old, new;

	for (int i = 0; i < ROUNDS; i++) {
		helper_run(start_on_range, &old);
		assert_int_equal(helper_synchronize(), -EDEADLK);
		helper_end();
		helper_start();
		helper_run(start_on_range, &new);
		helper_run(resume, &old);
		assert_int_equal(helper_synchronize(), -EDEADLK);
		helper_run(resume, &new);
		assert_int_equal(helper_synchronize(), 0);
		end(&old);
		end(&new);
	}
}

#define COROUTINE_TEST(name) \
	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		COROUTINE_TEST(test_handler_leaves_in_another_thread),
		COROUTINE_TEST(test_string_moves_between_threads),
		COROUTINE_TEST(test_handlers_leave_in_any_order),
		COROUTINE_TEST(test_handler_outlives_its_thread),
	};

#ifdef __BF_SRCU_TSAN
	/* ThreadSanitizer does not follow swapcontext(). */
	return 77;
#endif
	return cmocka_run_group_tests_name("io_coroutine", tests, NULL, NULL);
}
