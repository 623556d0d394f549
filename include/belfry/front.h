/* SPDX-License-Identifier: MIT */
/**
 * belfry/front.h - when the kernel gets a doorbell or a coalesced zone
 *
 * The front answers KVM_IOEVENTFD and the coalesced zone calls of a VM in user
 * space, and installs doorbells and zones in the kernel when its policy says
 * so.  Until the kernel has a doorbell, a guest write to it comes out as an
 * exit; the front signals the eventfd, and the guest goes on.
 *
 * The front is part of a VM (belfry/vm.h) and of `belfry run`.  Its functions
 * are private; this header has the settings that both expose.
 *
 * Stability: 0.x; names may still change, each change is in CHANGELOG.md.
 */
#ifndef BELFRY_FRONT_H
#define BELFRY_FRONT_H

#ifdef __cplusplus
extern "C" {
#endif

/** When the kernel gets a doorbell or a coalesced zone. */
enum bf_policy {
	/**
	 * After the doorbell was signalled so often that the install pays for
	 * itself, and in a moment in which no call changes the VM.  A helper
	 * thread of the front installs; the thread starts when it is first
	 * needed.  The default.
	 */
	BF_POLICY_LAZY,
	/** At the first KVM_RUN; later ones at the next KVM_RUN of any vCPU. */
	BF_POLICY_FIRST_RUN,
	/**
	 * Never, except for a doorbell inside a zone that the kernel has: the
	 * zone would take the doorbell's writes.
	 */
	BF_POLICY_NEVER,
	/**
	 * In the call itself, and the front keeps nothing.  For comparison, and
	 * for a program that expects EPOLLHUP when it closes an eventfd.
	 */
	BF_POLICY_EAGER,
};

#ifdef __cplusplus
}
#endif

#endif /* BELFRY_FRONT_H */
