/* SPDX-License-Identifier: MIT */
#include "tools/belfry/common/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "base/util.h"
#include "tools/belfry/common/cli.h"

#define SECONDS	   300
#define MEMORY	   ((rlim_t)8 << 30)
#define PART	   65536
#define LINE_BYTES 1024

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* The limits of the caller may be lower: only root could raise them. */
static int lower_limit(__rlimit_resource_t resource, rlim_t most)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit))
		return -errno;
	if (limit.rlim_max > most)
		limit.rlim_max = most;
	if (limit.rlim_cur > most)
		limit.rlim_cur = most;
	return setrlimit(resource, &limit) ? -errno : 0;
}

/* A sanitizer reserves terabytes of addresses, so it has no limit of them. */
static int limit_resources(void)
{
	static const struct {
		__rlimit_resource_t resource;
		rlim_t most;
	} limits[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_FSIZE, 0},
		{RLIMIT_CPU, SECONDS},
#ifndef SANITIZED
		{RLIMIT_AS, MEMORY},
#endif
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		int ret = lower_limit(limits[i].resource, limits[i].most);

		if (ret)
			return ret;
	}
	return 0;
}

static struct scmp_arg_cmp argument_has(unsigned int n, uint32_t mask,
					uint32_t value)
{
	return (struct scmp_arg_cmp){n, SCMP_CMP_MASKED_EQ, mask, value};
}

/* The call alone, on one descriptor. */
static int allow_for(scmp_filter_ctx filter, int call, int fd)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
				argument_has(0, UINT32_MAX, (uint32_t)fd));
}

/* Memory without a file behind it, which is never code. */
static int allow_memory(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
				argument_has(2, PROT_EXEC, 0),
				argument_has(4, UINT32_MAX, UINT32_MAX));
}

static int add_rules(scmp_filter_ctx filter, int input, int output)
{
	static const int calls[] = {
		SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap),
		SCMP_SYS(madvise), SCMP_SYS(clock_gettime),
		SCMP_SYS(clock_getres),
		/* json-c seeds its hash; since glibc 2.41 in the vDSO. */
		SCMP_SYS(getrandom), SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(sched_getaffinity),
		SCMP_SYS(sysinfo), /* qsort() asks for the size of memory */
		SCMP_SYS(exit_group),
#ifdef SANITIZED
		SCMP_SYS(sigaltstack), /* before a call that does not return */
#endif
	};
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(calls) && !ret; i++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	if (!ret)
		ret = allow_memory(filter);
	if (!ret)
		ret = allow_for(filter, SCMP_SYS(write), output);
	if (!ret)
		ret = allow_for(filter, SCMP_SYS(write), STDERR_FILENO);
	if (!ret && input >= 0)
		ret = allow_for(filter, SCMP_SYS(read), input);
	return ret;
}

static int forbid_calls(int input, int output)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int ret = filter ? add_rules(filter, input, output) : -ENOMEM;

	if (!ret)
		ret = seccomp_load(filter);
	seccomp_release(filter);
	return ret;
}

static int give_up_rights(const struct confined_task *task, int output)
{
	int ret = limit_resources();

	if (!ret)
		ret = forbid_calls(task->input, output);
	if (ret)
		cli_fail(task->command, "cannot give up rights to read %s: %s",
			 task->subject, strerror(-ret));
	return ret;
}

/* stdio gets its buffer from here: by itself it would ask fstat() for a size. */
static void __attribute__((noreturn))
run_child(const struct confined_task *task, int output, int errors)
{
	static char buffer[PART];
	FILE *out = fdopen(output, "w");
	int status = CLI_FAILURE;

	if (!out || dup2(errors, STDERR_FILENO) < 0)
		_exit(CLI_FAILURE);
	setvbuf(out, buffer, _IOFBF, sizeof(buffer));
	if (!give_up_rights(task, output))
		status = task->run(task->arg, out);
	fflush(out);
	_exit(status);
}

struct child {
	pid_t pid;
	int output; /* pipes that the parent reads */
	int errors;
};

static void close_both(const int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

/*
 * The parent reads the error line last, so the child must not wait in a write
 * of it.
 */
static bool open_pipes(int output[2], int errors[2])
{
	if (pipe2(output, O_CLOEXEC))
		return false;
	if (!pipe2(errors, O_CLOEXEC | O_NONBLOCK))
		return true;
	close_both(output);
	return false;
}

/* Returns false with errno on failure. */
static bool start(const struct confined_task *task, struct child *child)
{
	int output[2], errors[2];

	if (!open_pipes(output, errors))
		return false;
	child->pid = fork();
	if (!child->pid)
		run_child(task, output[1], errors[1]);
	if (child->pid < 0) {
		close_both(output);
		close_both(errors);
		return false;
	}
	close(output[1]);
	close(errors[1]);
	child->output = output[0];
	child->errors = errors[0];
	return true;
}

static ssize_t read_part(int fd, char *to, size_t size)
{
	ssize_t length;

	do
		length = read(fd, to, size);
	while (length < 0 && errno == EINTR);
	return length;
}

/* Returns false if the child gives more than it may. */
static bool take_output(const struct confined_task *task, int fd)
{
	static char text[PART];
	size_t held = 0, whole, sum = 0;
	ssize_t length;

	while ((length = read_part(fd, text + held, PART - held)) > 0) {
		sum += (size_t)length;
		if (sum > task->most)
			return false;
		held += (size_t)length;
		whole = text_whole(text, held);
		task->take(task->arg, text, whole);
		held -= whole;
		memmove(text, text + whole, held);
	}
	task->take(task->arg, text, held);
	return true;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return status;
}

/* The line that the child wrote, which begins with "belfry". */
static int pass_line(const struct confined_task *task, int fd)
{
	char line[LINE_BYTES];
	ssize_t length = read_part(fd, line, sizeof(line) - 1);

	line[length > 0 ? length : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (!*line)
		return cli_fail(task->command,
				"cannot read %s: its reader"
				" failed",
				task->subject);
	cli_line(stderr, "%s", line);
	return CLI_FAILURE;
}

static int explain(const struct confined_task *task, int status, bool fits,
		   int errors)
{
	if (!fits)
		return cli_fail(task->command,
				"cannot read %s: its reader gave more than"
				" %zu bytes",
				task->subject, task->most);
	if (WIFSIGNALED(status))
		return cli_fail(task->command,
				"cannot read %s: its reader was ended by"
				" signal %d (%s)",
				task->subject, WTERMSIG(status),
				strsignal(WTERMSIG(status)));
	return WEXITSTATUS(status) ? pass_line(task, errors) : CLI_OK;
}

static int finish(const struct confined_task *task, struct child *child)
{
	bool fits = take_output(task, child->output);
	int status;

	close(child->output);
	if (!fits)
		kill(child->pid, SIGKILL);
	status = explain(task, wait_for(child->pid), fits, child->errors);
	close(child->errors);
	return status;
}

/* If SIGCHLD stayed ignored, the kernel would drop the exit status. */
int confine(const struct confined_task *task)
{
	struct sigaction by_default = {.sa_handler = SIG_DFL}, old;
	struct child child;
	int status;

	sigaction(SIGCHLD, &by_default, &old);
	if (start(task, &child))
		status = finish(task, &child);
	else
		status = cli_fail(task->command,
				  "cannot start a reader of %s: %s",
				  task->subject, strerror(errno));
	sigaction(SIGCHLD, &old, NULL);
	return status;
}
