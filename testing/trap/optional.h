/* SPDX-License-Identifier: MIT */
/* The trap engine, or NULL on a processor for which there is none. */
#ifndef BF_TRAP_OPTIONAL_H
#define BF_TRAP_OPTIONAL_H

#include "belfry/vm.h"

#ifdef BF_HAVE_TRAP
#include "testing/trap/trap.h"
static const struct bf_engine_ops *const trap_engine = &bf_trap_engine;
#else
static const struct bf_engine_ops *const trap_engine;
#endif

#endif
