/* SPDX-License-Identifier: MIT */
/*
 * VMMs whose eventfds another process has, and VMMs that pass bad arguments to
 * calls that the library follows.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "testvmm.h"

static void make_sockets(int sockets[2])
{
	testvmm_check(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				  sockets),
		      "socketpair");
}

static void end_child(pid_t pid)
{
	testvmm_check(pid >= 0, "child");
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, __WALL);
}

static void share_by_message(int vm, int efd)
{
	int sockets[2], fds[2] = {efd, efd};

	make_sockets(sockets);
	testvmm_send_fds(sockets[0], fds);
}

static void share_by_clone(int vm, int efd)
{
	end_child((pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static void share_by_raw_fork(int vm, int efd)
{
	end_child(_Fork());
}

static int end_at_once(void *unused)
{
	return 0;
}

static void share_by_libc_clone(int vm, int efd)
{
	static char stack[65536] __attribute__((aligned(16)));

	waitpid(clone(end_at_once, stack + sizeof(stack), SIGCHLD, NULL), NULL,
		__WALL);
}

static void share_by_execution(int vm, int efd)
{
	fcntl(efd, F_SETFD, 0);
}

/*
 * The holder fills the counter and clears O_NONBLOCK; a write(2) sleeps.  The
 * program plays the holder itself.
 */
static void run_with_full_eventfd(struct testvmm *vm, int efd)
{
	const uint64_t full = UINT64_MAX - 1;

	testvmm_check(write(efd, &full, sizeof(full)) == sizeof(full), "write");
	fcntl(efd, F_SETFL, 0);
	testvmm_start(vm, 0, &guest_count, 3);
	testvmm_run(vm, 0);
	fcntl(efd, F_SETFL, O_NONBLOCK);
	printf("full: %d\n", testvmm_read_count(efd) == UINT64_MAX);
}

static void run_beside_holder(void (*share)(int vm, int efd))
{
	int efd = testvmm_eventfd();
	struct testvmm vm;

	alarm(20);
	testvmm_create(&vm, 1);
	share(vm.fd, efd);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	run_with_full_eventfd(&vm, efd);
	testvmm_destroy(&vm);
	close(efd);
}

void scenario_shared_by_message(void)
{
	run_beside_holder(share_by_message);
}

void scenario_shared_by_clone(void)
{
	run_beside_holder(share_by_clone);
}

void scenario_shared_by_raw_fork(void)
{
	run_beside_holder(share_by_raw_fork);
}

void scenario_shared_by_libc_clone(void)
{
	run_beside_holder(share_by_libc_clone);
}

void scenario_shared_by_execution(void)
{
	run_beside_holder(share_by_execution);
}

struct filtered_vmm {
	struct testvmm vm;
	int efd;
	void (*share_inside)(int vm, int efd); /* in the vCPU's thread */
	pthread_barrier_t filtered;
	pthread_barrier_t shared;
};

/* A vCPU's thread registers no doorbells. */
static void forbid_doorbells(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KVM_IOEVENTFD, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

	testvmm_check(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter),
		      "filter");
}

static void *run_without_io_submit(void *arg)
{
	struct filtered_vmm *vmm = arg;

	testvmm_forbid(SYS_io_submit, SECCOMP_RET_KILL_PROCESS);
	if (vmm->share_inside) {
		forbid_doorbells();
		vmm->share_inside(vmm->vm.fd, vmm->efd);
	}
	pthread_barrier_wait(&vmm->filtered);
	pthread_barrier_wait(&vmm->shared);
	run_with_full_eventfd(&vmm->vm, vmm->efd);
	return NULL;
}

/* The vCPU's thread must not call io_submit(2). */
static void run_filtered(void (*share_before)(int vm, int efd),
			 void (*share_inside)(int vm, int efd),
			 void (*share_after)(int vm, int efd))
{
	struct filtered_vmm vmm = {
		.efd = testvmm_eventfd(),
		.share_inside = share_inside,
	};
	pthread_t thread;

	alarm(20);
	pthread_barrier_init(&vmm.filtered, NULL, 2);
	pthread_barrier_init(&vmm.shared, NULL, 2);
	testvmm_create(&vmm.vm, 1);
	testvmm_assign(vmm.vm.fd, vmm.efd, GUEST_MMIO, 4, 0, 0);
	if (share_before)
		share_before(vmm.vm.fd, vmm.efd);
	pthread_create(&thread, NULL, run_without_io_submit, &vmm);
	pthread_barrier_wait(&vmm.filtered);
	if (share_after)
		share_after(vmm.vm.fd, vmm.efd);
	pthread_barrier_wait(&vmm.shared);
	pthread_join(thread, NULL);
	testvmm_destroy(&vmm.vm);
	close(vmm.efd);
}

void scenario_shared_then_filtered(void)
{
	run_filtered(share_by_message, NULL, NULL);
}

void scenario_filtered_then_shared(void)
{
	run_filtered(NULL, NULL, share_by_raw_fork);
}

static void share_by_fork(int vm, int efd)
{
	end_child(fork());
}

void scenario_filtered_then_forked(void)
{
	run_filtered(NULL, NULL, share_by_fork);
}

/* The thread that shares the eventfd cannot give the doorbell to the kernel. */
void scenario_filtered_vcpu_shares(void)
{
	run_filtered(NULL, share_by_clone, NULL);
}

static void fill_bus(int vm, int efd)
{
	testvmm_fill_bus(vm);
}

/* The kernel refuses the doorbell. */
void scenario_refused_then_shared(void)
{
	run_filtered(fill_bus, NULL, share_by_fork);
}

#ifdef SYS_poll
#define POLL SYS_poll
#else
#define POLL SYS_ppoll
#endif

static void run_and_count(struct testvmm *vm, int efd)
{
	testvmm_start(vm, 0, &guest_count, 3);
	testvmm_run(vm, 0);
	testvmm_print_count("signals", efd);
}

/* The vCPU's thread has signalled before another one forbids it poll(2). */
void scenario_all_without_poll(void)
{
	int efd = eventfd(0, EFD_CLOEXEC);
	struct testvmm vm;

	testvmm_create(&vm, 1);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	run_and_count(&vm, efd);
	testvmm_forbid_for_all(POLL);
	run_and_count(&vm, efd);
	testvmm_destroy(&vm);
}

/* The same for io_submit(2), and the kernel refuses the shared doorbell. */
void scenario_refused_then_all_filtered(void)
{
	int efd = testvmm_eventfd();
	struct testvmm vm;

	testvmm_create(&vm, 1);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	fill_bus(vm.fd, efd);
	share_by_fork(vm.fd, efd);
	run_and_count(&vm, efd);
	testvmm_forbid_for_all(SYS_io_submit);
	run_and_count(&vm, efd);
	testvmm_destroy(&vm);
}

static pthread_barrier_t at_once;

static void *forbid_at_once(void *arg)
{
	pthread_barrier_wait(&at_once);
	testvmm_forbid(SYS_io_submit, SECCOMP_RET_KILL_PROCESS);
	return arg;
}

/* Several vCPUs' threads begin with a filter, and the VMM forks later. */
void scenario_first_filters_at_once(void)
{
	int efd = testvmm_eventfd();
	pthread_t threads[4];
	struct testvmm vm;

	alarm(20);
	testvmm_create(&vm, 1);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	pthread_barrier_init(&at_once, NULL, 4);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, forbid_at_once, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	share_by_fork(vm.fd, efd);
	run_and_count(&vm, efd);
	testvmm_destroy(&vm);
}

/* A further eventfd, which each program that the VMM executes gets. */
static void share_by_registration(int vm, int efd)
{
	int other = eventfd(0, EFD_NONBLOCK);

	testvmm_assign(vm, other, GUEST_MMIO + 8, 4, 0, 0);
	close(other);
}

void scenario_filtered_then_registered(void)
{
	run_filtered(NULL, NULL, share_by_registration);
}

/*
 * The kernel grants the process no context for io_submit(2): another process
 * has taken all.  Executed again, so that the library does not see the filter.
 */
static void refuse_contexts(const char *scenario)
{
	if (getenv("TESTVMM_REFUSED"))
		return;
	setenv("TESTVMM_REFUSED", "1", 1);
	testvmm_forbid(SYS_io_setup, SECCOMP_RET_ERRNO | EAGAIN);
	execl("/proc/self/exe", "testvmm", scenario, NULL);
	testvmm_check(0, "execl");
}

void scenario_no_context(void)
{
	refuse_contexts("no-context");
	run_beside_holder(share_by_fork);
}

void scenario_no_context_later(void)
{
	refuse_contexts("no-context-later");
	run_filtered(NULL, NULL, share_by_fork);
}

/* A page of memory, and one behind it that cannot be read. */
static char *page_before_gap(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	testvmm_check(memory != MAP_FAILED, "mmap");
	mprotect(memory + page, page, PROT_NONE); /* stays a gap */
	return memory + page;
}

static void print_result(const char *what, long ret)
{
	printf("%s: %ld %s\n", what, ret < 0 ? -1 : ret,
	       ret < 0 ? strerrorname_np(errno) : "");
}

/* A header of SCM_RIGHTS at the end of the memory, which claims @len bytes. */
static struct msghdr message_with(char *gap, size_t size, size_t len)
{
	struct cmsghdr header = {
		.cmsg_len = len,
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
	};

	memcpy(gap - size, &header,
	       size < sizeof(header) ? size : sizeof(header));
	return (struct msghdr){
		.msg_control = gap - size,
		.msg_controllen = size,
	};
}

static void send_bad_messages(int socket)
{
	static const size_t lens[] = {0, 1, 15, 16, 17, 20, 24, 1u << 20, ~0ul};
	char *gap = page_before_gap();
	struct msghdr message;

	print_result("nowhere", sendmsg(socket, (struct msghdr *)16, 0));
	print_result("gap", sendmsg(socket, (void *)(gap - 8), 0));
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		message = message_with(gap, 24, lens[i]);
		print_result("length", sendmsg(socket, &message, 0));
	}
	message = message_with(gap, 24, 20);
	message.msg_controllen = 4096;
	print_result("control", sendmsg(socket, &message, 0));
	message.msg_controllen = ~0ul;
	print_result("much control", sendmsg(socket, &message, 0));
}

#define TOO_MANY 1030u

static void send_many(void)
{
	static struct mmsghdr messages[TOO_MANY];
	int socket = (int)syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0);
	struct mmsghdr *last = (struct mmsghdr *)(void *)page_before_gap() - 1;

	print_result("many", sendmmsg(socket, messages, TOO_MANY, 0));
	print_result("none", sendmmsg(socket, (struct mmsghdr *)16, 0, 0));
	print_result("nowhere", sendmmsg(socket, (struct mmsghdr *)16, 5, 0));
	memset(last, 0, sizeof(*last));
	print_result("gap", sendmmsg(socket, last, ~0u, 0));
	close(socket);
}

/* The kernel refuses most of these, and the program gets its errno. */
void scenario_bad_messages(void)
{
	int sockets[2];
	struct testvmm vm;

	testvmm_create(&vm, 0);
	make_sockets(sockets);
	send_bad_messages(sockets[0]);
	send_many();
	testvmm_destroy(&vm);
}

static void print_filter(const char *what, const struct sock_fprog *filter)
{
	print_result(what,
		     prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter, 0, 0));
	print_result(what,
		     syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter));
}

static void try_code(const char *what, struct sock_filter *code,
		     unsigned short len)
{
	const struct sock_fprog filter = {len, code};

	print_filter(what, &filter);
}

/* The kernel refuses each of these filters, and the program gets its errno. */
void scenario_bad_filters(void)
{
	const struct sock_filter ret =
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_filter loop[] = {BPF_STMT(BPF_JMP | BPF_JA, ~0u), ret};
	struct sock_filter far[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 255, 255), ret};
	struct sock_filter endless[] = {BPF_STMT(BPF_LD | BPF_IMM, 0)};
	struct sock_filter odd[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), ret};
	struct sock_filter beyond[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64),
				       ret};
	struct sock_filter none[] = {BPF_STMT(0xffff, ~0u), ret};
	char *gap = page_before_gap();
	struct testvmm vm;

	alarm(20);
	testvmm_create(&vm, 1);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	try_code("loop", loop, 2);
	try_code("far", far, 2);
	try_code("endless", endless, 1);
	try_code("odd", odd, 2);
	try_code("beyond", beyond, 2);
	try_code("none", none, 2);
	try_code("empty", loop, 0);
	try_code("nowhere", (struct sock_filter *)16, 2);
	memcpy(gap - sizeof(ret), &ret, sizeof(ret));
	try_code("gap", (struct sock_filter *)(void *)gap - 1, 2);
	try_code("long", (struct sock_filter *)(void *)gap - 1, 65535);
	print_filter("no filter", (const struct sock_fprog *)16);
	print_filter("half a filter",
		     (const struct sock_fprog *)(const void *)(gap - 8));
	testvmm_destroy(&vm);
}

/* The filter lets the thread write to the standard streams alone. */
static void *run_with_streams(void *arg)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, STDERR_FILENO, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	try_code("filter", code, sizeof(code) / sizeof(code[0]));
	testvmm_run(arg, 0);
	return NULL;
}

/* Not in the main thread, which writes the counters of gcov at its end. */
void scenario_filter_of_fds(void)
{
	int efd = testvmm_eventfd();
	struct testvmm vm;
	pthread_t thread;

	testvmm_create(&vm, 1);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	testvmm_start(&vm, 0, &guest_count, 3);
	pthread_create(&thread, NULL, run_with_streams, &vm);
	pthread_join(thread, NULL);
	testvmm_print_count("signals", efd);
	testvmm_destroy(&vm);
}

static unsigned int count_eventfds(void)
{
	unsigned int count = 0;
	char path[32], link[64];
	ssize_t len;

	for (int fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, link, sizeof(link) - 1);
		link[len > 0 ? len : 0] = 0;
		count += !strcmp(link, "anon_inode:[eventfd]");
	}
	return count;
}

/* The first ioctl shows the library that it is in a child. */
static void count_in_child(pid_t pid, int kvm)
{
	if (!pid) {
		ioctl(kvm, KVM_GET_API_VERSION, 0);
		printf("eventfds: %u\n", count_eventfds());
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, NULL, __WALL);
}

/* A child has the eventfds of the program and no others. */
void scenario_eventfds_of_children(void)
{
	const unsigned long shared = CLONE_FILES | SIGCHLD;
	int efd = testvmm_eventfd();
	struct testvmm vm;

	testvmm_create(&vm, 1);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	count_in_child(fork(), vm.kvm);
	count_in_child((pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), vm.kvm);
	end_child((pid_t)syscall(SYS_clone, shared, 0, 0, 0, 0));
	testvmm_start(&vm, 0, &guest_count, 3);
	testvmm_run(&vm, 0);
	testvmm_print_count("signals", efd);
	testvmm_destroy(&vm);
}

/* Of Linux 6.10: do two fds refer to one open file? */
#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY 1027
#endif

static atomic_bool stop_sweeping;

enum { SWEPT_FIRST = 512, SWEPT_LAST = 1000, SWEPT_SINGLY = 530 };

/* Closes the numbers of the other threads in each way. */
static void *sweep(void *arg)
{
	const int *other = arg;

	while (!atomic_load(&stop_sweeping)) {
		close_range(SWEPT_FIRST, SWEPT_LAST, 0);
		for (int fd = SWEPT_FIRST; fd < SWEPT_SINGLY; fd++)
			close(fd);
		for (int fd = SWEPT_FIRST; fd < SWEPT_SINGLY; fd++)
			dup2(*other, fd);
	}
	return NULL;
}

static bool is_stdout(int fd)
{
	return fcntl(fd, F_DUPFD_QUERY, STDOUT_FILENO) == 1;
}

/* Each number of the program is its own, whatever the library does. */
static void *open_and_close(void *arg)
{
	unsigned long wrong = 0;
	int fd;

	while (!atomic_load(&stop_sweeping)) {
		fd = fcntl(STDOUT_FILENO, F_DUPFD, SWEPT_FIRST);
		if (fd >= 0 && dup2(STDOUT_FILENO, fd) < 0 && is_stdout(fd))
			wrong++;
		if (fd >= 0 && close(fd) && is_stdout(fd))
			wrong++;
	}
	return (void *)wrong;
}

/* True: the doorbell signals its eventfd. */
static bool signals_reach(struct testvmm *vm, int efd)
{
	testvmm_start(vm, 0, &guest_count, 3);
	return !ioctl(vm->vcpu[0].fd, KVM_RUN, 0) &&
	       testvmm_read_count(efd) == 3;
}

void scenario_sweep(void)
{
	/* Without belfry each round takes two stalls. */
	const int rounds = getenv("BELFRY_POLICY") ? 20000 : 100;
	unsigned int lost = 0;
	struct testvmm vm;
	pthread_t threads[2];
	int efd, other = testvmm_eventfd();
	void *wrong;

	testvmm_create(&vm, 1);
	pthread_create(&threads[0], NULL, sweep, &other);
	pthread_create(&threads[1], NULL, open_and_close, NULL);
	for (int i = 0; i < rounds; i++) {
		efd = testvmm_eventfd();
		testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
		lost += i % 16 == 0 && !signals_reach(&vm, efd);
		testvmm_ioeventfd(vm.fd, efd, GUEST_MMIO, 4,
				  KVM_IOEVENTFD_FLAG_DEASSIGN, 0);
		close(efd);
	}
	atomic_store(&stop_sweeping, true);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], &wrong);
	printf("wrong answers: %lu, lost: %u\n", (unsigned long)wrong, lost);
	testvmm_destroy(&vm);
	close(other);
}

static long (*raw_syscall)(long nr, ...);

/* The eventfd, and the number that the library has just got for it. */
static int trapped_fd;
static atomic_int replaced = -1;
static atomic_bool replacement_done;

enum { LEAST_REPLACED = 512, NOT_TRAPPED = 0x5eed };

static void set_result(ucontext_t *context, long ret)
{
#ifdef __x86_64__
	context->uc_mcontext.gregs[REG_RAX] = ret;
#else
	context->uc_mcontext.regs[0] = (uint64_t)ret;
#endif
}

/*
 * In the place of fcntl(F_DUPFD_CLOEXEC) of the library.  The other thread has
 * 20 ms between the kernel's answer and the library's claim.
 */
static void dup_and_wait(int sig, siginfo_t *info, void *context)
{
	const struct timespec round = {.tv_nsec = 1000000};
	long fd = raw_syscall(SYS_fcntl, trapped_fd, F_DUPFD_CLOEXEC,
			      LEAST_REPLACED, NOT_TRAPPED);

	atomic_store(&replaced, (int)fd);
	for (int i = 0; i < 20 && !atomic_load(&replacement_done); i++)
		raw_syscall(SYS_nanosleep, &round, NULL);
	set_result(context, fd);
}

/* The library does not see the filter. */
static void install_trap(struct sock_filter *code, unsigned short len,
			 void (*handler)(int sig, siginfo_t *info,
					 void *context))
{
	const struct sock_fprog filter = {len, code};
	struct sigaction action = {
		.sa_sigaction = handler,
		.sa_flags = SA_SIGINFO,
	};

	sigaction(SIGSYS, &action, NULL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	testvmm_check(!raw_syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0,
				   &filter),
		      "filter");
}

static void trap_dups(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 7),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_DUPFD_CLOEXEC, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, LEAST_REPLACED, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[3])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NOT_TRAPPED, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	install_trap(code, sizeof(code) / sizeof(code[0]), dup_and_wait);
}

static int replace_by_dup3(int fd)
{
	return dup3(trapped_fd, fd, O_CLOEXEC);
}

static int replace_by_dup2(int fd)
{
	int ret = dup2(trapped_fd, fd);

	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return ret;
}

/* The number is the program's if the call says so. */
static void *replace(void *arg)
{
	int (*const *call)(int fd) = arg;
	int fd, ret = -1;

	while ((fd = atomic_load(&replaced)) == -1)
		usleep(100);
	if (fd >= 0)
		ret = (*call)(fd);
	atomic_store(&replacement_done, true);
	return (void *)(intptr_t)ret;
}

static void find_syscall(void)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW);

	testvmm_check(libc != NULL, "libc.so.6");
	raw_syscall = (long (*)(long, ...))dlsym(libc, "syscall");
}

/* Without belfry no thread makes a duplicate, and none is replaced. */
static void replace_at_once(int (*call)(int fd))
{
	struct testvmm vm;
	pthread_t thread;
	void *fd;

	alarm(20);
	find_syscall();
	testvmm_create(&vm, 1);
	trapped_fd = testvmm_eventfd();
	pthread_create(&thread, NULL, replace, &call);
	trap_dups();
	testvmm_assign(vm.fd, trapped_fd, GUEST_MMIO, 4, 0, 0);
	if (!getenv("BELFRY_POLICY"))
		atomic_store(&replaced, -2);
	pthread_join(thread, &fd);
	printf("wrong: %d, signals: %d\n",
	       (intptr_t)fd >= 0 && close((int)(intptr_t)fd),
	       signals_reach(&vm, trapped_fd));
	testvmm_destroy(&vm);
}

void scenario_replaced_by_dup2(void)
{
	replace_at_once(replace_by_dup2);
}

void scenario_replaced_by_dup3(void)
{
	replace_at_once(replace_by_dup3);
}

static atomic_bool polling, forbidden_for_all;

static void repeat_poll(ucontext_t *context)
{
#ifdef __x86_64__
	const greg_t *regs = context->uc_mcontext.gregs;
	long ret = raw_syscall(POLL, regs[REG_RDI], regs[REG_RSI],
			       regs[REG_RDX], 0, 0, NOT_TRAPPED);
#else
	const unsigned long long *regs = context->uc_mcontext.regs;
	long ret = raw_syscall(POLL, regs[0], regs[1], regs[2], regs[3],
			       regs[4], NOT_TRAPPED);
#endif

	set_result(context, ret < 0 ? -errno : ret);
}

/*
 * In the place of poll(2) of the library, which has found that the thread may
 * call it.  The other thread has 50 ms to forbid it.
 */
static void wait_and_poll(int sig, siginfo_t *info, void *context)
{
	const struct timespec round = {.tv_nsec = 1000000};

	atomic_store(&polling, true);
	for (int i = 0; i < 50 && !atomic_load(&forbidden_for_all); i++)
		raw_syscall(SYS_nanosleep, &round, NULL);
	repeat_poll(context);
}

/* The thread that installs the filter must not wait for this one for ever. */
static void wait_until_forbidden(int sig, siginfo_t *info, void *context)
{
	const struct timespec round = {.tv_nsec = 1000000};

	atomic_store(&polling, true);
	while (!atomic_load(&forbidden_for_all))
		raw_syscall(SYS_nanosleep, &round, NULL);
	repeat_poll(context);
}

static void trap_poll(void (*handler)(int sig, siginfo_t *info, void *context))
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, POLL, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[5])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NOT_TRAPPED, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	install_trap(code, sizeof(code) / sizeof(code[0]), handler);
}

static void forbid_while_polling(uint32_t call)
{
	while (getenv("BELFRY_POLICY") && !atomic_load(&polling))
		usleep(100);
	testvmm_forbid_for_all(call);
	atomic_store(&forbidden_for_all, true);
}

static void *forbid_poll(void *arg)
{
	forbid_while_polling(POLL);
	return arg;
}

static void *forbid_io_submit(void *arg)
{
	forbid_while_polling(SYS_io_submit);
	return arg;
}

/* Beside the thread, which has the filter of the trap, too. */
static void run_with_trap(void (*handler)(int sig, siginfo_t *info,
					  void *context),
			  void *(*beside)(void *arg))
{
	int efd = eventfd(0, EFD_CLOEXEC);
	pthread_t thread;
	struct testvmm vm;

	alarm(20);
	find_syscall();
	testvmm_create(&vm, 1);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	trap_poll(handler);
	pthread_create(&thread, NULL, beside, NULL);
	run_and_count(&vm, efd);
	pthread_join(thread, NULL);
	run_and_count(&vm, efd);
	testvmm_destroy(&vm);
}

/* The filter comes between the library's look at its bits and poll(2). */
void scenario_all_filtered_in_between(void)
{
	run_with_trap(wait_and_poll, forbid_poll);
}

void scenario_all_filtered_inside(void)
{
	run_with_trap(wait_until_forbidden, forbid_io_submit);
}

static sigjmp_buf left_run;

/* The handler leaves the library between the ends of its sections. */
static void leave_write(int sig, siginfo_t *info, void *context)
{
	siglongjmp(left_run, 1);
}

/* Writes of a signal's length, by any thread. */
static void trap_writes(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, sizeof(uint64_t), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	install_trap(code, sizeof(code) / sizeof(code[0]), leave_write);
}

static void run_until_end(struct testvmm *vm)
{
	sigsetjmp(left_run, 1);
	testvmm_run(vm, 0);
}

/*
 * Each signal of the library ends in a jump.  The removals, and the end of the
 * VM, must not wait for the sections.
 */
void scenario_jumps_out_of_exits(void)
{
	struct testvmm vm;

	alarm(20);
	find_syscall();
	for (int i = 0; i < 3; i++) {
		int efd = testvmm_eventfd();

		testvmm_create(&vm, 2);
		testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
		testvmm_assign(vm.fd, efd, GUEST_MMIO + 8, 4, 0, 0);
		if (!i)
			trap_writes();
		testvmm_start(&vm, 0, &guest_count, 5);
		run_until_end(&vm);
		if (i < 2)
			testvmm_assign(vm.fd, efd, GUEST_MMIO + 8, 4,
				       KVM_IOEVENTFD_FLAG_DEASSIGN, 0);
		testvmm_destroy(&vm);
		close(efd);
	}
	printf("ended\n");
}

static void trap_slots(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			 (uint32_t)KVM_SET_USER_MEMORY_REGION, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	install_trap(code, sizeof(code) / sizeof(code[0]), leave_write);
}

static int leave_slot_change(const struct testvmm *vm)
{
	const struct kvm_userspace_memory_region slot = {.slot = 1};
	int state;

	if (!sigsetjmp(left_run, 1))
		ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
	return state;
}

/* Each change of a slot ends in a jump.  Nothing of the VM stays behind. */
void scenario_jumps_out_of_calls(void)
{
	int efd = testvmm_eventfd(), cancel = PTHREAD_CANCEL_DISABLE;
	struct testvmm vm;
	unsigned int before;

	find_syscall();
	testvmm_create(&vm, 1);
	testvmm_destroy(&vm);
	before = testvmm_count_fds();
	testvmm_create(&vm, 1);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	trap_slots();
	for (int i = 0; i < 3; i++)
		cancel = leave_slot_change(&vm);
	testvmm_start(&vm, 0, &guest_count, 20000);
	testvmm_run(&vm, 0);
	testvmm_destroy(&vm);
	printf("signals: %" PRIu64
	       ", left %u fds, %u run pages, cancelled: %s\n",
	       testvmm_read_count(efd), testvmm_count_fds() - before,
	       testvmm_count_lines("/proc/self/maps", "kvm-vcpu"),
	       cancel == PTHREAD_CANCEL_ENABLE ? "yes" : "no");
}

/* Polls wait for an answer: the library's helpers hold signals back. */
static int notify_polls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, POLL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};
	long fd;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	fd = raw_syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			 SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
	testvmm_check(fd >= 0, "listener");
	return (int)fd;
}

/* On the stack of the other thread: ThreadSanitizer must not see it. */
static void write_events(struct pollfd *pfd, short events)
{
	struct iovec from = {&events, sizeof(events)};
	struct iovec to = {&pfd->revents, sizeof(pfd->revents)};

	testvmm_check(process_vm_writev(getpid(), &from, 1, &to, 1, 0) ==
			      sizeof(events),
		      "process_vm_writev");
}

/*
 * The holder fills the counter and clears O_NONBLOCK between poll(2) and
 * write(2), which then sleeps.
 */
static void *answer_and_fill(void *arg)
{
	const uint64_t full = UINT64_MAX - 1;
	const int listener = *(int *)arg;

	for (;;) {
		struct seccomp_notif call = {0};
		struct seccomp_notif_resp answer = {.val = 1};

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
			continue;
		write_events((struct pollfd *)(uintptr_t)call.data.args[0],
			     POLLOUT);
		fcntl(trapped_fd, F_SETFL, O_NONBLOCK);
		if (write(trapped_fd, &full, sizeof(full)) < 0)
			errno = 0;
		fcntl(trapped_fd, F_SETFL, 0);
		answer.id = call.id;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
	return NULL;
}

/*
 * The kernel refuses the doorbell and grants no context, so a write of the
 * library is the only way to signal.
 */
void scenario_filled_after_poll(void)
{
	int other = testvmm_eventfd(), listener;
	pthread_t thread;
	struct testvmm vm;

	refuse_contexts("filled-after-poll");
	alarm(20);
	find_syscall();
	trapped_fd = testvmm_eventfd();
	testvmm_create(&vm, 1);
	testvmm_assign(vm.fd, trapped_fd, GUEST_MMIO, 4, 0, 0);
	testvmm_assign(vm.fd, other, GUEST_MMIO + 8, 4, 0, 0);
	testvmm_fill_bus(vm.fd);
	listener = notify_polls();
	pthread_create(&thread, NULL, answer_and_fill, &listener);
	share_by_fork(vm.fd, trapped_fd);
	testvmm_start(&vm, 0, &guest_count, 3);
	testvmm_run(&vm, 0);
	testvmm_assign(vm.fd, other, GUEST_MMIO + 8, 4,
		       KVM_IOEVENTFD_FLAG_DEASSIGN, 0);
	testvmm_assign(vm.fd, trapped_fd, GUEST_MMIO, 4,
		       KVM_IOEVENTFD_FLAG_DEASSIGN, 0);
	testvmm_destroy(&vm);
	printf("ended\n");
	fflush(stdout);
	_exit(0);
}
