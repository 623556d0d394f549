/* SPDX-License-Identifier: MIT */
/* ioctl(): KVM's go their own way, all others pay one branch. */
#include <linux/kvm.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "preload/interpose/config.h"
#include "preload/interpose/doorbell.h"
#include "preload/interpose/kick.h"
#include "preload/record/record.h"
#include "preload/interpose/run.h"
#include "preload/common/sys.h"
#include "preload/interpose/vm.h"

static long answer(int fd, uint32_t request, void *arg, uint32_t *key)
{
	switch (request) {
	case KVM_CREATE_VM:
		return vm_create(fd, arg);
	case KVM_CREATE_VCPU:
		return vm_create_vcpu(fd, arg);
	case KVM_IOEVENTFD:
		return doorbell_ioeventfd(fd, arg, key);
	case KVM_REGISTER_COALESCED_MMIO:
	case KVM_UNREGISTER_COALESCED_MMIO:
		return doorbell_zone(fd, request, arg);
	}
	kick_saw_call(request, (unsigned long)arg);
	return vm_call(fd, request, arg);
}

static long timed(int fd, uint32_t request, void *arg)
{
	uint64_t start = stats_now();
	uint32_t key = request;
	long ret = answer(fd, request, arg, &key);

	stats_record(config.stats, key, start, ret < 0);
	record_ioctl(fd, key, start, ret);
	return ret;
}

/*
 * The kernel takes 32 bits of the request; a program that keeps it in an int
 * passes the others set.
 */
INTERPOSE int ioctl(int fd, unsigned long request, ...)
{
	int saved_errno = errno;
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (_IOC_TYPE(request) != KVMIO)
		return (int)syscall(SYS_ioctl, fd, request, arg);
	if ((uint32_t)request == KVM_RUN)
		return sys_return(run_vcpu(fd, arg), saved_errno);
	return sys_return(timed(fd, (uint32_t)request, arg), saved_errno);
}
