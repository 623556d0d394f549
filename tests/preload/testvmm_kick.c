/* SPDX-License-Identifier: MIT */
/* VMMs that kick a vCPU while its writes signal doorbells. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "testvmm.h"

static struct kvm_run *kicked_run;
static int flag, seen;

static void set_immediate_exit(int sig)
{
	__atomic_store_n(&kicked_run->immediate_exit, 1, __ATOMIC_RELAXED);
}

static void set_flag(int sig)
{
	__atomic_store_n(&flag, 1, __ATOMIC_RELAXED);
}

struct kick {
	pthread_t target;
	useconds_t delay;
};

static void *kick_once(void *arg)
{
	struct kick *kick = arg;

	usleep(kick->delay);
	pthread_kill(kick->target, SIGUSR1);
	return NULL;
}

typedef void (*handler_fn)(int);
typedef handler_fn (*signal_fn)(int, handler_fn);

static void create_vm(struct testvmm *vm, handler_fn handler)
{
	struct sigaction action = {.sa_handler = handler};

	testvmm_create(vm, 1);
	kicked_run = vm->vcpu[0].run;
	if (handler)
		sigaction(SIGUSR1, &action, NULL);
}

static void use_immediate_exit(struct testvmm *vm)
{
	testvmm_check(ioctl(vm->kvm, KVM_CHECK_EXTENSION,
			    KVM_CAP_IMMEDIATE_EXIT) > 0,
		      "KVM_CAP_IMMEDIATE_EXIT");
}

/* Each of five kicks must stop a vCPU that signals without end. */
void scenario_kick(void)
{
	struct kick arg = {.target = pthread_self(), .delay = 20000};
	pthread_t kicker;
	struct testvmm vm;
	int efd, ret;

	create_vm(&vm, set_immediate_exit);
	use_immediate_exit(&vm);
	testvmm_fill_bus(vm.fd);
	efd = testvmm_eventfd();
	printf("assign: %s\n", strerrorname_np(testvmm_ioeventfd(
				       vm.fd, efd, GUEST_MMIO, 4, 0, 0)));
	testvmm_start(&vm, 0, &guest_forever, 0);
	for (int i = 0; i < 5; i++) {
		kicked_run->immediate_exit = 0;
		pthread_create(&kicker, NULL, kick_once, &arg);
		ret = ioctl(vm.vcpu[0].fd, KVM_RUN, 0);
		printf("kicked: %d %s\n", ret, strerrorname_np(errno));
		pthread_join(kicker, NULL);
	}
	printf("signalled: %d\n", testvmm_read_count(efd) > 0);
	testvmm_destroy(&vm);
}

/* Repeats the kick: one just before KVM_RUN is lost, as without belfry. */
static void *kick_until_seen(void *arg)
{
	struct kick *kick = arg;

	do {
		usleep(kick->delay);
		pthread_kill(kick->target, SIGUSR1);
	} while (!__atomic_load_n(&seen, __ATOMIC_RELAXED));
	return NULL;
}

static void run_until_flag(struct testvmm *vm)
{
	while (!__atomic_load_n(&flag, __ATOMIC_RELAXED)) {
		int ret = ioctl(vm->vcpu[0].fd, KVM_RUN, 0);

		testvmm_check(!ret || errno == EINTR, "KVM_RUN");
		if (ret && vm->vcpu[0].run->exit_reason != KVM_EXIT_INTR)
			printf("EINTR with exit %u\n",
			       vm->vcpu[0].run->exit_reason);
	}
}

/* The delays vary, so that kicks hit the vCPU in the guest and outside it. */
static void kick_by_flag(struct testvmm *vm, void *(*kicks)(void *),
			 useconds_t delay)
{
	struct kick arg = {.target = pthread_self()};
	pthread_t kicker;

	for (unsigned int i = 0; i < 30; i++) {
		flag = seen = 0;
		arg.delay = delay + i * 7;
		pthread_create(&kicker, NULL, kicks, &arg);
		run_until_flag(vm);
		__atomic_store_n(&seen, 1, __ATOMIC_RELAXED);
		pthread_join(kicker, NULL);
	}
}

static void start_signals(struct testvmm *vm, int efd)
{
	testvmm_assign(vm->fd, efd, GUEST_MMIO, 4, 0, 0);
	testvmm_start(vm, 0, &guest_forever, 0);
}

void scenario_kick_flag(void)
{
	int efd = testvmm_eventfd();
	struct testvmm vm;

	create_vm(&vm, set_flag);
	start_signals(&vm, efd);
	kick_by_flag(&vm, kick_until_seen, 500);
	printf("stopped, signalled: %d\n", testvmm_read_count(efd) > 0);
	testvmm_destroy(&vm);
}

/* What strict C99 makes of signal(): each kick removes the handler. */
handler_fn __sysv_signal(int sig, handler_fn handler);

static void set_flag_again(int sig)
{
	set_flag(sig);
	__sysv_signal(SIGUSR1, set_flag_again);
}

static void install_found(const char *name)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW);

	((signal_fn)dlsym(libc, name))(SIGUSR1, set_flag);
}

static void install_by(unsigned int way)
{
	switch (way) {
	case 0:
		__sysv_signal(SIGUSR1, set_flag_again);
		break;
	case 1:
		install_found("sigset");
		break;
	case 2:
		install_found("bsd_signal");
		break;
	case 3:
		install_found("signal");
		break;
	}
}

/* A vCPU that signals for a while before the program has any handler. */
static void *install_late(void *arg)
{
	struct kick kick = {.target = *(pthread_t *)arg, .delay = 1000};

	usleep(20000);
	install_found("signal");
	return kick_until_seen(&kick);
}

static void kick_with_late_handler(struct testvmm *vm)
{
	pthread_t self = pthread_self(), kicker;

	signal(SIGUSR1, SIG_DFL);
	flag = seen = 0;
	pthread_create(&kicker, NULL, install_late, &self);
	run_until_flag(vm);
	__atomic_store_n(&seen, 1, __ATOMIC_RELAXED);
	pthread_join(kicker, NULL);
}

void scenario_kick_unseen(void)
{
	int efd = testvmm_eventfd();
	struct testvmm vm;

	alarm(60); /* ends a vCPU that misses a kick */
	create_vm(&vm, NULL);
	start_signals(&vm, efd);
	kick_with_late_handler(&vm);
	for (unsigned int way = 0; way < 4; way++) {
		install_by(way);
		kick_by_flag(&vm, kick_once, 5000);
		printf("stopped, signalled: %d\n", testvmm_read_count(efd) > 0);
	}
	testvmm_destroy(&vm);
}

/* A handler, but no signal: the only exit is the guest's end. */
static void run_without_kick(handler_fn handler, int sig)
{
	int efd = testvmm_eventfd(), ret;
	struct testvmm vm;

	create_vm(&vm, NULL);
	signal(sig, handler);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	testvmm_start(&vm, 0, &guest_count, 300);
	ret = ioctl(vm.vcpu[0].fd, KVM_RUN, 0);
	printf("ret %d exit %u signals %" PRIu64 "\n", ret,
	       vm.vcpu[0].run->exit_reason, testvmm_read_count(efd));
	testvmm_destroy(&vm);
	signal(sig, SIG_DFL);
}

void scenario_no_kick(void)
{
	run_without_kick(set_flag, SIGCHLD);
	run_without_kick(set_flag, SIGTERM);
	run_without_kick(set_immediate_exit, SIGUSR1);
}

/* Behind the store there is one signal more than the guest has counted. */
static int is_consistent(struct testvmm *vm, uint64_t total, uint64_t signals)
{
	int fd = vm->vcpu[0].fd;

	return signals == total - testvmm_writes_left(fd) +
				  (testvmm_pc(fd) == GUEST_STORE_END);
}

void scenario_kick_regs(void)
{
	const uint32_t total =
		UINT32_MAX; /* more writes than the test lets it make */
	struct kick arg = {.target = pthread_self(), .delay = 300};
	unsigned int consistent = 0, stops = 0;
	pthread_t kicker;
	struct testvmm vm;
	uint64_t signals = 0;
	int efd;

	create_vm(&vm, set_immediate_exit);
	use_immediate_exit(&vm);
	efd = testvmm_eventfd();
	testvmm_check(!testvmm_ioeventfd(vm.fd, efd, GUEST_MMIO, 4, 0, 0),
		      "KVM_IOEVENTFD");
	testvmm_start(&vm, 0, &guest_count, total);
	for (; stops < 20; stops++) {
		kicked_run->immediate_exit = 0;
		pthread_create(&kicker, NULL, kick_once, &arg);
		testvmm_check(ioctl(vm.vcpu[0].fd, KVM_RUN, 0) == -1,
			      "no kick");
		pthread_join(kicker, NULL);
		signals += testvmm_read_count(efd);
		consistent += is_consistent(&vm, total, signals);
	}
	printf("%u stops, %u consistent\n", stops, consistent);
	testvmm_destroy(&vm);
}

static sigjmp_buf left_run;

static void leave_run(int sig)
{
	siglongjmp(left_run, 1);
}

static unsigned int count_fds(void)
{
	unsigned int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* The handler leaves KVM_RUN, in the guest or while belfry serves an exit. */
static void leave_vcpu(struct testvmm *vm, useconds_t delay)
{
	struct kick arg = {.target = pthread_self(), .delay = delay};
	pthread_t kicker;

	if (!sigsetjmp(left_run, 1)) {
		pthread_create(&kicker, NULL, kick_once, &arg);
		pthread_detach(kicker);
		for (;;)
			ioctl(vm->vcpu[0].fd, KVM_RUN, 0);
	}
}

static void leave_vms(void (*setup)(struct testvmm *))
{
	unsigned int before = 0;

	for (useconds_t i = 0; i < 6; i++) {
		struct testvmm vm;
		int efd = testvmm_eventfd();

		create_vm(&vm, leave_run);
		setup(&vm);
		start_signals(&vm, efd);
		leave_vcpu(&vm, 3000 + i * 7);
		testvmm_destroy(&vm);
		close(efd);
		if (!i)
			before = count_fds();
	}
	printf("left %u fds, %u run pages\n", count_fds() - before,
	       testvmm_count_lines("/proc/self/maps", "kvm-vcpu"));
}

static void use_nothing(struct testvmm *vm)
{
}

void scenario_long_jump(void)
{
	leave_vms(use_nothing);
	leave_vms(use_immediate_exit);
}

/* KVM_RUN with a signal mask of the program's that blocks nothing. */
static void use_mask(struct testvmm *vm)
{
	struct {
		uint32_t len;
		uint8_t set[8];
	} mask = {.len = 8};

	testvmm_check(!ioctl(vm->vcpu[0].fd, KVM_SET_SIGNAL_MASK, &mask),
		      "KVM_SET_SIGNAL_MASK");
}

static void leave_often(struct testvmm *vm, int efd)
{
	testvmm_assign(vm->fd, efd, GUEST_MMIO, 4, 0, 0);
	for (useconds_t i = 0; i < 300; i++) {
		alarm(60); /* ends a VMM that waits for a section */
		leave_vcpu(vm, 300 + i % 20);
	}
	testvmm_assign(vm->fd, efd, GUEST_MMIO, 4, KVM_IOEVENTFD_FLAG_DEASSIGN,
		       0);
	printf("signalled: %d\n", testvmm_read_count(efd) > 0);
}

static void stop_by_immediate_exit(struct testvmm *vm)
{
	struct kick kick = {.target = pthread_self(), .delay = 2000};
	pthread_t kicker;

	pthread_create(&kicker, NULL, kick_once, &kick);
	ioctl(vm->vcpu[0].fd, KVM_RUN, 0);
	pthread_join(kicker, NULL);
	kicked_run->immediate_exit = 0;
	signal(SIGUSR1, leave_run);
}

/* Stops the vCPU by immediate_exit, and then leaves it by jumps. */
void scenario_many_jumps(void)
{
	struct testvmm vm;
	int efd = testvmm_eventfd();

	create_vm(&vm, set_immediate_exit);
	use_immediate_exit(&vm);
	start_signals(&vm, efd);
	stop_by_immediate_exit(&vm);
	/* The first jump leaves the guest: no exit is served without doorbell. */
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, KVM_IOEVENTFD_FLAG_DEASSIGN,
		       0);
	leave_vcpu(&vm, 2000);
	leave_often(&vm, efd);
	use_mask(&vm);
	leave_often(&vm, efd);
	ioctl(vm.vcpu[0].fd, KVM_SET_SIGNAL_MASK, NULL);
	leave_often(&vm, efd);
	testvmm_destroy(&vm);
}

static void *run_to_a_cancellation_point(void *arg)
{
	const struct testvmm *vm = arg;

	while (!__atomic_load_n(&flag, __ATOMIC_RELAXED))
		ioctl(vm->vcpu[0].fd, KVM_RUN, 0);
	printf("left KVM_RUN\n");
	pthread_testcancel();
	return NULL;
}

static void kick_until_left(pthread_t vcpu)
{
	void *result;

	__atomic_store_n(&flag, 1, __ATOMIC_RELAXED);
	while (pthread_tryjoin_np(vcpu, &result)) {
		pthread_kill(vcpu, SIGUSR1);
		usleep(1000);
	}
	printf("cancelled: %d\n", result == PTHREAD_CANCELED);
}

static void wait_for_signal(int efd)
{
	while (!testvmm_read_count(efd))
		usleep(1000);
}

/* KVM_RUN is no cancellation point, whatever belfry does there. */
static void cancel_vcpu(int efd)
{
	struct testvmm vm;
	pthread_t vcpu;

	flag = 0;
	create_vm(&vm, set_flag);
	start_signals(&vm, efd);
	pthread_create(&vcpu, NULL, run_to_a_cancellation_point, &vm);
	wait_for_signal(efd);
	pthread_cancel(vcpu);
	wait_for_signal(efd);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, KVM_IOEVENTFD_FLAG_DEASSIGN,
		       0);
	printf("signalled\n");
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	kick_until_left(vcpu);
	testvmm_destroy(&vm);
	close(efd);
}

void scenario_cancel(void)
{
	alarm(60); /* ends a VMM that waits for the thread's section */
	cancel_vcpu(testvmm_eventfd());
	cancel_vcpu(eventfd(0, 0));
}

static void set_debug(struct testvmm *vm, uint32_t control)
{
	struct kvm_guest_debug debug = {.control = control};

	testvmm_check(!ioctl(vm->vcpu[0].fd, KVM_SET_GUEST_DEBUG, &debug),
		      "KVM_SET_GUEST_DEBUG");
}

/* Prints where each step ends; the guest's three writes are doorbells. */
void scenario_stepping(void)
{
	struct testvmm vm;
	int efd = testvmm_eventfd();

	testvmm_create(&vm, 1);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	testvmm_start(&vm, 0, &guest_count, 1);
	testvmm_run(&vm, 0);
	testvmm_start(&vm, 0, &guest_count, 3);
	set_debug(&vm, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP |
			       KVM_GUESTDBG_USE_SW_BP);
	for (int i = 0; i < 11; i++) {
		testvmm_check(!ioctl(vm.vcpu[0].fd, KVM_RUN, 0), "KVM_RUN");
		printf("exit %u pc %#" PRIx64 " signals %" PRIu64 "\n",
		       vm.vcpu[0].run->exit_reason, testvmm_pc(vm.vcpu[0].fd),
		       testvmm_read_count(efd));
	}
	set_debug(&vm, 0);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, KVM_IOEVENTFD_FLAG_DEASSIGN,
		       0);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	testvmm_start(&vm, 0, &guest_count, 1);
	testvmm_run(&vm, 0);
	printf("signals %" PRIu64 "\n", testvmm_read_count(efd));
	testvmm_destroy(&vm);
}
