// SPDX-License-Identifier: MIT
/* Where no guest program is known how to be started. */
#include <errno.h>

#include "vm/kvm.h"

int bf_kvm_boot64(int fd, const struct bf_vcpu_boot64 *boot)
{
	return -ENOTSUP;
}
