/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_FORK_H
#define BF_PRELOAD_FORK_H

#include <stdbool.h>

/* In a child with a copy of its parent's memory; see process.h. */
void fork_forget_parent(bool raw);

#endif
