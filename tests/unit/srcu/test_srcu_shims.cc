// SPDX-License-Identifier: MIT
#include "test_srcu_shims.c"
