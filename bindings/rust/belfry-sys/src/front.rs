// SPDX-License-Identifier: MIT
//! belfry/front.h

use std::os::raw::{c_int, c_uint, c_ulong, c_void};

use crate::{bf_io_bus, bf_memslots, kvm_coalesced_mmio_zone, kvm_ioeventfd, kvm_run};

opaque! {
    bf_front;
    bf_front_vcpu;
}

pub type bf_policy = c_uint;
pub const BF_POLICY_LAZY: bf_policy = 0;
pub const BF_POLICY_FIRST_RUN: bf_policy = 1;
pub const BF_POLICY_NEVER: bf_policy = 2;
pub const BF_POLICY_EAGER: bf_policy = 3;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_front_config {
    pub policy: bf_policy,
    pub install_after: u32,
    pub quiet_ms: u32,
    pub zones_at_once: bool,
    pub bus: *mut bf_io_bus,
    pub memslots: *mut bf_memslots,
    pub reserved: [u64; 4],
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bf_front_stats {
    pub assigned: u64,
    pub deassigned: u64,
    pub never_installed: u64,
    pub installed: u64,
    pub refused: u64,
    pub signalled: u64,
    pub zones: u64,
    pub zones_installed: u64,
    pub install_after: u64,
    pub reserved: [u64; 4],
}

zero_default!(bf_front_config bf_front_stats);

extern "C" {
    pub fn bf_front_attach(
        vm_fd: c_int,
        config: *const bf_front_config,
        frontp: *mut *mut bf_front,
    ) -> c_int;
    pub fn bf_front_detach(front: *mut bf_front) -> c_int;
    pub fn bf_front_destroy(front: *mut bf_front);
    pub fn bf_front_bus(front: *const bf_front) -> *mut bf_io_bus;
    pub fn bf_front_start_thread(front: *mut bf_front) -> c_int;
    pub fn bf_front_attach_vcpu(
        front: *mut bf_front,
        vcpu_fd: c_int,
        run: *mut kvm_run,
        source: *mut c_void,
        vcpup: *mut *mut bf_front_vcpu,
    ) -> c_int;
    pub fn bf_front_detach_vcpu(vcpu: *mut bf_front_vcpu);
    pub fn bf_front_before_run(vcpu: *mut bf_front_vcpu);
    pub fn bf_front_after_run(vcpu: *mut bf_front_vcpu, ret: c_int) -> bool;
    pub fn bf_front_complete(vcpu: *mut bf_front_vcpu) -> c_int;
    pub fn bf_front_set_stepping(vcpu: *mut bf_front_vcpu, stepping: bool);
    pub fn bf_front_ioctl(front: *mut bf_front, request: c_ulong, arg: *mut c_void) -> c_int;
    pub fn bf_front_ioeventfd(front: *mut bf_front, arg: *const kvm_ioeventfd) -> c_int;
    pub fn bf_front_zone(
        front: *mut bf_front,
        request: c_ulong,
        zone: *const kvm_coalesced_mmio_zone,
    ) -> c_int;
    pub fn bf_front_call_begins(front: *mut bf_front, request: c_ulong);
    pub fn bf_front_call_ends(front: *mut bf_front, request: c_ulong);
    pub fn bf_front_install_all(front: *mut bf_front) -> c_int;
    pub fn bf_front_get_stats(front: *mut bf_front, stats: *mut bf_front_stats);
    pub fn bf_front_doorbell_signals(
        front: *mut bf_front,
        arg: *const kvm_ioeventfd,
        signals: *mut u64,
        installed: *mut bool,
    ) -> c_int;
}
