// SPDX-License-Identifier: MIT
/* The version, and the function that gets the library's messages. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "belfry/version.h"

#if !BELFRY_VERSION_AT_LEAST(BELFRY_VERSION_MAJOR, BELFRY_VERSION_MINOR, \
			     BELFRY_VERSION_MICRO)
#error "a version is at least itself"
#endif
#if BELFRY_VERSION_AT_LEAST(BELFRY_VERSION_MAJOR, BELFRY_VERSION_MINOR, \
			    BELFRY_VERSION_MICRO + 1) ||                \
	BELFRY_VERSION_AT_LEAST(BELFRY_VERSION_MAJOR + 1, 0, 0)
#error "a version is not at least a later one"
#endif

static void test_version(void **state)
{
	char numbers[32];

	snprintf(numbers, sizeof(numbers), "%d.%d.%d", BELFRY_VERSION_MAJOR,
		 BELFRY_VERSION_MINOR, BELFRY_VERSION_MICRO);
	assert_string_equal(BELFRY_VERSION, numbers);
	assert_string_equal(bf_version(), numbers);
}

static void keep(void *opaque, const char *text)
{
	strcpy(opaque, text);
}

static void test_hook_gets_messages(void **state)
{
	char first[32] = "", second[32] = "";

	bf_set_log(keep, first);
	bf_log("one\n");
	bf_set_log(keep, second);
	bf_log("two\n");
	bf_set_log(NULL, NULL);
	assert_string_equal(first, "one\n");
	assert_string_equal(second, "two\n");
}

static void test_standard_error(void **state)
{
	char text[16] = "";
	int fds[2], err = dup(STDERR_FILENO);

	assert_int_equal(pipe(fds), 0);
	fflush(stderr);
	dup2(fds[1], STDERR_FILENO);
	bf_log("three\n");
	fflush(stderr);
	dup2(err, STDERR_FILENO);
	assert_int_equal(read(fds[0], text, sizeof(text) - 1), 6);
	assert_string_equal(text, "three\n");
	close(fds[0]);
	close(fds[1]);
	close(err);
}

static void keep_once(void *opaque, const char *text)
{
	keep(opaque, text);
	bf_set_log(NULL, NULL);
}

static void test_hook_may_replace_itself(void **state)
{
	char text[32] = "";

	bf_set_log(keep_once, text);
	bf_log("four\n");
	assert_string_equal(text, "four\n");
}

struct slow {
	int inside;
	int leave;
	int left;
};

static int get(int *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void set(int *word)
{
	__atomic_store_n(word, 1, __ATOMIC_RELEASE);
}

static void be_slow(void *opaque, const char *text)
{
	struct slow *slow = opaque;

	set(&slow->inside);
	while (!get(&slow->leave))
		usleep(100);
	set(&slow->left);
}

static void *log_five(void *unused)
{
	bf_log("five\n");
	return unused;
}

static void *leave_soon(void *opaque)
{
	struct slow *slow = opaque;

	usleep(20000);
	set(&slow->leave);
	return NULL;
}

/* When bf_set_log() returns, what belongs to the former function may go. */
static void test_replacement_waits_for_a_call(void **state)
{
	struct slow slow = {0};
	pthread_t logger, waker;

	bf_set_log(be_slow, &slow);
	pthread_create(&logger, NULL, log_five, NULL);
	while (!get(&slow.inside))
		usleep(100);
	pthread_create(&waker, NULL, leave_soon, &slow);
	bf_set_log(NULL, NULL);
	assert_int_equal(get(&slow.left), 1);
	pthread_join(waker, NULL);
	pthread_join(logger, NULL);
}

/*
 * fork() waits for a call in another thread, so the child can log.  The threads
 * are detached: ThreadSanitizer takes one that ended before fork() for a leak
 * of the child, which cannot join it.
 */
static void test_child_of_fork_logs(void **state)
{
	struct slow slow = {0};
	pthread_t logger, waker;
	char text[32] = "";
	int status;
	pid_t pid;

	bf_set_log(be_slow, &slow);
	pthread_create(&logger, NULL, log_five, NULL);
	pthread_detach(logger);
	while (!get(&slow.inside))
		usleep(100);
	pthread_create(&waker, NULL, leave_soon, &slow);
	pthread_detach(waker);
	pid = fork();
	if (pid == 0) {
		alarm(20);
		bf_set_log(keep, text);
		bf_log("six\n");
		_exit(strcmp(text, "six\n") != 0);
	}
	assert_int_equal(get(&slow.left), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	bf_set_log(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_hook_gets_messages),
		cmocka_unit_test(test_standard_error),
		cmocka_unit_test(test_hook_may_replace_itself),
		cmocka_unit_test(test_replacement_waits_for_a_call),
		cmocka_unit_test(test_child_of_fork_logs),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
