/* SPDX-License-Identifier: MIT */
/* Tasks without rights: their output, their limits and their faults. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/confine.h"

struct taken {
	size_t size;
	char text[64];
};

static void take(void *arg, char *text, size_t size)
{
	struct taken *taken = arg;

	assert_true(taken->size + size < sizeof(taken->text));
	memcpy(taken->text + taken->size, text, size);
	taken->size += size;
}

/* Returns the status; line receives the messages. */
static int run_task(int (*run)(void *arg, FILE *out), int input,
		    struct taken *taken, char line[256])
{
	const struct confined_task task = {
		.command = "test",
		.subject = "the input",
		.input = input,
		.most = sizeof(taken->text) - 1,
		.run = run,
		.take = take,
		.arg = taken,
	};
	int err = memfd_create("err", MFD_CLOEXEC), saved = dup(STDERR_FILENO);
	ssize_t length;
	int status;

	memset(taken, 0, sizeof(*taken));
	dup2(err, STDERR_FILENO);
	status = confine(&task);
	dup2(saved, STDERR_FILENO);
	length = pread(err, line, 255, 0);
	line[length > 0 ? length : 0] = '\0';
	close(err);
	close(saved);
	return status;
}

/* The task must fail with one line that contains words. */
static void check_failure(int (*run)(void *arg, FILE *out), const char *words)
{
	struct taken taken;
	char line[256];

	assert_int_equal(run_task(run, -1, &taken, line), CLI_FAILURE);
	if (!strstr(line, words))
		print_error("%s", line);
	assert_non_null(strstr(line, words));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static int write_text(void *arg, FILE *out)
{
	fputs("caf\xc3\xa9", out);
	return CLI_OK;
}

static void test_output(void **state)
{
	struct taken taken;
	char line[256];

	assert_int_equal(run_task(write_text, -1, &taken, line), CLI_OK);
	assert_string_equal(taken.text, "caf\xc3\xa9");
	assert_string_equal(line, "");
}

/* SIGCHLD may be ignored by the process that started the tool. */
static void test_ignored_sigchld(void **state)
{
	struct taken taken;
	char line[256];

	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(run_task(write_text, -1, &taken, line), CLI_OK);
	signal(SIGCHLD, SIG_DFL);
}

static int input_fd;

static int read_input(void *arg, FILE *out)
{
	char text[8];
	ssize_t length = read(input_fd, text, sizeof(text));

	fwrite(text, 1, (size_t)length, out);
	return CLI_OK;
}

static void test_input(void **state)
{
	struct taken taken;
	char line[256];
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "words", 5), 5);
	input_fd = ends[0];
	assert_int_equal(run_task(read_input, ends[0], &taken, line), CLI_OK);
	assert_string_equal(taken.text, "words");
	assert_int_equal(write(ends[1], "words", 5), 5);
	check_failure(read_input, "signal 31"); /* it is not the input */
	close(ends[0]);
	close(ends[1]);
}

static int fail_task(void *arg, FILE *out)
{
	return cli_fail("test", "bad byte \x1b[31m");
}

static int *volatile nowhere;

static int fault(void *arg, FILE *out)
{
	*nowhere = 1;
	return CLI_OK;
}

static int write_much(void *arg, FILE *out)
{
	for (int i = 0; i < 100000; i++)
		fputs("0123456789", out);
	return CLI_OK;
}

static int take_gib(size_t gib)
{
	void *volatile memory = malloc(gib << 30);

	free(memory);
	return memory ? CLI_OK : cli_fail("test", "no memory");
}

static int take_memory(void *arg, FILE *out)
{
	return take_gib(9);
}

static int take_less_memory(void *arg, FILE *out)
{
	return take_gib(5);
}

/* A sanitizer reserves terabytes of addresses, so it has no limit of them. */
void __asan_init(void) __attribute__((weak));
void __tsan_init(void) __attribute__((weak));

static void test_memory(void **state)
{
	if (__asan_init || __tsan_init)
		skip();
	check_failure(take_memory, "no memory");
}

/* The user's limits hold for the child, too. */
static void test_less_memory(void **state)
{
	struct rlimit before, limit;

	if (__asan_init || __tsan_init)
		skip();
	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	limit = (struct rlimit){(rlim_t)4 << 30, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	check_failure(take_less_memory, "no memory");
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
}

static void test_failures(void **state)
{
	check_failure(fail_task, "belfry test: bad byte ?[31m");
	check_failure(write_much, "more than 63 bytes");
}

/* A sanitizer catches the signal and exits. */
static void test_fault(void **state)
{
	check_failure(fault, "reader");
}

static int open_file(void *arg, FILE *out)
{
	return open("/dev/null", O_RDONLY) < 0;
}

static int make_socket(void *arg, FILE *out)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0;
}

static int make_process(void *arg, FILE *out)
{
	return fork() < 0;
}

static int send_signal(void *arg, FILE *out)
{
	return kill(getppid(), 0);
}

static int write_elsewhere(void *arg, FILE *out)
{
	return write(STDOUT_FILENO, "x", 1) < 0;
}

static int make_code(void *arg, FILE *out)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static int change_code(void *arg, FILE *out)
{
	return mprotect((void *)((uintptr_t)change_code & ~(uintptr_t)4095),
			4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}

static void test_calls_that_kill(void **state)
{
	int (*const tasks[])(void *arg, FILE *out) = {
		open_file,	 make_socket, make_process, send_signal,
		write_elsewhere, make_code,   change_code,
	};

	for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++)
		check_failure(tasks[i], "was ended by signal 31");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_ignored_sigchld),
		cmocka_unit_test(test_input),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_less_memory),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_fault),
		cmocka_unit_test(test_calls_that_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
