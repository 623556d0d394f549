/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_RECORD_DOORBELL_H
#define BF_PRELOAD_RECORD_DOORBELL_H

#include "preload/record/record.h"

/* What tells a doorbell from others; or a write, datamatch being its data. */
struct recorded_key {
	uint32_t vm;
	uint32_t len;
	uint32_t flags;
	uint64_t addr;
	uint64_t datamatch;
};

/* The kernel was told, and answered @ret. */
void record_install(uint32_t vm, const struct kvm_ioeventfd *arg, int ret);

/* A write that a doorbell took in user space. */
void record_ring(struct recorded_key *write, uint32_t vcpu);

#endif
