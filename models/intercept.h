/* SPDX-License-Identifier: MIT */
/*
 * Maps the atomic builtins of the source that is included after this header to
 * the machine.
 */
#ifndef BF_MODELS_INTERCEPT_H
#define BF_MODELS_INTERCEPT_H

#include <string.h>

#include "machine.h"

#define memcpy(to, from, size) machine_copy((to), (from), (size))
#define memset(to, byte, size) machine_set((to), (byte), (size))

#define MACHINE_VALUE(value) ((uint64_t)(uintptr_t)(value))
/* A statement: its value may be left unused. */
#define MACHINE_TYPED(word, value) \
	({ (__typeof__(*(word)))(uintptr_t)(value); })

#define __atomic_load_n(word, order) \
	MACHINE_TYPED(word, machine_load_word((word), sizeof(*(word)), (order)))
#define __atomic_store_n(word, value, order)                              \
	machine_store_word((word), sizeof(*(word)), MACHINE_VALUE(value), \
			   (order))
#define __atomic_exchange_n(word, value, order)                        \
	MACHINE_TYPED(word, machine_swap_word((word), sizeof(*(word)), \
					      MACHINE_VALUE(value), (order)))
#define __atomic_fetch_add(word, value, order)                        \
	MACHINE_TYPED(word, machine_add_word((word), sizeof(*(word)), \
					     MACHINE_VALUE(value), (order)))
#define __atomic_add_fetch(word, value, order) \
	(__atomic_fetch_add(word, value, order) + (value))
#define __atomic_fetch_sub(word, value, order) \
	__atomic_fetch_add(word, -(value), order)
#define __atomic_fetch_or(word, value, order)                        \
	MACHINE_TYPED(word, machine_or_word((word), sizeof(*(word)), \
					    MACHINE_VALUE(value), (order)))
#define __atomic_fetch_and(word, value, order)                        \
	MACHINE_TYPED(word, machine_and_word((word), sizeof(*(word)), \
					     MACHINE_VALUE(value), (order)))
#define __atomic_compare_exchange_n(word, old, value, weak, order, order2)     \
	machine_cas_word((word), sizeof(*(word)), (old), MACHINE_VALUE(value), \
			 (order), (order2))
#define __atomic_thread_fence(order) machine_fence(order)

#endif
