/* SPDX-License-Identifier: MIT */
/* VMMs in unusual situations. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tiny_vmm.h"

#define MATCH	 KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO	 KVM_IOEVENTFD_FLAG_PIO
#define DEASSIGN KVM_IOEVENTFD_FLAG_DEASSIGN

static void must_assign(int vm_fd, int fd, uint64_t addr, uint32_t len,
			uint32_t flags, uint64_t datamatch)
{
	errno = tiny_ioeventfd(vm_fd, fd, addr, len, flags, datamatch);
	tiny_check(!errno, "KVM_IOEVENTFD");
}

static void print_count(const char *what, int fd)
{
	printf("%s: %" PRIu64 "\n", what, tiny_count(fd));
}

void scenario_exits(void)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint32_t flags;
		uint64_t datamatch;
	} bells[] = {
		{GUEST_MMIO, 4, MATCH, 1},
		{GUEST_MMIO, 2, MATCH, 2},
		{GUEST_MMIO + 8, 0, 0, 0},
		{GUEST_MMIO + 0x10, 4, MATCH, 6},
		{GUEST_PORT, 1, PIO, 0},
		{GUEST_PORT, 4, PIO | MATCH, 0x11223344},
		{GUEST_PORT + 4, 1, PIO | MATCH, 1},
	};
	int fds[sizeof(bells) / sizeof(bells[0])];
	struct tiny_vm vm;
	size_t i;

	tiny_create(&vm, 1);
	for (i = 0; i < sizeof(bells) / sizeof(bells[0]); i++) {
		fds[i] = tiny_eventfd();
		must_assign(vm.fd, fds[i], bells[i].addr, bells[i].len,
			    bells[i].flags, bells[i].datamatch);
	}
	tiny_start(&vm, 0, &guest_all_sorts, 0);
	tiny_run(&vm, 0);
	for (i = 0; i < sizeof(bells) / sizeof(bells[0]); i++)
		print_count("rung", fds[i]);
	tiny_destroy(&vm);
}

/* The number is another eventfd's by the time the guest rings. */
void scenario_closed_eventfd(void)
{
	struct tiny_vm vm;
	int given, kept, stranger;

	tiny_create(&vm, 1);
	given = tiny_eventfd();
	kept = dup(given);
	must_assign(vm.fd, given, GUEST_MMIO, 4, 0, 0);
	close(given);
	stranger = tiny_eventfd();
	tiny_start(&vm, 0, &guest_count, 5);
	tiny_run(&vm, 0);
	print_count("kept", kept);
	print_count("stranger", stranger);
	printf("deassign by stranger: %s\n",
	       strerrorname_np(tiny_ioeventfd(vm.fd, stranger, GUEST_MMIO, 4,
					      DEASSIGN, 0)));
	printf("deassign by the kept one: %s\n",
	       strerrorname_np(tiny_ioeventfd(vm.fd, kept, GUEST_MMIO, 4,
					      DEASSIGN, 0)));
	tiny_start(&vm, 0, &guest_count, 2);
	tiny_run(&vm, 0);
	print_count("kept", kept);
	tiny_destroy(&vm);
}

/* All that a number may go through, and the VM stays the same one. */
void scenario_numbers(void)
{
	struct tiny_vm vm;
	int bell, other;

	tiny_create(&vm, 1);
	bell = tiny_eventfd();
	other = dup(vm.fd);
	close(vm.fd);
	must_assign(other, bell, GUEST_MMIO, 4, MATCH, 1);
	vm.fd = fcntl(other, F_DUPFD_CLOEXEC, 40);
	must_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 2);
	tiny_check(dup2(vm.fd, other) == other, "dup2 onto itself");
	close(vm.fd);
	must_assign(other, bell, GUEST_MMIO, 4, MATCH, 3);
	vm.fd = dup3(other, 50, O_CLOEXEC);
	close_range((unsigned int)other, (unsigned int)other, 0);
	printf("closed: %s\n", strerrorname_np(tiny_ioeventfd(
				       other, bell, GUEST_MMIO, 4, MATCH, 9)));
	printf("collides: %s\n",
	       strerrorname_np(
		       tiny_ioeventfd(vm.fd, bell, GUEST_MMIO, 4, MATCH, 3)));
	printf("dup2 fails: %d\n", dup2(999, vm.fd));
	must_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 4);

	other = dup(vm.vcpu[0].fd);
	close(vm.vcpu[0].fd);
	vm.vcpu[0].fd = other;
	tiny_start(&vm, 0, &guest_count, 6);
	tiny_run(&vm, 0);
	print_count("rung", bell);
	tiny_destroy(&vm);
}

enum { SOME_FDS = 4096 };

static int is_of(const struct tiny_vm *vm, int bell, int fd)
{
	return fd == vm->kvm || fd == vm->fd || fd == vm->vcpu[0].fd ||
	       fd == bell;
}

/* A VMM that closes what it knows not to be its own. */
void scenario_strangers(void)
{
	struct tiny_vm vm;
	unsigned int above;
	int bell, open = 0;

	tiny_create(&vm, 1);
	bell = tiny_eventfd();
	must_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 2);
	above = (unsigned int)bell + 1;
	for (int fd = 3; fd < SOME_FDS; fd++)
		open += !is_of(&vm, bell, fd) && !close(fd);
	printf("strangers: %d\n", open);
	printf("range: %d\n", close_range(above, ~0u, 0));
	printf("unshared: %d\n", close_range(above, ~0u, CLOSE_RANGE_UNSHARE));
	printf("bad flags: %d\n", close_range(above, ~0u, 1 << 20));
	closefrom((int)above);
	must_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 1);
	tiny_start(&vm, 0, &guest_count, 3);
	tiny_run(&vm, 0);
	print_count("rung", bell);
	tiny_destroy(&vm);
}

/* A VMM that uses numbers without asking. */
void scenario_onto_all(void)
{
	int bell, busy = 0, failed = 0;
	struct tiny_vm vm;

	tiny_create(&vm, 1);
	bell = tiny_eventfd();
	for (int fd = 3; fd < SOME_FDS; fd++) {
		if (is_of(&vm, bell, fd))
			continue;
		if (dup2(bell, fd) == fd)
			failed += close(fd) < 0;
		else
			busy += errno == EBUSY;
	}
	printf("busy: %d, failed: %d\n", busy, failed);
	must_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 1);
	tiny_start(&vm, 0, &guest_count, 3);
	tiny_run(&vm, 0);
	print_count("rung", bell);
	tiny_destroy(&vm);
}

static void *run_second(void *arg)
{
	tiny_run(arg, 1);
	return NULL;
}

/* Doorbells come while two vCPUs ring; none is lost or rung twice. */
void scenario_threads(void)
{
	enum { RINGS = 20000 };
	struct tiny_vm vm;
	pthread_t thread;
	int first, later;

	tiny_create(&vm, 2);
	first = tiny_eventfd();
	later = tiny_eventfd();
	must_assign(vm.fd, first, GUEST_MMIO, 4, 0, 0);
	tiny_start(&vm, 0, &guest_count, RINGS);
	tiny_start(&vm, 1, &guest_count, RINGS);
	tiny_check(!pthread_create(&thread, NULL, run_second, &vm), "thread");
	for (unsigned int i = 0; i < 200; i++)
		must_assign(vm.fd, later, 0x30000 + 8 * i, 4, 0, 0);
	tiny_run(&vm, 0);
	pthread_join(thread, NULL);
	print_count("rung", first);
	print_count("not rung", later);
	tiny_destroy(&vm);
}

void scenario_two_vms(void)
{
	struct tiny_vm vm[2];
	int bell[2];

	for (int i = 0; i < 2; i++) {
		tiny_create(&vm[i], 1);
		bell[i] = tiny_eventfd();
		must_assign(vm[i].fd, bell[i], GUEST_MMIO, 4, 0, 0);
		tiny_start(&vm[i], 0, &guest_count, 3u + (uint32_t)i);
	}
	tiny_run(&vm[0], 0);
	tiny_destroy(&vm[0]);
	tiny_run(&vm[1], 0);
	print_count("first", bell[0]);
	print_count("second", bell[1]);
	tiny_destroy(&vm[1]);
}

/* How many lines of a file of /proc have the word. */
static unsigned int lines_with(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	unsigned int count = 0;
	char line[512];

	tiny_check(file != NULL, path);
	while (fgets(line, sizeof(line), file))
		count += strstr(line, word) != NULL;
	fclose(file);
	return count;
}

static void ring_in_own_vm(const char *who)
{
	struct tiny_vm vm;
	int bell;

	tiny_create(&vm, 1);
	bell = tiny_eventfd();
	must_assign(vm.fd, bell, GUEST_MMIO, 4, 0, 0);
	tiny_start(&vm, 0, &guest_count, 4);
	tiny_run(&vm, 0);
	print_count(who, bell);
	tiny_destroy(&vm);
}

static void child_with_inherited_vm(struct tiny_vm *vm, int bell)
{
	printf("child: %s\n", strerrorname_np(tiny_ioeventfd(
				      vm->fd, bell, GUEST_MMIO, 4, 0, 0)));
	printf("child: run %d %s\n", ioctl(vm->vcpu[0].fd, KVM_RUN, 0),
	       strerrorname_np(errno));
	printf("child: %u mappings\n",
	       lines_with("/proc/self/maps", "kvm-vcpu"));
	close(vm->vcpu[0].fd);
	close(vm->fd);
	ring_in_own_vm("child");
	_exit(0); /* what it forgot is no leak */
}

/* The kernel refuses children; what the parent has stays its own. */
void scenario_fork(void)
{
	struct tiny_vm vm;
	int bell, status;
	pid_t pid;

	tiny_create(&vm, 1);
	bell = tiny_eventfd();
	must_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 1);
	pid = fork();
	tiny_check(pid >= 0, "fork");
	if (!pid)
		child_with_inherited_vm(&vm, bell);
	tiny_check(waitpid(pid, &status, 0) == pid, "waitpid");
	printf("child's status: %d\n", status);
	tiny_start(&vm, 0, &guest_count, 3);
	tiny_run(&vm, 0);
	print_count("parent", bell);
	tiny_destroy(&vm);
}

/*
 * A child that shares the memory closes its own fds and fences itself in, not
 * its parent.
 */
void scenario_vfork(void)
{
	struct tiny_vm vm;
	int bell, status;
	pid_t pid;

	tiny_create(&vm, 1);
	bell = tiny_eventfd();
	must_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 1);
	pid = vfork();
	if (!pid) {
		close(vm.vcpu[0].fd);
		dup2(STDOUT_FILENO, vm.fd);
		close_range(3, ~0u, 0);
		tiny_forbid(SYS_write, SECCOMP_RET_KILL_PROCESS);
		_exit(0);
	}
	tiny_check(waitpid(pid, &status, 0) == pid, "waitpid");
	printf("collides: %s\n",
	       strerrorname_np(
		       tiny_ioeventfd(vm.fd, bell, GUEST_MMIO, 4, MATCH, 1)));
	tiny_start(&vm, 0, &guest_count, 3);
	tiny_run(&vm, 0);
	print_count("parent", bell);
	tiny_destroy(&vm);
}

static unsigned int kvm_fds(void)
{
	char path[64], target[128];
	unsigned int count = 0;
	ssize_t len;

	for (int fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		count += strstr(target, "kvm") != NULL ||
			 strstr(target, "eventfd") != NULL;
	}
	return count;
}

/* Nothing of a VM that was closed stays, else it would live on. */
void scenario_death(void)
{
	struct tiny_vm vm;
	int bell;

	for (int i = 0; i < 3; i++) {
		tiny_create(&vm, 2);
		bell = tiny_eventfd();
		must_assign(vm.fd, bell, GUEST_MMIO, 4, 0, 0);
		must_assign(vm.fd, bell, GUEST_MMIO + 8, 4, 0, 0);
		if (i == 1) {
			tiny_start(&vm, 0, &guest_count, 3);
			tiny_run(&vm, 0);
		}
		tiny_destroy(&vm);
		close(bell);
		printf("left: %u mappings, %u fds\n",
		       lines_with("/proc/self/maps", "kvm-vcpu"), kvm_fds());
	}
}

void tiny_fill_bus(int vm_fd)
{
	struct kvm_coalesced_mmio_zone zone = {.size = 1};

	for (unsigned int i = 0; i < 1000; i++) {
		zone.addr = 0x100000 + i;
		tiny_check(!ioctl(vm_fd, KVM_REGISTER_COALESCED_MMIO, &zone),
			   "KVM_REGISTER_COALESCED_MMIO");
	}
}

void scenario_refused(void)
{
	struct tiny_vm vm;
	int bell, err;

	tiny_create(&vm, 1);
	tiny_fill_bus(vm.fd);
	bell = tiny_eventfd();
	err = tiny_ioeventfd(vm.fd, bell, GUEST_MMIO, 4, 0, 0);
	printf("assign: %s\n", strerrorname_np(err));
	if (!err) {
		tiny_start(&vm, 0, &guest_count, 1000);
		tiny_run(&vm, 0);
		print_count("rung", bell);
	}
	tiny_destroy(&vm);
}

static int create_vcpu_without_address_space(struct tiny_vm *vm)
{
	struct rlimit limit, none;
	int fd;

	tiny_check(!getrlimit(RLIMIT_AS, &limit), "getrlimit");
	none = limit;
	none.rlim_cur = 4096;
	tiny_check(!setrlimit(RLIMIT_AS, &none), "setrlimit");
	fd = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	tiny_check(!setrlimit(RLIMIT_AS, &limit), "setrlimit");
	tiny_check(fd >= 0, "KVM_CREATE_VCPU");
	return fd;
}

static void map_vcpu(struct tiny_vm *vm, int fd)
{
	struct tiny_vcpu *vcpu = &vm->vcpu[0];

	vcpu->fd = fd;
	vcpu->size = (size_t)ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	vcpu->run = mmap(NULL, vcpu->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);
	tiny_check(vcpu->run != MAP_FAILED, "mmap");
}

/* belfry cannot see the exits of this vCPU: the kernel gets everything. */
void scenario_aside(void)
{
	struct tiny_vm vm;
	int bell;

	tiny_create(&vm, 0);
	bell = tiny_eventfd();
	must_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 1);
	must_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 2);
	map_vcpu(&vm, create_vcpu_without_address_space(&vm));
	must_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 3);
	for (uint64_t match = 2; match < 4; match++)
		printf("collides: %s\n",
		       strerrorname_np(tiny_ioeventfd(vm.fd, bell, GUEST_MMIO,
						      4, MATCH, match)));
	tiny_start(&vm, 0, &guest_count, 4);
	tiny_run(&vm, 0);
	print_count("rung", bell);
	for (uint64_t match = 2; match < 5; match++)
		printf("deassign: %s\n", strerrorname_np(tiny_ioeventfd(
						 vm.fd, bell, GUEST_MMIO, 4,
						 MATCH | DEASSIGN, match)));
	tiny_start(&vm, 0, &guest_count, 4);
	tiny_run(&vm, 0);
	print_count("rung", bell);
	tiny_fill_bus(vm.fd);
	printf("refused: %s\n", strerrorname_np(tiny_ioeventfd(
					vm.fd, bell, GUEST_MMIO + 8, 4, 0, 0)));
	tiny_destroy(&vm);
}

/* Nothing is left to the program's last moments. */
void scenario_killed(void)
{
	struct tiny_vm vm;
	int bell;

	tiny_create(&vm, 1);
	bell = tiny_eventfd();
	must_assign(vm.fd, bell, GUEST_MMIO, 4, 0, 0);
	tiny_start(&vm, 0, &guest_count, 3);
	tiny_run(&vm, 0);
	raise(SIGKILL);
}
