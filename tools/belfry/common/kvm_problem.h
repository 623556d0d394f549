/* SPDX-License-Identifier: MIT */
/* Parts of cli_kvm_problem().  A test can call them for any machine. */
#ifndef BF_CLI_KVM_PROBLEM_H
#define BF_CLI_KVM_PROBLEM_H

/* err is the positive errno of open("/dev/kvm"). */
const char *kvm_open_problem(int err);

/* version is the result of KVM_GET_API_VERSION; NULL if it is right. */
const char *kvm_api_problem(int version);

#endif
