/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "diff_vm.h"
#include "vm/kvm.h"
#include "guests/guests.h"

#define MEMORY	    0x20000u
#define PAGE_TABLES 0x0u
#define PROGRAMS    0x8000u  /* GUEST_AREA */
#define VALUES	    0x10000u /* of a string */
#define MAX_STRING  16

void diff_check(bool ok, const char *what)
{
	if (ok)
		return;
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

int diff_ioctl(struct diff_vm *vm, int fd, unsigned long request,
	       const void *arg)
{
	long ret = vm->plain ? syscall(SYS_ioctl, fd, request, arg) :
			       ioctl(fd, request, arg);

	return ret < 0 ? -errno : (int)ret;
}

int diff_slot(struct diff_vm *vm, unsigned int slot, uint64_t gpa,
	      uint64_t size)
{
	const struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)vm->memory,
	};

	return diff_ioctl(vm, vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static void add_vcpu(struct diff_vm *vm)
{
	int size = diff_ioctl(vm, vm->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
	int page = diff_ioctl(vm, vm->kvm, KVM_CHECK_EXTENSION,
			      (void *)KVM_CAP_COALESCED_MMIO);

	vm->vcpu = diff_ioctl(vm, vm->fd, KVM_CREATE_VCPU, NULL);
	diff_check(vm->vcpu >= 0, "KVM_CREATE_VCPU");
	vm->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       vm->vcpu, 0);
	diff_check(vm->run != MAP_FAILED, "mmap");
	vm->ring = (void *)((char *)vm->run + page * sysconf(_SC_PAGESIZE));
}

void diff_create(struct diff_vm *vm, bool plain)
{
	memset(vm, 0, sizeof(*vm));
	vm->plain = plain;
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	diff_check(vm->kvm >= 0, "/dev/kvm");
	vm->fd = diff_ioctl(vm, vm->kvm, KVM_CREATE_VM, NULL);
	diff_check(vm->fd >= 0, "KVM_CREATE_VM");
	vm->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	diff_check(vm->memory != MAP_FAILED, "mmap");
	diff_check(!diff_slot(vm, 0, 0, MEMORY), "KVM_SET_USER_MEMORY_REGION");
	add_vcpu(vm);
	for (int i = 0; i < DIFF_EVENTFDS; i++) {
		vm->efd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		diff_check(vm->efd[i] >= 0, "eventfd");
	}
}

void diff_destroy(struct diff_vm *vm)
{
	int size = diff_ioctl(vm, vm->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);

	munmap(vm->run, (size_t)size);
	close(vm->vcpu);
	close(vm->fd);
	close(vm->kvm);
	munmap(vm->memory, MEMORY);
	for (int i = 0; i < DIFF_EVENTFDS; i++)
		close(vm->efd[i]);
}

static const struct guest *guest_for(const struct diff_write *write)
{
	if (write->string)
		return &guest_write_pio_string;
	switch (write->len) {
	case 1:
		return write->pio ? &guest_write_pio1 : &guest_write_mmio1;
	case 2:
		return write->pio ? &guest_write_pio2 : &guest_write_mmio2;
	case 4:
		return write->pio ? &guest_write_pio4 : &guest_write_mmio4;
	}
	return &guest_write_mmio8;
}

static void write_string(struct diff_vm *vm, const struct diff_write *write)
{
	for (uint32_t i = 0; i < MAX_STRING; i++) {
		uint32_t value = (uint32_t)write->value + i;

		memcpy(vm->memory + VALUES + 4 * i, &value, sizeof(value));
	}
}

/*
 * The engine makes system calls, and belfry passes a VM through to the kernel
 * whose vCPU the program reaches past ioctl().
 */
long __wrap_bf_kvm_ioctl(int fd, unsigned long request, void *arg);

long __wrap_bf_kvm_ioctl(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

/* The page tables stay; each write only sets the registers. */
static void set_up_guest(struct diff_vm *vm, const struct diff_write *write)
{
	const struct guest *guest = guest_for(write);
	const struct bf_vcpu_boot64_desc boot = {
		.rip = PROGRAMS + guest_offset(guest),
		.args = {write->addr, write->times,
			 write->string ? VALUES : write->value, write->times},
		.page_tables = PAGE_TABLES,
		.page_tables_hva = vm->memory + PAGE_TABLES,
	};
	int ret;

	guest_place(guest, vm->memory + boot.rip);
	write_string(vm, write);
	ret = vm->booted ? bf_kvm_set_regs(vm->vcpu, &boot) :
			   bf_kvm_boot64(vm->fd, vm->vcpu, &boot);
	diff_check(!ret, "the start of a guest");
	vm->booted = true;
}

static void add_event(struct diff_vm *vm, uint64_t addr, uint32_t len, bool pio,
		      const void *data)
{
	struct diff_event *event = &vm->events[vm->nr_events++];

	diff_check(vm->nr_events < DIFF_EVENTS, "too many events");
	*event = (struct diff_event){.addr = addr, .len = len, .pio = pio};
	memcpy(&event->value, data, len);
}

/* KVM's interface asks for it before each exit is handled. */
static void empty_ring(struct diff_vm *vm)
{
	struct kvm_coalesced_mmio_ring *ring = vm->ring;
	const uint32_t slots =
		((uint32_t)sysconf(_SC_PAGESIZE) - (uint32_t)sizeof(*ring)) /
		(uint32_t)sizeof(ring->coalesced_mmio[0]);

	while (ring->first != ring->last) {
		const struct kvm_coalesced_mmio *entry =
			&ring->coalesced_mmio[ring->first];

		add_event(vm, entry->phys_addr, entry->len, entry->pio,
			  entry->data);
		ring->first = (ring->first + 1) % slots;
	}
}

static void add_exit(struct diff_vm *vm)
{
	struct kvm_run *run = vm->run;
	char *data = (char *)run + run->io.data_offset;

	if (run->exit_reason == KVM_EXIT_MMIO) {
		add_event(vm, run->mmio.phys_addr, run->mmio.len, false,
			  run->mmio.data);
		return;
	}
	diff_check(run->exit_reason == KVM_EXIT_IO, "another exit");
	for (uint32_t i = 0; i < run->io.count; i++)
		add_event(vm, run->io.port, run->io.size, true,
			  data + i * run->io.size);
}

void diff_write(struct diff_vm *vm, const struct diff_write *write)
{
	vm->nr_events = 0;
	set_up_guest(vm, write);
	for (;;) {
		diff_check(!diff_ioctl(vm, vm->vcpu, KVM_RUN, NULL), "KVM_RUN");
		empty_ring(vm);
		if (bf_kvm_is_end(vm->run))
			break;
		add_exit(vm);
	}
	for (int i = 0; i < DIFF_EVENTFDS; i++) {
		vm->signals[i] = 0;
		if (read(vm->efd[i], &vm->signals[i], sizeof(vm->signals[i])) <
		    0)
			diff_check(errno == EAGAIN, "read");
	}
}
