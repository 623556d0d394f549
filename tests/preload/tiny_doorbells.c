/* SPDX-License-Identifier: MIT */
/* VMMs that ring doorbells of each kind, and from two threads. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tiny_vmm.h"

#define MATCH	 KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO	 KVM_IOEVENTFD_FLAG_PIO
#define DEASSIGN KVM_IOEVENTFD_FLAG_DEASSIGN

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
		tiny_assign(vm.fd, fds[i], bells[i].addr, bells[i].len,
			    bells[i].flags, bells[i].datamatch);
	}
	tiny_start(&vm, 0, &guest_all_sorts, 0);
	tiny_run(&vm, 0);
	for (i = 0; i < sizeof(bells) / sizeof(bells[0]); i++)
		tiny_print_count("rung", fds[i]);
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
	tiny_assign(vm.fd, given, GUEST_MMIO, 4, 0, 0);
	close(given);
	stranger = tiny_eventfd();
	tiny_start(&vm, 0, &guest_count, 5);
	tiny_run(&vm, 0);
	tiny_print_count("kept", kept);
	tiny_print_count("stranger", stranger);
	printf("deassign by stranger: %s\n",
	       strerrorname_np(tiny_ioeventfd(vm.fd, stranger, GUEST_MMIO, 4,
					      DEASSIGN, 0)));
	printf("deassign by the kept one: %s\n",
	       strerrorname_np(tiny_ioeventfd(vm.fd, kept, GUEST_MMIO, 4,
					      DEASSIGN, 0)));
	tiny_start(&vm, 0, &guest_count, 2);
	tiny_run(&vm, 0);
	tiny_print_count("kept", kept);
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
	tiny_assign(vm.fd, first, GUEST_MMIO, 4, 0, 0);
	tiny_start(&vm, 0, &guest_count, RINGS);
	tiny_start(&vm, 1, &guest_count, RINGS);
	tiny_check(!pthread_create(&thread, NULL, run_second, &vm), "thread");
	for (unsigned int i = 0; i < 200; i++)
		tiny_assign(vm.fd, later, 0x30000 + 8 * i, 4, 0, 0);
	tiny_run(&vm, 0);
	pthread_join(thread, NULL);
	tiny_print_count("rung", first);
	tiny_print_count("not rung", later);
	tiny_destroy(&vm);
}
