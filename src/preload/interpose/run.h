/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_RUN_H
#define BF_PRELOAD_RUN_H

/* KVM_RUN, until something is left for the program; as of sys_ioctl(). */
long run_vcpu(int fd, void *arg);

#endif
