/* SPDX-License-Identifier: MIT */
/* Messages that tell why KVM cannot be used. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/kvm_problem.h"

#define KVM_PATH "/dev/kvm"

const char *kvm_open_problem(int err)
{
	static char text[160];

	switch (err) {
	case ENOENT:
		return "no " KVM_PATH ": load the kvm-intel or kvm-amd module,"
		       " or turn on virtualization in the firmware (in a"
		       " virtual machine: nested virtualization)";
	case EACCES:
	case EPERM:
		return "no permission on " KVM_PATH ": join the group it"
		       " belongs to (usermod -aG kvm USER, then log in again)"
		       " or run as root";
	case ENODEV:
	case ENXIO:
		return KVM_PATH " has no driver behind it: load the kvm-intel"
				" or kvm-amd module";
	}
	snprintf(text, sizeof(text), "cannot open " KVM_PATH ": %s",
		 strerror(err));
	return text;
}

const char *kvm_api_problem(int version)
{
	static char text[160];

	if (version == KVM_API_VERSION)
		return NULL;
	if (version < 0)
		return KVM_PATH " is not KVM: remove that file and load the"
				" kvm module";
	snprintf(text, sizeof(text),
		 KVM_PATH " has API version %d, not %d: use Linux 2.6.22 or"
			  " later",
		 version, KVM_API_VERSION);
	return text;
}

const char *cli_kvm_problem(void)
{
	const char *problem;
	int fd;

	fd = open(KVM_PATH, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return kvm_open_problem(errno);
	problem = kvm_api_problem(ioctl(fd, KVM_GET_API_VERSION, 0));
	close(fd);
	return problem;
}
