/* SPDX-License-Identifier: MIT */
/* Grace periods that calls of aarch64 leave, and wait for. */
#include "preload/record/internal.h"

bool gp_arch_waits(uint32_t key)
{
	return false;
}

/* An interrupt controller registers its devices by calls on its descriptor. */
int gp_arch_of(uint32_t key)
{
	return -1;
}
