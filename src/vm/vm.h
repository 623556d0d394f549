/* SPDX-License-Identifier: MIT */
/* A VM and its vCPUs, as the files of this layer and an engine see them. */
#ifndef BF_VM_VM_H
#define BF_VM_VM_H

#include "belfry/vm.h"
#include "front/front.h"
#include "vm/engine.h"

struct bf_vm {
	const struct bf_engine_ops *engine;
	void *engine_data;
	int fd; /* of KVM; -1: the engine has none */
	struct bf_io_bus *bus;
	struct bf_front *front;
	bool fd_is_out; /* and no vCPU of the table exists since */
	struct bf_memslots *memslots;
	struct bf_vcpus *vcpus;
};

struct bf_vcpu {
	struct bf_vcpu_entry entry;
	struct bf_vm *vm;
	struct bf_front_vcpu *front;
	bool own_loop; /* the caller runs it by its own KVM_RUN */
	void *engine_data;
	int fd; /* of KVM; -1: the engine has none */
	struct kvm_run *page;
	size_t page_size;		      /* in bytes */
	struct kvm_coalesced_mmio_ring *ring; /* NULL: none */
	uint32_t ring_entries;
};

#endif
