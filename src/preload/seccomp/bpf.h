/* SPDX-License-Identifier: MIT */
/* Runs a seccomp filter on a system call of which some arguments are unknown. */
#ifndef BF_PRELOAD_BPF_H
#define BF_PRELOAD_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * False: the kernel refuses the filter, because it has no instruction or too
 * many, or jumps out of itself.  True says nothing about other reasons.
 */
bool bpf_is_sane(const struct sock_fprog *filter);

/* A system call.  Bit n of @known: args[n] is known. */
struct bpf_call {
	uint32_t nr;
	uint32_t known;
	uint64_t args[6];
};

/*
 * Calls @accepts for the action that a sane filter takes, or, if the action
 * depends on unknown data, for each action that it may take.
 */
enum bpf_answer {
	BPF_ACCEPTED, /* in any case */
	BPF_DEPENDS,  /* perhaps */
	BPF_REFUSED,  /* never */
};
enum bpf_answer bpf_ask(const struct sock_fprog *filter,
			const struct bpf_call *call,
			bool (*accepts)(uint32_t action, const void *opaque),
			const void *opaque);

#endif
