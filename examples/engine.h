/* SPDX-License-Identifier: MIT */
/* A VM on the engine that the command line names, or on one that works. */
#ifndef BF_EXAMPLES_ENGINE_H
#define BF_EXAMPLES_ENGINE_H

#include <belfry/vm.h>

#include "example.h"

#define EXIT_SKIPPED 77 /* what a test harness takes for "not here" */

static inline struct bf_vm *create_vm_on(enum bf_engine engine)
{
	/* All else that is zero is a good default. */
	const struct bf_vm_config config = {.engine = engine};
	struct bf_vm *vm = NULL;
	int ret = bf_vm_create(&vm, &config);
	const char *name = engine == BF_ENGINE_KVM ? "kvm" : "trap";

	if (ret)
		fprintf(stderr, "no VM on engine %s: %s\n", name,
			strerror(-ret));
	else
		printf("engine: %s\n", name);
	return vm;
}

/*
 * KVM runs the guest where /dev/kvm is; elsewhere the trap engine runs it as a
 * thread of this process, whose accesses to devices fault.
 */
static inline struct bf_vm *create_vm(int argc, char **argv)
{
	const char *wanted = argc == 3 ? argv[2] : "";
	const bool kvm = argc == 1 || !strcmp(wanted, "kvm");
	const bool trap = argc == 1 || !strcmp(wanted, "trap");
	struct bf_vm *vm = NULL;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* in order, in a pipe too */
	if ((argc == 3 && strcmp(argv[1], "--engine")) || !(kvm || trap)) {
		fprintf(stderr, "usage: %s [--engine kvm|trap]\n", argv[0]);
		exit(2);
	}
	if (kvm)
		vm = create_vm_on(BF_ENGINE_KVM);
	if (!vm && trap)
		vm = create_vm_on(BF_ENGINE_TRAP);
	if (!vm)
		exit(EXIT_SKIPPED);
	return vm;
}

/* Runs guest code until an exit that the bus leaves to the caller. */
static inline struct kvm_run *run_vcpu(struct bf_vcpu *vcpu)
{
	int ret;

	do
		ret = bf_vcpu_run(vcpu);
	while (ret == -EINTR); /* a signal: nothing is lost */
	must(ret, "run");
	return bf_vcpu_page(vcpu);
}

#endif
