// SPDX-License-Identifier: MIT
#include "peer.h"

extern const struct peer peer_urcu_memb, peer_urcu_mb, peer_urcu_qsbr,
	peer_urcu_bp, peer_ck_epoch;

/* liburcu memb first: the one that goals are about. */
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
