/* SPDX-License-Identifier: MIT */
/* The parts of cli_kvm_problem(), which a test can ask for any machine. */
#ifndef BF_CLI_KVM_PROBLEM_H
#define BF_CLI_KVM_PROBLEM_H

/* err: why /dev/kvm could not be opened, positive. */
const char *kvm_open_problem(int err);

/* version: what KVM_GET_API_VERSION returned; NULL when it is the right one. */
const char *kvm_api_problem(int version);

#endif
