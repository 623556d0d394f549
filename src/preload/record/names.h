/* SPDX-License-Identifier: MIT */
/* Tables of the names of ioctls. */
#ifndef BF_PRELOAD_NAMES_H
#define BF_PRELOAD_NAMES_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

struct call_name {
	uint32_t key;
	const char *name;
};

/* clang-format off */
#define NAME(request) { (uint32_t)(request), #request }
/* clang-format on */

/* names_*.c: the ioctls of this processor alone. */
extern const struct call_name arch_names[];
extern const size_t nr_arch_names;

#endif
