/* SPDX-License-Identifier: MIT */
/* Parts of cli_kvm_problem().  A test can call them for any machine. */
#ifndef BF_CLI_KVM_PROBLEM_H
#define BF_CLI_KVM_PROBLEM_H

/* err is the positive errno of open("/dev/kvm"). */
const char *kvm_open_problem(int err);

/* Returns NULL if version, of KVM_GET_API_VERSION, is the right one. */
const char *kvm_api_problem(int version);

#endif
