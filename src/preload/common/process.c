/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/common/sys.h"
#include "preload/seccomp/forbidden.h"

static _Atomic bool always = true;
_Atomic bool *process_known = &always;
pid_t process_pid;
pid_t process_parent;
static void (*forget_parent)(bool raw);

void process_adopt(void)
{
	atomic_store_explicit(process_known, true, memory_order_relaxed);
	process_parent = process_pid;
	if (!thread_forbids(FORBIDDEN_PID))
		process_pid = getpid();
}

void process_forget_parent(void)
{
	process_adopt();
	forget_parent(true);
}

static void after_fork(void)
{
	process_adopt();
	forget_parent(false);
}

void process_setup(void (*forget)(bool raw))
{
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	forget_parent = forget;
	if (page != MAP_FAILED && !madvise(page, size, MADV_WIPEONFORK))
		process_known = page;
	process_adopt();
	pthread_atfork(NULL, NULL, after_fork);
}

/*
 * The C library registers a list for each of its threads, and a new process has
 * none.  So process 1 of a PID namespace differs from its child that shares its
 * memory and is process 1 of another namespace.
 */
static bool has_robust_list(void)
{
	void *head = NULL;
	size_t size;

	return sys_call(SYS_get_robust_list, 0, (long)&head, (long)&size, 0, 0,
			0) ||
	       head;
}

static bool ask_for_owner(void)
{
	if (thread_forbids(FORBIDDEN_PID))
		return true;
	return getpid() == process_pid &&
	       (process_pid != 1 || has_robust_list());
}

bool process_is_owner(void)
{
	bool is_owner;
	int idx;

	process_check();
	idx = forbidden_calls_begin();
	is_owner = ask_for_owner();
	forbidden_calls_end(idx);
	return is_owner;
}
