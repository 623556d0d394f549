/* SPDX-License-Identifier: MIT */
/*
 * The system calls of this processor, where they differ: the architecture as
 * filters name it, and the calls that the library and libc make for poll(2),
 * readlink(2) and fork(2).  CALL_POLL_KNOWN has the arguments of the first that
 * the library knows: 1 file, no time, no mask.
 */
#ifndef BF_PRELOAD_CALLS_H
#define BF_PRELOAD_CALLS_H

#include <linux/audit.h>
#include <sys/syscall.h>

#ifdef __x86_64__
#define FILTER_ARCH	AUDIT_ARCH_X86_64
#define CALL_POLL	SYS_poll
#define CALL_POLL_KNOWN (1u << 1 | 1u << 2)
#define CALL_READLINK	SYS_readlink
#define CALL_FORK	SYS_fork
#else
#define FILTER_ARCH	AUDIT_ARCH_AARCH64
#define CALL_POLL	SYS_ppoll
#define CALL_POLL_KNOWN (1u << 1 | 1u << 3)
#define CALL_READLINK	SYS_readlinkat
#define CALL_FORK	(-1) /* none */
#endif

#endif
