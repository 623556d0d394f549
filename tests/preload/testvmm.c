/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "testvmm.h"
#include "guests/copy.h"

void testvmm_check(int ok, const char *what)
{
	if (ok)
		return;
	printf("%s: %s\n", what, strerror(errno));
	exit(3);
}

static void add_vcpu(struct testvmm *vm, unsigned int id)
{
	struct testvmm_vcpu *vcpu = &vm->vcpu[id];
	int size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	vcpu->size = (size_t)size;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	testvmm_check(vcpu->fd >= 0, "KVM_CREATE_VCPU");
	vcpu->run = mmap(NULL, vcpu->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	testvmm_check(vcpu->run != MAP_FAILED, "mmap");
}

static void add_memory(struct testvmm *vm)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = GUEST_MEMORY,
	};

	vm->memory = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	testvmm_check(vm->memory != MAP_FAILED, "mmap");
	region.userspace_addr = (uintptr_t)vm->memory;
	testvmm_check(!ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region),
		      "KVM_SET_USER_MEMORY_REGION");
}

void testvmm_create(struct testvmm *vm, unsigned int vcpus)
{
	memset(vm, 0, sizeof(*vm));
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	testvmm_check(vm->kvm >= 0, "/dev/kvm");
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	testvmm_check(vm->fd >= 0, "KVM_CREATE_VM");
	add_memory(vm);
	for (unsigned int i = 0; i < vcpus; i++)
		add_vcpu(vm, i);
}

void testvmm_destroy(struct testvmm *vm)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (!vm->vcpu[i].run)
			continue;
		munmap(vm->vcpu[i].run, vm->vcpu[i].size);
		close(vm->vcpu[i].fd);
	}
	close(vm->fd);
	munmap(vm->memory, GUEST_MEMORY);
	close(vm->kvm);
}

void testvmm_start(struct testvmm *vm, unsigned int vcpu,
		   const struct guest_code *code, uint32_t count)
{
	char *place = (char *)vm->memory + GUEST_CODE;
	const size_t size = (size_t)(code->end - code->start);

	guest_copy(place, code->start, size);
	testvmm_set_registers(vm, vcpu, count);
}

static void print_bytes(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		printf(" %02x", data[i]);
	putchar('\n');
}

static void print_mmio(struct kvm_run *run)
{
	printf("mmio %s %" PRIx64 " +%u", run->mmio.is_write ? "write" : "read",
	       (uint64_t)run->mmio.phys_addr, run->mmio.len);
	if (!run->mmio.is_write)
		memset(run->mmio.data, 0x5a, sizeof(run->mmio.data));
	print_bytes(run->mmio.data, run->mmio.len);
}

static void print_io(struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	size_t size = (size_t)run->io.size * run->io.count;

	printf("port %s %x +%u x%u",
	       run->io.direction == KVM_EXIT_IO_OUT ? "write" : "read",
	       run->io.port, run->io.size, run->io.count);
	if (run->io.direction == KVM_EXIT_IO_IN)
		memset(data, 0x5a, size);
	print_bytes(data, size);
}

void testvmm_run(struct testvmm *vm, unsigned int vcpu)
{
	struct kvm_run *run = vm->vcpu[vcpu].run;

	for (;;) {
		testvmm_check(!ioctl(vm->vcpu[vcpu].fd, KVM_RUN, 0), "KVM_RUN");
		if (run->exit_reason == KVM_EXIT_MMIO) {
			print_mmio(run);
		} else if (run->exit_reason == KVM_EXIT_IO) {
			print_io(run);
		} else if (run->exit_reason == GUEST_END) {
			puts("end");
			return;
		} else {
			printf("exit %u\n", run->exit_reason);
			return;
		}
	}
}

void testvmm_set_second_slot(const struct testvmm *vm, uint64_t size)
{
	const struct kvm_userspace_memory_region region = {
		.slot = 1,
		.guest_phys_addr = 0x100000,
		.memory_size = size,
		.userspace_addr = (uintptr_t)vm->memory,
	};

	testvmm_check(!ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region),
		      "KVM_SET_USER_MEMORY_REGION");
}

int testvmm_ioeventfd(int vm_fd, int fd, uint64_t addr, uint32_t len,
		      uint32_t flags, uint64_t datamatch)
{
	struct kvm_ioeventfd arg = {
		.datamatch = datamatch,
		.addr = addr,
		.len = len,
		.fd = fd,
		.flags = flags,
	};

	return ioctl(vm_fd, KVM_IOEVENTFD, &arg) ? errno : 0;
}

void testvmm_assign(int vm_fd, int fd, uint64_t addr, uint32_t len,
		    uint32_t flags, uint64_t datamatch)
{
	errno = testvmm_ioeventfd(vm_fd, fd, addr, len, flags, datamatch);
	testvmm_check(!errno, "KVM_IOEVENTFD");
}

int testvmm_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	testvmm_check(fd >= 0, "eventfd");
	return fd;
}

uint64_t testvmm_read_count(int fd)
{
	uint64_t count = 0;

	if (read(fd, &count, sizeof(count)) < 0)
		testvmm_check(errno == EAGAIN, "read");
	return count;
}

void testvmm_print_count(const char *what, int fd)
{
	printf("%s: %" PRIu64 "\n", what, testvmm_read_count(fd));
}

unsigned int testvmm_count_fds(void)
{
	unsigned int count = 0;

	for (int fd = 0; fd < 4096; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

unsigned int testvmm_count_lines(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	unsigned int count = 0;
	char line[512];

	testvmm_check(file != NULL, path);
	while (fgets(line, sizeof(line), file))
		count += strstr(line, word) != NULL;
	fclose(file);
	return count;
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{"errno", scenario_errno},
	{"zone-errno", scenario_zone_errno},
	{"zone-order", scenario_zone_order},
	{"zone-ring", scenario_zone_ring},
	{"exits", scenario_exits},
	{"closed-eventfd", scenario_closed_eventfd},
	{"unseen-eventfds", scenario_unseen_eventfds},
	{"full-eventfd", scenario_full_eventfd},
	{"eventfds-of-children", scenario_eventfds_of_children},
	{"sweep", scenario_sweep},
	{"replaced-by-dup2", scenario_replaced_by_dup2},
	{"replaced-by-dup3", scenario_replaced_by_dup3},
	{"left-close", scenario_left_close},
	{"bad-filters", scenario_bad_filters},
	{"filter-of-fds", scenario_filter_of_fds},
	{"shared-by-message", scenario_shared_by_message},
	{"shared-by-clone", scenario_shared_by_clone},
	{"shared-by-raw-fork", scenario_shared_by_raw_fork},
	{"shared-by-libc-clone", scenario_shared_by_libc_clone},
	{"shared-by-execution", scenario_shared_by_execution},
	{"shared-then-filtered", scenario_shared_then_filtered},
	{"filtered-then-shared", scenario_filtered_then_shared},
	{"filtered-then-forked", scenario_filtered_then_forked},
	{"filtered-then-registered", scenario_filtered_then_registered},
	{"filtered-vcpu-shares", scenario_filtered_vcpu_shares},
	{"refused-then-shared", scenario_refused_then_shared},
	{"all-without-poll", scenario_all_without_poll},
	{"refused-then-all-filtered", scenario_refused_then_all_filtered},
	{"all-filtered-in-between", scenario_all_filtered_in_between},
	{"all-filtered-inside", scenario_all_filtered_inside},
	{"filled-after-poll", scenario_filled_after_poll},
	{"jumps-out-of-exits", scenario_jumps_out_of_exits},
	{"jumps-out-of-calls", scenario_jumps_out_of_calls},
	{"first-filters-at-once", scenario_first_filters_at_once},
	{"no-context", scenario_no_context},
	{"no-context-later", scenario_no_context_later},
	{"bad-messages", scenario_bad_messages},
	{"polled-eventfd", scenario_polled_eventfd},
	{"fd-table", scenario_fd_table},
	{"fds", scenario_fds},
	{"close-all", scenario_close_all},
	{"received", scenario_received},
	{"pidfd", scenario_pidfd},
	{"raw-vm", scenario_raw_vm},
	{"raw-run", scenario_raw_run},
	{"raw-runs", scenario_raw_runs},
	{"dup2-onto-all", scenario_dup2_onto_all},
	{"threads", scenario_threads},
	{"two-vms", scenario_two_vms},
	{"fork", scenario_fork},
	{"vfork", scenario_vfork},
	{"clone", scenario_clone},
	{"pidns", scenario_pidns},
	{"as-init", scenario_as_init},
	{"vm-end", scenario_vm_end},
	{"refused", scenario_refused},
	{"kick", scenario_kick},
	{"stepping", scenario_stepping},
	{"kick-flag", scenario_kick_flag},
	{"kick-unseen", scenario_kick_unseen},
	{"no-kick", scenario_no_kick},
	{"long-jump", scenario_long_jump},
	{"many-jumps", scenario_many_jumps},
	{"cancel", scenario_cancel},
	{"kick-regs", scenario_kick_regs},
	{"close-while-signalling", scenario_close_while_signalling},
	{"seccomp", scenario_seccomp},
	{"seccomp-mild", scenario_seccomp_mild},
	{"seccomp-threads", scenario_seccomp_threads},
	{"seccomp-kicks", scenario_seccomp_kicks},
	{"seccomp-handler", scenario_seccomp_handler},
	{"seccomp-idle", scenario_seccomp_idle},
	{"forbidden", scenario_forbidden},
	{"forbidden-late", scenario_forbidden_late},
	{"forbidden-vcpu", scenario_forbidden_vcpu},
	{"refused-calls", scenario_refused_calls},
	{"plain-ioctl", scenario_plain_ioctl},
	{"untimed-call", scenario_untimed_call},
	{"other-library", scenario_other_library},
	{"shared-duplicates", scenario_shared_duplicates},
	{"fd-reserve", scenario_fd_reserve},
	{"daemon", scenario_daemon},
	{"passthrough", scenario_passthrough},
	{"killed", scenario_killed},
	{"busy", scenario_busy},
	{"load", scenario_load},
	{"many-vms", scenario_many_vms},
	{"level", scenario_level},
	{"many-threads", scenario_many_threads},
	{"irqchip", scenario_irqchip},
	{"deassigned", scenario_deassigned},
	{"close-in-handler", scenario_close_in_handler},
	{"close-in-malloc", scenario_close_in_malloc},
	{"close-beside-stacks", scenario_close_beside_stacks},
	{"close-in-fork", scenario_close_in_fork},
	{"close-in-refused-fork", scenario_close_in_refused_fork},
	{"close-in-forkpty", scenario_close_in_forkpty},
	{"dup-in-handler", scenario_dup_in_handler},
	{"fork-in-handler", scenario_fork_in_handler},
};

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (argc == 2 && !strcmp(argv[1], scenarios[i].name)) {
			scenarios[i].run();
			return 0;
		}
	}
	fprintf(stderr, "usage: testvmm SCENARIO\n");
	return 2;
}
