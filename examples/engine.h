/* SPDX-License-Identifier: MIT */
/* Creates a VM on the engine that the command line names, or on any engine. */
#ifndef BF_EXAMPLES_ENGINE_H
#define BF_EXAMPLES_ENGINE_H

#include <belfry/vm.h>

#include "example.h"

#define EXIT_SKIPPED 77 /* a test harness counts this as skipped */

/*
 * The trap engine is in the source tree but not in the installed library.
 * Without it these programs need KVM.
 */
#if __has_include("testing/trap/optional.h")
#include "testing/trap/optional.h"
#else
static const struct bf_engine_ops *const trap_engine;
#endif

static inline struct bf_vm *create_vm_on(const struct bf_engine_ops *engine)
{
	/* Zero is a good default for all other members. */
	const struct bf_vm_config config = {.engine = engine};
	struct bf_vm *vm = NULL;
	int ret = bf_vm_create(&config, &vm);
	const char *name = engine ? "trap" : "kvm";

	if (ret)
		fprintf(stderr, "no VM on engine %s: %s\n", name,
			strerror(-ret));
	else
		printf("engine: %s\n", name);
	return vm;
}

/*
 * KVM runs the guest if there is /dev/kvm.  Otherwise the trap engine runs it
 * as a thread of this process, and its accesses to devices fault.
 */
static inline struct bf_vm *create_vm(int argc, char **argv)
{
	const char *wanted = argc == 3 ? argv[2] : "";
	const bool kvm = argc == 1 || !strcmp(wanted, "kvm");
	const bool trap = trap_engine && (argc == 1 || !strcmp(wanted, "trap"));
	struct bf_vm *vm = NULL;

	setvbuf(stdout, NULL, _IOLBF,
		BUFSIZ); /* lines in order, also in a pipe */
	if ((argc == 3 && strcmp(argv[1], "--engine")) || !(kvm || trap)) {
		fprintf(stderr, "usage: %s [--engine kvm%s]\n", argv[0],
			trap_engine ? "|trap" : "");
		exit(2);
	}
	if (kvm)
		vm = create_vm_on(NULL);
	if (!vm && trap)
		vm = create_vm_on(trap_engine);
	if (!vm)
		exit(EXIT_SKIPPED);
	return vm;
}

/*
 * Runs guest code until an exit that the bus does not handle.  -EINTR means a
 * signal or a kick, and loses no exit.  While immediate_exit is set, every run
 * returns -EINTR at once, so clear it.
 */
static inline struct kvm_run *run_vcpu(struct bf_vcpu *vcpu)
{
	struct kvm_run *run = bf_vcpu_page(vcpu);
	int ret;

	while ((ret = bf_vcpu_run(vcpu)) == -EINTR)
		__atomic_exchange_n(&run->immediate_exit, 0, __ATOMIC_ACQUIRE);
	must(ret, "run");
	return run;
}

#endif
