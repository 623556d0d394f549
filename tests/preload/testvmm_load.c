/* SPDX-License-Identifier: MIT */
/*
 * Two VMs with two vCPUs each, whose guests write to a doorbell while it moves
 * to the kernel, goes and comes back, beside memslots, zones, VMs that end,
 * processes that are killed, and limits on memory and fds.  Each write signals
 * once or comes out once, and nothing signals after its removal.
 *
 * For a run of ten minutes:
 *
 *	TESTVMM_SECONDS=600 belfry run -- build/tests/preload/testvmm load
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "testvmm.h"

#define MACHINES 2u
#define VCPUS	 2u
#define ROUNDS	 20u /* of a VM */
#define OTHER	 (GUEST_MMIO + 64)

struct load_vcpu {
	struct testvmm_vcpu *vcpu;
	uint64_t came_out;
	atomic_bool done;
};

struct machine {
	pthread_t thread;
	struct testvmm vm;
	struct load_vcpu vcpus[VCPUS];
	int efd[2]; /* they take turns */
	unsigned int turn;
	bool assigned;
	uint64_t signalled; /* in this round */
	unsigned int seed;
	uint64_t writes, refused; /* since the start */
};

static struct machine machines[MACHINES];
static atomic_bool stop;

/* Held where testvmm itself needs memory and fds. */
static pthread_mutex_t plenty = PTHREAD_MUTEX_INITIALIZER;

static unsigned int pick(unsigned int *seed, unsigned int count)
{
	return (unsigned int)rand_r(seed) % count;
}

static void fail(const char *what, uint64_t got, uint64_t expected)
{
	printf("%s: %" PRIu64 ", not %" PRIu64 "\n", what, got, expected);
	fflush(stdout);
	_exit(1);
}

static void *run_vcpu(void *arg)
{
	struct load_vcpu *load = arg;
	struct kvm_run *run = load->vcpu->run;

	do {
		testvmm_check(!ioctl(load->vcpu->fd, KVM_RUN, 0), "KVM_RUN");
		load->came_out += run->exit_reason == KVM_EXIT_MMIO;
	} while (run->exit_reason == KVM_EXIT_MMIO);
	testvmm_check(run->exit_reason == GUEST_END, "the guest's end");
	atomic_store(&load->done, true);
	return NULL;
}

/* The other eventfd was removed: nothing may signal it. */
static void check_late(struct machine *machine)
{
	uint64_t late = testvmm_read_count(machine->efd[!machine->turn]);

	if (late)
		fail("signals after a removal", late, 0);
}

/* Memory or fds may be short: then nothing is registered. */
static void try_assign(struct machine *machine)
{
	int error = testvmm_ioeventfd(machine->vm.fd,
				      machine->efd[machine->turn], GUEST_MMIO,
				      4, 0, 0);

	machine->assigned = !error;
	machine->refused += error == ENOMEM || error == EMFILE;
	if (error && error != ENOMEM && error != EMFILE)
		fail("the errno of an assign", (uint64_t)error, 0);
}

static void deassign(struct machine *machine)
{
	int efd = machine->efd[machine->turn];
	int error = testvmm_ioeventfd(machine->vm.fd, efd, GUEST_MMIO, 4,
				      KVM_IOEVENTFD_FLAG_DEASSIGN, 0);

	if (error)
		fail("the errno of a deassign", (uint64_t)error, 0);
	machine->signalled += testvmm_read_count(efd);
	machine->assigned = false;
	machine->turn = !machine->turn;
}

static void change_doorbell(struct machine *machine)
{
	check_late(machine);
	if (machine->assigned)
		deassign(machine);
	else
		try_assign(machine);
}

/* No guest writes to it. */
static void change_other_doorbell(struct machine *machine)
{
	int efd = machine->efd[machine->turn], fd = machine->vm.fd;

	if (!testvmm_ioeventfd(fd, efd, OTHER, 4, 0, 0))
		testvmm_check(!testvmm_ioeventfd(fd, efd, OTHER, 4,
						 KVM_IOEVENTFD_FLAG_DEASSIGN,
						 0),
			      "a deassign");
}

static void change_memory(struct machine *machine)
{
	testvmm_set_second_slot(&machine->vm, GUEST_MEMORY);
	testvmm_set_second_slot(&machine->vm, 0);
}

static void change_zone(struct machine *machine)
{
	struct kvm_coalesced_mmio_zone zone = {.addr = 0x40000, .size = 0x1000};
	int fd = machine->vm.fd;

	if (!ioctl(fd, KVM_REGISTER_COALESCED_MMIO, &zone))
		testvmm_check(!ioctl(fd, KVM_UNREGISTER_COALESCED_MMIO, &zone),
			      "a zone");
}

/* The doorbell's eventfd gets another number. */
static void change_number(struct machine *machine)
{
	int *efd = &machine->efd[machine->turn], duplicate = dup(*efd);

	if (duplicate < 0)
		return;
	close(*efd);
	*efd = duplicate;
}

/* The library moves the doorbell to the kernel. */
static void pause_changes(struct machine *machine)
{
	usleep(pick(&machine->seed, 3000));
}

static void change(struct machine *machine)
{
	static void (*const changes[])(struct machine * machine) = {
		change_doorbell, change_doorbell, change_other_doorbell,
		change_memory,	 change_zone,	  change_number,
		pause_changes,	 pause_changes,
	};

	changes[pick(&machine->seed, 8)](machine);
}

static void start_vcpus(struct machine *machine, pthread_t threads[VCPUS],
			uint32_t count)
{
	pthread_mutex_lock(&plenty);
	for (unsigned int i = 0; i < VCPUS; i++) {
		machine->vcpus[i] = (struct load_vcpu){
			.vcpu = &machine->vm.vcpu[i],
		};
		testvmm_start(&machine->vm, i, &guest_count, count);
		testvmm_check(!pthread_create(&threads[i], NULL, run_vcpu,
					      &machine->vcpus[i]),
			      "pthread_create");
	}
	pthread_mutex_unlock(&plenty);
}

static void run_round(struct machine *machine)
{
	const uint32_t count = 1 + pick(&machine->seed, 20000);
	uint64_t came_out = 0;
	pthread_t threads[VCPUS];

	machine->signalled = 0;
	start_vcpus(machine, threads, count);
	while (!atomic_load(&machine->vcpus[0].done) ||
	       !atomic_load(&machine->vcpus[1].done))
		change(machine);
	for (unsigned int i = 0; i < VCPUS; i++) {
		pthread_join(threads[i], NULL);
		came_out += machine->vcpus[i].came_out;
	}
	if (machine->assigned)
		deassign(machine);
	check_late(machine);
	if (machine->signalled + came_out != VCPUS * count)
		fail("writes that arrived", machine->signalled + came_out,
		     VCPUS * count);
	machine->writes += VCPUS * count;
}

static void run_vm(struct machine *machine)
{
	pthread_mutex_lock(&plenty);
	testvmm_create(&machine->vm, VCPUS);
	machine->efd[0] = testvmm_eventfd();
	machine->efd[1] = testvmm_eventfd();
	pthread_mutex_unlock(&plenty);
	for (unsigned int i = 0; i < ROUNDS && !atomic_load(&stop); i++)
		run_round(machine);
	testvmm_destroy(&machine->vm);
	close(machine->efd[0]);
	close(machine->efd[1]);
}

static void *run_machine(void *arg)
{
	while (!atomic_load(&stop))
		run_vm(arg);
	return NULL;
}

/* Every allocation that needs more from the kernel fails, and every new fd. */
static void make_short(unsigned int resource)
{
	struct rlimit limit, none;

	pthread_mutex_lock(&plenty);
	getrlimit((int)resource, &limit);
	none = (struct rlimit){0, limit.rlim_max};
	setrlimit((int)resource, &none);
	usleep(1000);
	setrlimit((int)resource, &limit);
	pthread_mutex_unlock(&plenty);
}

/* It has VMs of its own, and does not outlive this process. */
static pid_t start_a_vmm(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(STDOUT_FILENO);
		execl("/proc/self/exe", "testvmm", "busy", NULL);
		_exit(127);
	}
	return pid;
}

static void kill_a_vmm(unsigned int *seed)
{
	pid_t pid;

	pthread_mutex_lock(&plenty);
	pid = start_a_vmm();
	pthread_mutex_unlock(&plenty);
	testvmm_check(pid > 0, "fork");
	usleep(pick(seed, 50000));
	kill(pid, SIGKILL);
	testvmm_check(waitpid(pid, NULL, 0) == pid, "waitpid");
}

static void disturb(unsigned int *seed)
{
	switch (pick(seed, 3)) {
	case 0:
		make_short(RLIMIT_DATA);
		break;
	case 1:
		make_short(RLIMIT_NOFILE);
		break;
	case 2:
		kill_a_vmm(seed);
		break;
	}
	usleep(pick(seed, 5000));
}

static void run_machines(unsigned int seconds)
{
	const time_t end = time(NULL) + (time_t)seconds;
	unsigned int seed = 1;

	atomic_store(&stop, false);
	for (unsigned int i = 0; i < MACHINES; i++) {
		machines[i].seed = i + 2;
		testvmm_check(!pthread_create(&machines[i].thread, NULL,
					      run_machine, &machines[i]),
			      "pthread_create");
	}
	while (time(NULL) < end)
		disturb(&seed);
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < MACHINES; i++)
		pthread_join(machines[i].thread, NULL);
}

/* The first second makes what the library and the C library keep. */
void scenario_load(void)
{
	const char *seconds = getenv("TESTVMM_SECONDS");
	unsigned int before, after;

	run_machines(1);
	before = testvmm_count_fds();
	run_machines(seconds ? (unsigned int)atoi(seconds) : 1);
	after = testvmm_count_fds();
	if (after != before)
		fail("fds at the end", after, before);
	for (unsigned int i = 0; i < MACHINES; i++)
		fprintf(stderr,
			"load: %" PRIu64 " writes, %" PRIu64
			" assigns refused\n",
			machines[i].writes, machines[i].refused);
	puts("nothing lost, doubled, late or leaked");
}
