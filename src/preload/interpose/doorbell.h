/* SPDX-License-Identifier: MIT */
/* KVM_IOEVENTFD and the coalesced zones of a program. */
#ifndef BF_PRELOAD_DOORBELL_H
#define BF_PRELOAD_DOORBELL_H

#include <stdint.h>

/* Results as of sys_ioctl(); *key becomes the call's in the counters. */
long doorbell_ioeventfd(int fd, void *arg, uint32_t *key);
long doorbell_zone(int fd, uint32_t request, void *arg);

#endif
