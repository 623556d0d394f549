// SPDX-License-Identifier: MIT
//! belfry/vm.h

use std::os::raw::{c_char, c_int, c_ulong, c_void};

use crate::{
    bf_front, bf_front_vcpu, bf_io_bus, bf_memslots, bf_memslots_pause_fn, bf_policy,
    bf_vcpu_entry, bf_vcpus, kvm_coalesced_mmio_ring, kvm_run,
};

opaque! {
    bf_vm;
    bf_vcpu;
    bf_engine_ops;
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_vm_config {
    pub engine: *const bf_engine_ops,
    pub engine_config: *const c_void,
    pub policy: bf_policy,
    pub kvm_path: *const c_char,
    pub install_after: u32,
    pub quiet_ms: u32,
    pub zones_at_once: bool,
    pub kick_signal: c_int,
    pub pause: bf_memslots_pause_fn,
    pub resume: bf_memslots_pause_fn,
    pub opaque: *mut c_void,
    pub vm_type: u64,
    pub reserved: [u64; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_vcpu_boot64_desc {
    pub rip: u64,
    pub rsp: u64,
    pub args: [u64; 6],
    pub page_tables: u64,
    pub page_tables_hva: *mut c_void,
    pub reserved: [u64; 4],
}

zero_default!(bf_vm_config bf_vcpu_boot64_desc);

extern "C" {
    pub fn bf_vm_create(config: *const bf_vm_config, vmp: *mut *mut bf_vm) -> c_int;
    pub fn bf_vm_destroy(vm: *mut bf_vm);
    pub fn bf_vm_ioctl(vm: *mut bf_vm, request: c_ulong, arg: *mut c_void) -> c_int;
    pub fn bf_vm_fd(vm: *mut bf_vm) -> c_int;
    pub fn bf_vm_bus(vm: *mut bf_vm) -> *mut bf_io_bus;
    pub fn bf_vm_memslots(vm: *mut bf_vm) -> *mut bf_memslots;
    pub fn bf_vm_vcpus(vm: *mut bf_vm) -> *mut bf_vcpus;
    pub fn bf_vm_front(vm: *mut bf_vm) -> *mut bf_front;
    pub fn bf_vm_guest_addr(vm: *mut bf_vm, gpa: u64) -> u64;
    pub fn bf_vcpu_create(vm: *mut bf_vm, id: c_ulong, vcpup: *mut *mut bf_vcpu) -> c_int;
    pub fn bf_vcpu_destroy(vcpu: *mut bf_vcpu);
    pub fn bf_vcpu_of(entry: *mut bf_vcpu_entry) -> *mut bf_vcpu;
    pub fn bf_vcpu_get_entry(vcpu: *mut bf_vcpu) -> *mut bf_vcpu_entry;
    pub fn bf_vcpu_fd(vcpu: *const bf_vcpu) -> c_int;
    pub fn bf_vcpu_front(vcpu: *mut bf_vcpu) -> *mut bf_front_vcpu;
    pub fn bf_vcpu_page(vcpu: *const bf_vcpu) -> *mut kvm_run;
    pub fn bf_vcpu_page_size(vcpu: *const bf_vcpu) -> usize;
    pub fn bf_vcpu_coalesced_ring(
        vcpu: *const bf_vcpu,
        entriesp: *mut u32,
    ) -> *mut kvm_coalesced_mmio_ring;
    pub fn bf_vcpu_boot64(vcpu: *mut bf_vcpu, desc: *const bf_vcpu_boot64_desc) -> c_int;
    pub fn bf_vcpu_run(vcpu: *mut bf_vcpu) -> c_int;
}
