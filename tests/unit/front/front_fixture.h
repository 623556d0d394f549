/* SPDX-License-Identifier: MIT */
/* A front by itself on the descriptor of a VM, and vCPUs that exit to it. */
#ifndef BF_TESTS_FRONT_FIXTURE_H
#define BF_TESTS_FRONT_FIXTURE_H

#include "tests/unit/vm/vm_fixture.h"
#include "front/front.h"

#define FRONT_VCPUS 2

struct writer {
	struct fixture_vcpu *vcpu;
	pthread_t thread;
	int started;
	unsigned int unclaimed; /* exits that the front did not claim */
};

struct front_fixture {
	struct fixture fixture; /* vm is NULL where there is no KVM */
	struct fixture_vcpu vcpus[FRONT_VCPUS];
	struct bf_front_vcpu *runs[FRONT_VCPUS];
	struct bf_front_vcpu *idle; /* no thread runs it */
	struct writer writers[FRONT_VCPUS];
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

/* Reads an eventfd: the number of signals since the last call. */
uint64_t front_taken(int efd);

/* Installs what is pending, as before a KVM_RUN of a vCPU that no thread runs. */
void front_install(struct front_fixture *f);

/* Each vCPU writes to FIXTURE_WINDOW @writes times, in its own thread. */
void front_start_writers(struct front_fixture *f, unsigned int writes);

/* Joins the threads; returns the number of writes that the front left over. */
unsigned int front_join_writers(struct front_fixture *f);

/* The same for the first vCPU alone, in the calling thread. */
unsigned int front_write(struct front_fixture *f, unsigned int writes);

/* Returns the result of bf_front_zone(). */
int front_zone(struct front_fixture *f, unsigned long request, uint64_t addr,
	       uint32_t size);

struct bf_front_stats front_stats(struct front_fixture *f);

/* Sleep until @count doorbells, or zones, have been installed. */
void front_wait_installed(struct front_fixture *f, uint64_t count);
void front_wait_zones_installed(struct front_fixture *f, uint64_t count);

#endif
