// SPDX-License-Identifier: MIT
/* KVM's limits on x86-64. */
#include <errno.h>

#include "memslots/host.h"

const uint32_t bf_host_slots = 32764; /* 32,767, and three of KVM's own */

const int bf_host_beyond_gpa = -EINVAL;

const uint64_t bf_host_no_user = 1ULL << 63;

/* 47 bits; the kernel keeps the last page free. */
uint64_t bf_host_least_hva_end(uint64_t page)
{
	return (1ULL << 47) - page;
}
