/* SPDX-License-Identifier: MIT */
/* A guest that rings, what answers it, and who counts. */
#ifndef BF_CLI_BELL_H
#define BF_CLI_BELL_H

#include <stdbool.h>
#include <stdint.h>

#include "belfry/vm.h"

enum bell_kind {
	BELL_DEVICE, /* a device in user space, whose handler signals */
	BELL_KERNEL, /* a doorbell that the kernel has */
	BELL_LAZY,   /* one that it is given while the guest rings */
	BELL_BELFRY, /* a doorbell on the VM's own bus */
};

struct bell_desc {
	enum bell_kind kind;
	bool pio;
	uint32_t len; /* of the doorbell; the guest writes 4 bytes */
};

struct bell;

/* A virtual machine of its own.  0 or a negative errno. */
int bell_create(struct bell **bellp, const struct bell_desc *desc,
		enum bf_engine engine);

void bell_destroy(struct bell *bell);

/*
 * Rings count times (below 2^32): the time until the guest is done, and how
 * many rings the consumer saw.  0 or a negative errno; -EPROTO: a ring was
 * answered by another than was asked for.
 */
int bell_ring(struct bell *bell, unsigned long count, uint64_t *ns,
	      uint64_t *events);

/* The same while nobody waits for the eventfd: what a ring alone costs. */
int bell_ring_unheard(struct bell *bell, unsigned long count, uint64_t *ns,
		      uint64_t *events);

#endif
