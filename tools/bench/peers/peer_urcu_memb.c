// SPDX-License-Identifier: MIT
#define _LGPL_SOURCE /* inline readers */
#define RCU_MEMB
#include <urcu.h>

#define PEER_NAME   "liburcu memb"
#define PEER_SYMBOL peer_urcu_memb
#include "peer_urcu.h"
