/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_RUN_H
#define BF_PRELOAD_RUN_H

/*
 * KVM_RUN: serves exits of doorbells, and returns with the first exit that is
 * the program's to handle.  The result is that of ioctl().
 */
int run_vcpu(int fd, void *arg);

#endif
