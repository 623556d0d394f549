// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include <belfry/srcu.h>

/*
 * A configuration that is replaced while it is read:
 */
struct config {
	int timeout;
};

DEFINE_STATIC_SRCU(domain);
static struct config *current; /* never NULL */

int timeout(void)
{
	int idx = srcu_read_lock(&domain);
	int value = srcu_dereference(current, &domain)->timeout;

	srcu_read_unlock(&domain, idx);
	return value;
}

void replace(struct config *new)
{
	struct config *old = current;

	srcu_assign_pointer(current, new);
	synchronize_srcu_expedited(&domain);
	free(old);
}
