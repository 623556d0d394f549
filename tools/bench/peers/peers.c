// SPDX-License-Identifier: MIT
/* The list of RCU implementations. */
#include "peer.h"

extern const struct peer peer_urcu_memb, peer_urcu_mb, peer_urcu_qsbr,
	peer_urcu_bp, peer_ck_epoch;

const struct peer *const peers[] = {
#ifdef HAVE_URCU
	&peer_urcu_memb,
	&peer_urcu_mb,
	&peer_urcu_qsbr,
	&peer_urcu_bp,
#endif
#ifdef HAVE_CK
	&peer_ck_epoch,
#endif
	NULL,
};
