// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/thread.h"

static cpu_set_t cpus_at_load;
static bool cpus_known;

/*
 * A filter may kill the process for the calls that read and change the
 * scheduling of a thread, as QEMU's does with -sandbox resourcecontrol=deny.
 */
static bool is_filtered(void)
{
	return prctl(PR_GET_SECCOMP) != 0;
}

/*
 * At load, because the main thread may pin itself later.  If dlopen() loads the
 * library in a pinned thread, these are the CPUs of the main thread as well.
 */
static __attribute__((constructor)) void read_cpus_at_load(void)
{
	cpus_known = !is_filtered() &&
		     !sched_getaffinity(getpid(), sizeof(cpus_at_load),
					&cpus_at_load);
}

static void *thread_main(void *arg)
{
	const struct bf_thread *thread = arg;

	prctl(PR_SET_NAME, thread->name);
	return thread->fn(thread->arg);
}

static int create(struct bf_thread *thread, const pthread_attr_t *attr)
{
	return -pthread_create(&thread->id, attr, thread_main, thread);
}

/*
 * The calling thread may be pinned to a CPU and have a real-time priority.  A
 * thread that inherited both would not run beside it, or would keep other
 * threads of the program from running.  The attributes make the calling thread
 * reset them: behind it, the new thread might never run to reset its own.
 */
static int create_reset(struct bf_thread *thread)
{
	const struct sched_param param = {.sched_priority = 0};
	pthread_attr_t attr;
	int ret;

	if (pthread_attr_init(&attr))
		return -ENOMEM;
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_OTHER);
	pthread_attr_setschedparam(&attr, &param);
	ret = -pthread_attr_setaffinity_np(&attr, sizeof(cpus_at_load),
					   &cpus_at_load);
	if (!ret)
		ret = create(thread, &attr);
	pthread_attr_destroy(&attr);
	return ret;
}

int bf_thread_start(struct bf_thread *thread)
{
	sigset_t all, old;
	int ret;

	/* The thread inherits the mask, so no signal is ever delivered to it. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = cpus_known && !is_filtered() ? create_reset(thread) : -EPERM;
	/* The kernel may refuse the reset, in a sandbox for example. */
	if (ret)
		ret = create(thread, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}
