// SPDX-License-Identifier: MIT
/*
 * The forking thread of the SRCU torture.  The child uses every domain and
 * exits with 0.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/belfry/common/sleep.h"
#include "torture_srcu.h"
#include "base/util.h"

/* The longest pause between two children. */
#define PAUSE_US 50000

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

const char *forker_problem(void)
{
#ifdef SANITIZED
	/* A thread that starts holds locks of the sanitizer across the fork. */
	return "a sanitizer, whose locks a child of a fork finds taken";
#else
	return NULL;
#endif
}

struct counted {
	struct srcu_head head;
	unsigned int *called;
};

static void count(struct srcu_head *head)
{
	++*container_of(head, struct counted, head)->called;
}

static bool child_uses(struct domain *domain)
{
	unsigned int called = 0;
	struct counted normal = {.called = &called};
	struct counted expedited = {.called = &called};
	struct section section = section_enter(domain->srcu, domain->fast);
	unsigned long cookie;

	section_leave(section);
	synchronize_srcu_expedited(domain->srcu);
	synchronize_srcu(domain->srcu);
	cookie = start_poll_synchronize_srcu(domain->srcu);
	while (!poll_state_synchronize_srcu(domain->srcu, cookie))
		sleep_us(100);
	call_srcu(domain->srcu, &normal.head, count);
	call_srcu_expedited(domain->srcu, &expedited.head, count);
	srcu_barrier(domain->srcu);
	return called == 2;
}

/* Returns 0, or the number of the domain that failed, from 1. */
static int child_main(void)
{
	srcu_torture.child = true;
	alarm((unsigned int)torture.watchdog);
	for (unsigned int i = 0; i < srcu_torture.nr_domains; i++)
		if (!child_uses(&srcu_torture.domains[i]))
			return (int)i + 1;
	return 0;
}

static void check_child(int status)
{
	if (WIFSIGNALED(status))
		torture_fail("the child of a fork was ended by signal %d%s",
			     WTERMSIG(status),
			     WTERMSIG(status) == SIGALRM ? ": it hung" : "");
	else if (WEXITSTATUS(status))
		torture_fail(
			"%s: callbacks were missing in the child of a "
			"fork",
			srcu_torture.domains[WEXITSTATUS(status) - 1].name);
}

static void fork_once(struct torture_thread *self)
{
	pid_t pid;
	int status;

	thread_does(self, "forks", NULL);
	pid = fork();
	if (pid == 0)
		_exit(child_main());
	if (pid < 0) {
		torture_fail("fork: %s", strerror(errno));
		return;
	}
	thread_does(self, "waits for a child", NULL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	check_child(status);
	self->tallies[TALLY_FORKS]++;
}

void *forker_main(void *number)
{
	struct torture_thread self;

	thread_init(&self, THREAD_FORKER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		fork_once(&self);
		sleep_us(thread_random(&self, PAUSE_US));
	}
	thread_done(&self);
	return NULL;
}
