/* SPDX-License-Identifier: MIT */
/* VMMs with each kind of doorbell, and with two vCPUs. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "testvmm.h"

#define MATCH	 KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO	 GUEST_PORT_FLAGS
#define DEASSIGN KVM_IOEVENTFD_FLAG_DEASSIGN

void scenario_exits(void)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint32_t flags;
		uint64_t datamatch;
	} doorbells[] = {
		{GUEST_MMIO, 4, MATCH, 1},
		{GUEST_MMIO, 2, MATCH, 2},
		{GUEST_MMIO + 8, 0, 0, 0},
		{GUEST_MMIO + 0x10, 4, MATCH, 6},
		{GUEST_PORT, 1, PIO, 0},
		{GUEST_PORT, 4, PIO | MATCH, 0x11223344},
		{GUEST_PORT + 4, 1, PIO | MATCH, 1},
	};
	int fds[sizeof(doorbells) / sizeof(doorbells[0])];
	struct testvmm vm;
	size_t i;

	testvmm_create(&vm, 1);
	for (i = 0; i < sizeof(doorbells) / sizeof(doorbells[0]); i++) {
		fds[i] = testvmm_eventfd();
		testvmm_assign(vm.fd, fds[i], doorbells[i].addr,
			       doorbells[i].len, doorbells[i].flags,
			       doorbells[i].datamatch);
	}
	testvmm_start(&vm, 0, &guest_all_kinds, 0);
	testvmm_run(&vm, 0);
	for (i = 0; i < sizeof(doorbells) / sizeof(doorbells[0]); i++)
		testvmm_print_count("signals", fds[i]);
	testvmm_destroy(&vm);
}

/* When the guest writes, the fd number belongs to another eventfd. */
void scenario_closed_eventfd(void)
{
	struct testvmm vm;
	int given, kept, reused;

	testvmm_create(&vm, 1);
	given = testvmm_eventfd();
	kept = dup(given);
	testvmm_assign(vm.fd, given, GUEST_MMIO, 4, 0, 0);
	close(given);
	reused = testvmm_eventfd();
	testvmm_start(&vm, 0, &guest_count, 5);
	testvmm_run(&vm, 0);
	testvmm_print_count("kept", kept);
	testvmm_print_count("reused", reused);
	printf("deassign by the reused fd: %s\n",
	       strerrorname_np(testvmm_ioeventfd(vm.fd, reused, GUEST_MMIO, 4,
						 DEASSIGN, 0)));
	printf("deassign by the kept fd: %s\n",
	       strerrorname_np(testvmm_ioeventfd(vm.fd, kept, GUEST_MMIO, 4,
						 DEASSIGN, 0)));
	testvmm_start(&vm, 0, &guest_count, 2);
	testvmm_run(&vm, 0);
	testvmm_print_count("kept", kept);
	testvmm_destroy(&vm);
}

static void *run_second(void *arg)
{
	testvmm_run(arg, 1);
	return NULL;
}

/*
 * The VMM assigns doorbells while two vCPUs write.  Each write must signal once.
 */
void scenario_threads(void)
{
	enum { WRITES = 20000 };
	struct testvmm vm;
	pthread_t thread;
	int first, later;

	testvmm_create(&vm, 2);
	first = testvmm_eventfd();
	later = testvmm_eventfd();
	testvmm_assign(vm.fd, first, GUEST_MMIO, 4, 0, 0);
	testvmm_start(&vm, 0, &guest_count, WRITES);
	testvmm_start(&vm, 1, &guest_count, WRITES);
	testvmm_check(!pthread_create(&thread, NULL, run_second, &vm),
		      "thread");
	for (unsigned int i = 0; i < 200; i++)
		testvmm_assign(vm.fd, later, 0x30000 + 8 * i, 4, 0, 0);
	testvmm_run(&vm, 0);
	pthread_join(thread, NULL);
	testvmm_print_count("signals", first);
	testvmm_print_count("no signals", later);
	testvmm_destroy(&vm);
}
