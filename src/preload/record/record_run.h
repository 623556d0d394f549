/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_RECORD_RUN_H
#define BF_PRELOAD_RECORD_RUN_H

/* In the child of a fork: its KVM_RUN calls are not its parent's. */
void record_forget_run(void);

#endif
