// SPDX-License-Identifier: MIT
/* Creation and destruction of a table. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "vcpus/vcpus.h"

static uint64_t limit_or_max(uint64_t limit, uint64_t max)
{
	return limit && limit < max ? limit : max;
}

static void table_init(struct bf_vcpus *vcpus,
		       const struct bf_vcpus_config *config)
{
	memset(vcpus, 0, sizeof(*vcpus));
	pthread_mutex_init(&vcpus->lock, NULL);
	vcpus->free_index = BF_VCPUS_NO_INDEX;
	vcpus->srcu = config->srcu ? config->srcu : &vcpus->private_srcu;
	vcpus->max_ids = limit_or_max(config->max_ids, BF_VCPUS_MAX);
	vcpus->max_vcpus = limit_or_max(config->max_vcpus, BF_VCPUS_NO_INDEX);
	vcpus->flags = config->flags;
}

static void table_free(struct bf_vcpus *vcpus)
{
	bf_sparse_free(&vcpus->by_index);
	bf_sparse_free(&vcpus->by_id);
	pthread_mutex_destroy(&vcpus->lock);
	free(vcpus);
}

int bf_vcpus_create(const struct bf_vcpus_config *config,
		    struct bf_vcpus **vcpusp)
{
	static const struct bf_vcpus_config zero;
	struct bf_vcpus *vcpus;

	if (!config)
		config = &zero;
	if (config->flags & ~BF_VCPUS_REUSE_INDEX ||
	    !bf_reserved_is_zero(config->reserved))
		return -EINVAL;
	if (posix_memalign((void **)&vcpus, __alignof__(*vcpus),
			   sizeof(*vcpus)))
		return -ENOMEM;
	table_init(vcpus, config);
	if (!config->srcu && init_srcu_struct(&vcpus->private_srcu)) {
		table_free(vcpus);
		return -ENOMEM;
	}
	*vcpusp = vcpus;
	return 0;
}

void bf_vcpu_entry_release(struct bf_vcpu_entry *entry)
{
	if (entry->ops && entry->ops->release)
		entry->ops->release(entry);
}

static void release_all(struct bf_vcpus *vcpus)
{
	struct bf_vcpu_entry *entry;
	struct bf_vcpus_iter iter;

	bf_vcpus_iter_begin(&iter, vcpus, 0, UINT64_MAX);
	while ((entry = bf_vcpus_iter_next(&iter)))
		bf_vcpu_entry_release(entry);
}

void bf_vcpus_destroy(struct bf_vcpus *vcpus)
{
	if (!vcpus)
		return;
	srcu_barrier(vcpus->srcu);
	release_all(vcpus);
	if (vcpus->srcu == &vcpus->private_srcu)
		cleanup_srcu_struct(&vcpus->private_srcu);
	table_free(vcpus);
}

struct srcu_struct *bf_vcpus_srcu(struct bf_vcpus *vcpus)
{
	return vcpus->srcu;
}
