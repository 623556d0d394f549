// SPDX-License-Identifier: MIT
/* The list of buses. */
#include "tools/bench/peers/bus_peer.h"

const struct bus_peer *const bus_peers[] = {
	&bus_interval_mutex,
	&bus_rbtree_rwlock,
	&bus_array_rwlock,
	&bus_array_bare,
	NULL,
};
