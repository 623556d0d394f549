/* SPDX-License-Identifier: MIT */
/* VMMs whose signal handlers close a VM, duplicate an fd or fork. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testvmm.h"

#define BELLS	  8
#define ROUNDS	  800
#define DUPS	  200
#define EARLY_VMS 24

#define MAX_NUMBER (300 * 1024)
#define FORKS	   400

static volatile int victim = -1;
static volatile unsigned int handled;

/* A child hits one thread with signals, at moments that it does not choose. */
static pid_t start_hits(unsigned int pause_us)
{
	const pid_t target = getpid();
	pid_t pid = fork();

	testvmm_check(pid >= 0, "fork");
	while (!pid && getppid() == target) {
		kill(target, SIGUSR1);
		usleep(pause_us);
	}
	if (!pid)
		_exit(0);
	return pid;
}

static void end_hits(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void set_handler(void (*handler)(int))
{
	struct sigaction action = {
		.sa_handler = handler,
		.sa_flags = SA_RESTART,
	};

	sigaction(SIGUSR1, &action, NULL);
	alarm(60); /* a deadlock ends the test */
}

static void close_victim(int sig)
{
	const int fd = victim;

	if (fd < 0)
		return;
	victim = -1;
	close(fd);
	handled++;
}

static int new_vm(int kvm)
{
	int vm;

	do {
		vm = ioctl(kvm, KVM_CREATE_VM, 0);
	} while (vm < 0);
	return vm;
}

static void register_bells(int vm, int efd)
{
	for (unsigned int i = 0; i < BELLS; i++)
		testvmm_assign(vm, efd, GUEST_MMIO + 8 * i, 4, 0, 0);
}

static void change_bell(int vm, int efd)
{
	testvmm_assign(vm, efd, GUEST_MMIO, 4, 0, 0);
	testvmm_assign(vm, efd, GUEST_MMIO, 4, KVM_IOEVENTFD_FLAG_DEASSIGN, 0);
}

static void use_heap(void)
{
	void *blocks[64];

	for (unsigned int i = 0; i < 64; i++)
		blocks[i] = malloc(1500 + i * 64);
	for (unsigned int i = 0; i < 64; i += 2)
		free(blocks[i]);
	for (unsigned int i = 1; i < 64; i += 2)
		free(blocks[i]);
}

/* The handler closes VMs, and interrupts @work, which gets another VM. */
static void close_during(void (*work)(int vm, int efd))
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int efd = testvmm_eventfd(), other = new_vm(kvm), vm;
	pid_t hits;

	set_handler(close_victim);
	hits = start_hits(37);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		vm = new_vm(kvm);
		register_bells(vm, efd);
		victim = vm;
		while (handled == i)
			work(other, efd);
	}
	end_hits(hits);
	printf("closed in the handler\n");
}

void scenario_close_in_handler(void)
{
	close_during(change_bell);
}

static void change_heap(int vm, int efd)
{
	use_heap();
}

/* The handler interrupts malloc() and free(). */
void scenario_close_in_malloc(void)
{
	close_during(change_heap);
}

static void *forbid_threads(void *arg)
{
	testvmm_forbid(SYS_rseq, SECCOMP_RET_KILL_PROCESS);
	return arg;
}

/*
 * The C library keeps 40 MB of stacks, and frees others with memory of theirs.
 * Here it keeps none.  From the filter on each VM has its helper at once.
 */
void scenario_close_beside_stacks(void)
{
	static const char tunables[] = "GLIBC_TUNABLES";
	pthread_t thread;

	if (!getenv(tunables)) {
		setenv(tunables, "glibc.pthread.stack_cache_size=0", 1);
		execl("/proc/self/exe", "testvmm", "close-beside-stacks", NULL);
	}
	pthread_create(&thread, NULL, forbid_threads, NULL);
	pthread_join(thread, NULL);
	close_during(change_heap);
}

static void fork_child(int vm, int efd)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
}

/* The handler interrupts fork(). */
void scenario_close_in_fork(void)
{
	close_during(fork_child);
}

/*
 * The same, and a filter refuses to hold signals back.  The front has VMs from
 * before the filter alone.
 */
void scenario_close_in_refused_fork(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int efd = testvmm_eventfd(), vms[EARLY_VMS];
	pid_t hits;

	for (unsigned int i = 0; i < EARLY_VMS; i++) {
		vms[i] = new_vm(kvm);
		register_bells(vms[i], efd);
	}
	set_handler(close_victim);
	hits = start_hits(37);
	testvmm_forbid(SYS_rt_sigprocmask, SECCOMP_RET_ERRNO | EPERM);
	for (unsigned int i = 0; i < EARLY_VMS; i++) {
		victim = vms[i];
		while (handled == i)
			fork_child(-1, efd);
	}
	end_hits(hits);
	printf("closed in the handler\n");
}

/* forkpty() forks inside the C library, as daemon() does. */
static void fork_with_terminal(int vm, int efd)
{
	int terminal;
	pid_t pid = forkpty(&terminal, NULL, NULL, NULL);

	testvmm_check(pid >= 0, "forkpty");
	if (!pid)
		_exit(0);
	close(terminal);
	waitpid(pid, NULL, 0);
}

/* The handler interrupts forkpty(). */
void scenario_close_in_forkpty(void)
{
	close_during(fork_with_terminal);
}

#define JUMPS	   300
#define FIRST_LEFT 512 /* where the library's numbers begin */
#define LAST_LEFT  519

static sigjmp_buf left;
static volatile bool armed;

static void leave_call(int sig)
{
	if (!armed)
		return;
	armed = false;
	handled++;
	siglongjmp(left, 1);
}

static void replace_until_left(int efd)
{
	if (sigsetjmp(left, 1))
		return;
	armed = true;
	for (;;) {
		for (int fd = FIRST_LEFT; fd <= LAST_LEFT; fd++) {
			dup2(efd, fd);
			close(fd);
		}
		for (int i = 0; i < 100; i++)
			close_range(FIRST_LEFT, LAST_LEFT, 0);
	}
}

/* The handler leaves close(), dup2() or close_range() by a long jump. */
void scenario_left_close(void)
{
	int efd = testvmm_eventfd(), open = 0;
	struct testvmm vm;
	pid_t hits;

	set_handler(leave_call);
	hits = start_hits(200);
	while (handled < JUMPS)
		replace_until_left(efd);
	signal(SIGUSR1, SIG_IGN);
	end_hits(hits);
	close_range(FIRST_LEFT, LAST_LEFT, 0);
	testvmm_create(&vm, 1);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	testvmm_destroy(&vm);
	for (int fd = FIRST_LEFT; fd <= LAST_LEFT + 1; fd++)
		open += fcntl(fd, F_GETFD) >= 0;
	printf("left open: %d\n", open);
}

static unsigned int tables; /* the library has one for 1,024 numbers */

static void allow_tables(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max > MAX_NUMBER)
		limit.rlim_max = MAX_NUMBER;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	tables = (unsigned int)(limit.rlim_cur / 1024);
}

static void dup_victim(int sig)
{
	const int fd = victim;

	if (fd < 0)
		return;
	close(dup(fd));
	close(fcntl(fd, F_DUPFD_CLOEXEC, 1024 * (int)(handled % tables)));
	handled++;
}

/* The handler interrupts malloc() and free(). */
void scenario_dup_in_handler(void)
{
	int efd = testvmm_eventfd();
	struct testvmm vm;
	pid_t hits;

	allow_tables();
	testvmm_create(&vm, 1);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	set_handler(dup_victim);
	hits = start_hits(37);
	victim = vm.fd;
	while (handled < DUPS)
		use_heap();
	victim = -1;
	end_hits(hits);
	printf("duplicated in the handler\n");
	testvmm_destroy(&vm);
}

static void fork_and_wait(int sig)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	handled++;
}

static void *hit_thread(void *arg)
{
	const pthread_t *target = arg;
	unsigned int seen;

	while ((seen = handled) < FORKS) {
		pthread_kill(*target, SIGUSR1);
		while (handled == seen)
			usleep(100);
	}
	return NULL;
}

/* The handler interrupts KVM_IOEVENTFD. */
void scenario_fork_in_handler(void)
{
	pthread_t self = pthread_self(), thread;
	int efd = testvmm_eventfd();
	struct testvmm vm;

	testvmm_create(&vm, 1);
	set_handler(fork_and_wait);
	pthread_create(&thread, NULL, hit_thread, &self);
	while (handled < FORKS)
		change_bell(vm.fd, efd);
	pthread_join(thread, NULL);
	printf("forked in the handler\n");
	testvmm_destroy(&vm);
}
