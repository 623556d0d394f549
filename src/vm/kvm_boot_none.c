// SPDX-License-Identifier: MIT
/* There is no guest program for this architecture. */
#include <errno.h>

#include "vm/kvm.h"

int bf_kvm_boot64(int fd, const struct bf_vcpu_boot64_desc *desc)
{
	return -ENOTSUP;
}
