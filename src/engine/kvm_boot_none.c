// SPDX-License-Identifier: MIT
/* Where no guest program is known how to be started. */
#include <errno.h>

#include "engine/kvm.h"

int bf_kvm_boot64(struct bf_vcpu *vcpu, const struct bf_vcpu_boot64 *boot)
{
	return -ENOTSUP;
}
