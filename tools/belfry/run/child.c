/* SPDX-License-Identifier: MIT */
/* The child of belfry run: start, forwarded signals, and end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "tools/belfry/common/cli.h"
#include "tools/belfry/run/run.h"

enum {
	STATUS_CANNOT_EXECUTE = 126,
	STATUS_NOT_FOUND = 127,
	STATUS_SIGNAL = 128,
};

static const int forwarded[] = {SIGTERM, SIGHUP,  SIGINT,
				SIGQUIT, SIGUSR1, SIGUSR2};

/* The signal state of the caller, which the program inherits. */
struct signals {
	sigset_t wanted;
	sigset_t old_mask;
	struct sigaction old_child;
};

/* The signals of a write that fails, and their inherited actions. */
static const int ignored[] = {SIGPIPE, SIGXFSZ};
static struct sigaction inherited[ARRAY_SIZE(ignored)];
static size_t nr_ignored;

void run_ignore_signals(void)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	for (; nr_ignored < ARRAY_SIZE(ignored); nr_ignored++)
		sigaction(ignored[nr_ignored], &ignore, &inherited[nr_ignored]);
}

static void restore_ignored(void)
{
	for (size_t i = 0; i < nr_ignored; i++)
		sigaction(ignored[i], &inherited[i], NULL);
}

static void hold_signals(struct signals *signals)
{
	struct sigaction by_default = {.sa_handler = SIG_DFL};

	sigemptyset(&signals->wanted);
	sigaddset(&signals->wanted, SIGCHLD);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		sigaddset(&signals->wanted, forwarded[i]);
	sigprocmask(SIG_BLOCK, &signals->wanted, &signals->old_mask);
	/* If SIGCHLD stayed ignored, the kernel would drop the exit status. */
	sigaction(SIGCHLD, &by_default, &signals->old_child);
}

static void release_signals(const struct signals *signals)
{
	sigaction(SIGCHLD, &signals->old_child, NULL);
	sigprocmask(SIG_SETMASK, &signals->old_mask, NULL);
}

/*
 * SIGKILL cannot be caught and passed on, so the kernel kills the child when
 * its parent dies.  prctl() does not notice a parent that died before the call;
 * getppid() does.
 */
static void die_with_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		raise(SIGKILL);
}

/* A successful exec closes the pipe; otherwise errno goes through it. */
static void exec_command(char **command, const struct signals *signals,
			 int pipe_fd)
{
	int reason;

	release_signals(signals);
	restore_ignored();
	execvp(command[0], command);
	reason = errno;
	if (write(pipe_fd, &reason, sizeof(reason)) < 0)
		_exit(STATUS_CANNOT_EXECUTE);
	_exit(reason == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE);
}

static int print_exec_error(const char *command, int reason)
{
	if (reason == ENOENT && !strchr(command, '/'))
		cli_fail("run", "%s: command not found", command);
	else
		cli_fail("run", "cannot execute %s: %s", command,
			 strerror(reason));
	return reason == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE;
}

int run_exec(char **command)
{
	execvp(command[0], command);
	return print_exec_error(command[0], errno);
}

/* Return whether the child executed the command. */
static bool has_started(const char *command, int pipe_fd)
{
	int reason;

	if (read(pipe_fd, &reason, sizeof(reason)) != sizeof(reason))
		return true;
	print_exec_error(command, reason);
	return false;
}

/*
 * Forward signals that a process sent to this one.  A terminal sends a signal
 * to its whole foreground group, which includes the child.
 */
static int wait_for(pid_t pid, const sigset_t *wanted)
{
	siginfo_t info;
	int status;

	for (;;) {
		if (sigwaitinfo(wanted, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD) {
			if (info.si_code <= 0)
				kill(pid, info.si_signo);
			continue;
		}
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
	}
}

static int exit_status(int status)
{
	if (WIFSIGNALED(status))
		return STATUS_SIGNAL + WTERMSIG(status);
	return WEXITSTATUS(status);
}

int run_child(char **command, struct run_counters *counters, bool *started)
{
	struct signals signals;
	const pid_t self = getpid();
	int pipe_fds[2];
	int status;
	pid_t pid;

	*started = false;
	if (pipe2(pipe_fds, O_CLOEXEC))
		return cli_fail("run", "cannot create a pipe: %s",
				strerror(errno));
	hold_signals(&signals);
	counters->started_ns = bf_now_ns();
	pid = fork();
	if (pid < 0) {
		release_signals(&signals);
		return cli_fail("run", "cannot fork: %s", strerror(errno));
	}
	if (!pid) {
		die_with_parent(self);
		exec_command(command, &signals, pipe_fds[1]);
	}
	close(pipe_fds[1]);
	*started = has_started(command[0], pipe_fds[0]);
	close(pipe_fds[0]);
	status = wait_for(pid, &signals.wanted);
	release_signals(&signals);
	return exit_status(status);
}

static void wait_for_end(int pidfd)
{
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

	while (poll(&poll_fd, 1, -1) < 0 && errno == EINTR)
		;
}

/* In another PID namespace the number may mean a stranger. */
static bool uses_counters(pid_t pid)
{
	char path[64], line[256];
	bool found = false;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	while (maps && !found && fgets(line, sizeof(line), maps))
		found = strstr(line, "belfry-stats");
	if (maps)
		fclose(maps);
	return found;
}

pid_t run_find_daemon(const struct stats *stats, int *pidfd)
{
	pid_t pid = (pid_t)atomic_load(&stats->vm_pid);

	*pidfd = pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	if (*pidfd >= 0 && uses_counters(pid))
		return pid;
	if (*pidfd >= 0)
		close(*pidfd);
	return 0;
}

bool run_wait_for_daemon(int pidfd)
{
	pid_t pid = fork();

	if (pid) { /* daemon() forks again, so that no child stays */
		close(pidfd);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		return false;
	}
	if (daemon(1, 0))
		_exit(1);
	wait_for_end(pidfd);
	return true;
}
