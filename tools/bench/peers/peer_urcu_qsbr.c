// SPDX-License-Identifier: MIT
#define _LGPL_SOURCE /* inline readers */
#define PEER_QSBR
#include <urcu-qsbr.h>

#define PEER_NAME   "liburcu qsbr"
#define PEER_SYMBOL peer_urcu_qsbr
#include "peer_urcu.h"
