// SPDX-License-Identifier: MIT
/* KVM's limits on aarch64. */
#include <errno.h>

#include "memslots/host.h"

const uint32_t bf_host_slots = 32767;

const int bf_host_beyond_gpa = -EFAULT;

/* The kernel ignores the byte above bit 55, which may be a tag. */
const uint64_t bf_host_no_user = 1ULL << 55;

uint64_t bf_host_least_hva_end(uint64_t page)
{
	return 1ULL << 48;
}
