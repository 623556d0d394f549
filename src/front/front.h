/* SPDX-License-Identifier: MIT */
/*
 * The front of a VM.  It answers KVM_IOEVENTFD and the coalesced zone calls in
 * place of the kernel, gives doorbells and zones to the kernel when the policy
 * says so, and signals a doorbell itself when the write comes out as an exit.
 *
 * belfry/vm.h and the preload library use it.  It calls the kernel through
 * syscall(2), because ioctl() may be the preload library's.  doc/front.md
 * explains how it works.
 */
#ifndef BF_FRONT_H
#define BF_FRONT_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "belfry/front.h"
#include "belfry/io_bus.h"

struct bf_front;

/* As in struct bf_vm_config, which documents units and defaults. */
struct bf_front_config {
	enum bf_policy policy;
	uint32_t install_after;
	uint32_t quiet_ms;
	bool zones_at_once;
};

/* Counters, as in struct bf_vm_stats. */
struct bf_front_stats {
	uint64_t assigned;
	uint64_t deassigned;
	uint64_t never_installed;
	uint64_t installed;
	uint64_t refused;
	uint64_t signalled;
	uint64_t zones;
	uint64_t zones_installed;
};

/*
 * The caller owns vm_fd and keeps it open until bf_front_stop() has returned.
 * vm_fd -1 is a VM that has no kernel behind it: its doorbells stay in user
 * space.  The caller owns bus, too; if bus is NULL, the front creates one for
 * doorbells alone.
 * 0 or -ENOMEM.
 */
int bf_front_create(int vm_fd, const struct bf_front_config *config,
		    struct bf_io_bus *bus, struct bf_front **frontp);

/*
 * The front installs nothing from now on, and does not use vm_fd any more.
 * Sleeps until an install in progress has ended: microseconds if no other call
 * changes the VM.  Once per boot it may sleep until the calibration has ended.
 */
void bf_front_stop(struct bf_front *front);

/*
 * Stops the front and frees it.  The kernel frees its own doorbells when the VM
 * closes.  Doorbells on a bus of the caller's stay there, so the caller must
 * destroy that bus next.
 */
void bf_front_destroy(struct bf_front *front);

/*
 * KVM_IOEVENTFD.  Returns 0 or the negative errno that the kernel would return.
 * Waits for a grace period of the kernel only if the kernel has the doorbell
 * that the call removes, or if the policy is eager.  Any thread may call it.
 */
int bf_front_ioeventfd(struct bf_front *front, const struct kvm_ioeventfd *arg);

/*
 * For a caller that passed the removal of a doorbell to the kernel itself, which
 * returned @ret.  The front drops the doorbell, too.  If the kernel has refused
 * the doorbell before, only the front has it, and the removal succeeds here.
 * The front finds the doorbell without its eventfd: no other doorbell can have
 * the same address, length and datamatch.  Returns the result of the removal.
 */
int bf_front_note_removal(struct bf_front *front,
			  const struct kvm_ioeventfd *arg, int ret);

/*
 * KVM_REGISTER_COALESCED_MMIO or KVM_UNREGISTER_COALESCED_MMIO (request).
 * Returns 0 or the negative errno that the kernel would return.  Waits for a
 * grace period of the kernel only if it removes a zone that the kernel has.
 */
int bf_front_zone(struct bf_front *front, unsigned long request,
		  const struct kvm_coalesced_mmio_zone *zone);

/*
 * Before and after any other call on the VM.  If the call may hold the kernel's
 * slots_lock for long or wait for a grace period (memory slots, vCPUs, devices,
 * ...), the front installs nothing beside it and for a while after it.
 */
void bf_front_call_begins(struct bf_front *front, uint32_t request);
void bf_front_call_ends(struct bf_front *front, uint32_t request);

/*
 * Before each KVM_RUN of any vCPU: installs doorbells and zones if the policy
 * says so.  One load if there is nothing to install.
 */
void bf_front_before_run(struct bf_front *front);

/*
 * After KVM_RUN has returned, and before any other code reads the exit.  Offers
 * an MMIO or PIO exit to the bus; handlers get @source in the access.  True:
 * the bus handled it, the data of a read is in the page, and the next KVM_RUN
 * completes the instruction.  False: the bus did not take it or its handler
 * failed, and the caller handles the exit.
 */
bool bf_front_exit(struct bf_front *front, struct kvm_run *run, void *source);

/*
 * Installs everything that is pending, and from now on every doorbell and zone
 * in the call that registers it.  For a VM of which the front cannot see every
 * exit.
 */
void bf_front_install_all(struct bf_front *front);

/*
 * True if the last install is so recent that its grace period may still be
 * pending in the kernel.  Closing the VM then sleeps until it has ended.
 */
bool bf_front_has_pending_gp(const struct bf_front *front);

/* Any thread may call it at any time. */
void bf_front_get_stats(struct bf_front *front, struct bf_front_stats *stats);

#endif
