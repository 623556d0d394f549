/* SPDX-License-Identifier: MIT */
/* A front alone, and vCPUs whose exits only it answers. */
#ifndef BF_TESTS_FRONT_FIXTURE_H
#define BF_TESTS_FRONT_FIXTURE_H

#include "tests/unit/vm/vm_fixture.h"
#include "vm/front.h"

#define FRONT_VCPUS 2

struct ringer {
	struct fixture_vcpu *vcpu;
	pthread_t thread;
	int started;
	unsigned int leaked; /* exits that the front did not claim */
};

struct front_fixture {
	struct fixture fixture; /* vm is NULL where there is no KVM */
	struct fixture_vcpu vcpus[FRONT_VCPUS];
	struct ringer ringers[FRONT_VCPUS];
	struct bf_front *front;
	int efd;
};

/* Skips the test where there is no KVM. */
void front_setup(struct front_fixture *f, const struct bf_front_config *config);
void front_teardown(struct front_fixture *f);

/* A doorbell of 4 bytes at FIXTURE_WINDOW. */
struct kvm_ioeventfd front_doorbell(const struct front_fixture *f,
				    uint32_t flags);
void front_assign(struct front_fixture *f);
void front_deassign(struct front_fixture *f);

/* What an eventfd counted since it was last asked. */
uint64_t front_taken(int efd);

/* All vCPUs write to FIXTURE_WINDOW, so often each, on threads of their own. */
void front_start_ringing(struct front_fixture *f, unsigned int rings);

/* Returns how many writes the front did not claim. */
unsigned int front_join_ringers(struct front_fixture *f);

/* The first vCPU alone, here. */
unsigned int front_ring(struct front_fixture *f, unsigned int rings);

/* 0 or a negative errno, as of bf_front_zone(). */
int front_zone(struct front_fixture *f, unsigned long request, uint64_t addr,
	       uint32_t size);

struct bf_vm_stats front_stats(struct front_fixture *f);

/* Sleeps until so many doorbells, or zones, were given to the kernel. */
void front_wait_installed(struct front_fixture *f, uint64_t count);
void front_wait_zones_installed(struct front_fixture *f, uint64_t count);

#endif
