/* SPDX-License-Identifier: MIT */
/* VMMs that close a VM, or die with one. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "testvmm.h"

void scenario_two_vms(void)
{
	struct testvmm vm[2];
	int efd[2];

	for (int i = 0; i < 2; i++) {
		testvmm_create(&vm[i], 1);
		efd[i] = testvmm_eventfd();
		testvmm_assign(vm[i].fd, efd[i], GUEST_MMIO, 4, 0, 0);
		testvmm_start(&vm[i], 0, &guest_count, 3u + (uint32_t)i);
	}
	testvmm_run(&vm[0], 0);
	testvmm_destroy(&vm[0]);
	testvmm_run(&vm[1], 0);
	testvmm_print_count("first", efd[0]);
	testvmm_print_count("second", efd[1]);
	testvmm_destroy(&vm[1]);
}

static unsigned int count_kvm_fds(void)
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

/*
 * After the close no mapping and no fd of the VM may be left: either would keep
 * the kernel's VM alive.
 */
void scenario_vm_end(void)
{
	struct testvmm vm;
	int efd;

	for (int i = 0; i < 3; i++) {
		testvmm_create(&vm, 2);
		efd = testvmm_eventfd();
		testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
		testvmm_assign(vm.fd, efd, GUEST_MMIO + 8, 4, 0, 0);
		if (i == 1) {
			testvmm_start(&vm, 0, &guest_count, 3);
			testvmm_run(&vm, 0);
		}
		testvmm_destroy(&vm);
		close(efd);
		printf("left: %u mappings, %u fds\n",
		       testvmm_count_lines("/proc/self/maps", "kvm-vcpu"),
		       count_kvm_fds());
	}
}

/* The counters must be complete although the program never exits. */
void scenario_killed(void)
{
	struct testvmm vm;
	int efd;

	testvmm_create(&vm, 1);
	efd = testvmm_eventfd();
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	testvmm_start(&vm, 0, &guest_count, 3);
	testvmm_run(&vm, 0);
	raise(SIGKILL);
}
