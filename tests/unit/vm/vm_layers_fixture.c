// SPDX-License-Identifier: MIT
/* A VM of all layers for each test. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "testing/trap/optional.h"
#include "vm_layers_fixture.h"

struct fixture fixture;
struct fixture_vcpu vcpu;
bool on_kvm;

static void ignore_signal(int sig)
{
}

/* There is nothing to pause: no vCPU runs while these tests change slots. */
static void do_nothing(void *opaque)
{
}

struct bf_vm_config config_of(const struct bf_engine_ops *engine)
{
	return (struct bf_vm_config){
		.engine = engine,
		.kick_signal = SIGUSR1,
		.pause = do_nothing,
		.resume = do_nothing,
	};
}

static int setup_engine(const struct bf_engine_ops *engine)
{
	const struct sigaction action = {.sa_handler = ignore_signal};
	const struct bf_vm_config config = config_of(engine);

	on_kvm = !engine;
	sigaction(SIGUSR1, &action, NULL);
	fixture_setup(&fixture, &config);
	fixture_add_vcpu(&fixture, &vcpu, 0);
	return 0;
}

int layers_setup_kvm(void **state)
{
	fixture.vm = NULL;
	return fixture_have_kvm() ? setup_engine(NULL) : 0;
}

int layers_setup_trap(void **state)
{
	fixture.vm = NULL;
	return trap_engine ? setup_engine(trap_engine) : 0;
}

/* bf_vm_destroy() destroys the remaining vCPUs. */
int layers_teardown(void **state)
{
	if (fixture.vm)
		fixture_teardown(&fixture);
	return 0;
}

struct bf_vcpus *table(void)
{
	if (!fixture.vm)
		skip();
	return bf_vm_vcpus(fixture.vm);
}
