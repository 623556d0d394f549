// SPDX-License-Identifier: MIT
/* No guest program for this architecture. */
#include "front/calibrate_guest.h"

bool bf_calibrate_add_vcpu(struct calibrate_vm *vm)
{
	return true;
}

uint64_t bf_calibrate_run(struct calibrate_vm *vm)
{
	return 0;
}
