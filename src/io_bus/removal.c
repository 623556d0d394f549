// SPDX-License-Identifier: MIT
#include "io_bus/removal.h"
#include "util.h"

void bf_removal_complete(struct bf_removal *removal)
{
	bf_io_done_fn done = removal->done;
	void *opaque = removal->opaque;

	removal->free(removal);
	if (done)
		done(opaque);
}

static void complete(struct srcu_head *head)
{
	bf_removal_complete(container_of(head, struct bf_removal, head));
}

void bf_removal_defer(struct bf_removal *removal, bf_io_done_fn done,
		      void *opaque)
{
	removal->done = done;
	removal->opaque = opaque;
	bf_io_defer(removal->bus, &removal->head, complete);
}
