/* SPDX-License-Identifier: MIT */
/* VMs that were closed, or whose process was killed. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tiny_vmm.h"

void scenario_two_vms(void)
{
	struct tiny_vm vm[2];
	int bell[2];

	for (int i = 0; i < 2; i++) {
		tiny_create(&vm[i], 1);
		bell[i] = tiny_eventfd();
		tiny_assign(vm[i].fd, bell[i], GUEST_MMIO, 4, 0, 0);
		tiny_start(&vm[i], 0, &guest_count, 3u + (uint32_t)i);
	}
	tiny_run(&vm[0], 0);
	tiny_destroy(&vm[0]);
	tiny_run(&vm[1], 0);
	tiny_print_count("first", bell[0]);
	tiny_print_count("second", bell[1]);
	tiny_destroy(&vm[1]);
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
		tiny_assign(vm.fd, bell, GUEST_MMIO, 4, 0, 0);
		tiny_assign(vm.fd, bell, GUEST_MMIO + 8, 4, 0, 0);
		if (i == 1) {
			tiny_start(&vm, 0, &guest_count, 3);
			tiny_run(&vm, 0);
		}
		tiny_destroy(&vm);
		close(bell);
		printf("left: %u mappings, %u fds\n",
		       tiny_lines_with("/proc/self/maps", "kvm-vcpu"),
		       kvm_fds());
	}
}

/* Nothing is left to the program's last moments. */
void scenario_killed(void)
{
	struct tiny_vm vm;
	int bell;

	tiny_create(&vm, 1);
	bell = tiny_eventfd();
	tiny_assign(vm.fd, bell, GUEST_MMIO, 4, 0, 0);
	tiny_start(&vm, 0, &guest_count, 3);
	tiny_run(&vm, 0);
	raise(SIGKILL);
}
