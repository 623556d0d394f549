// SPDX-License-Identifier: MIT
//! The structures of <linux/kvm.h> that belfry takes

use std::os::raw::c_void;

opaque! {
    /// The run page of a vCPU, which the kernel defines.
    kvm_run;
    /// A ring of coalesced writes.
    kvm_coalesced_mmio_ring;
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct kvm_ioeventfd {
    pub datamatch: u64,
    pub addr: u64,
    pub len: u32,
    pub fd: i32,
    pub flags: u32,
    pub pad: [u8; 36],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct kvm_coalesced_mmio_zone {
    pub addr: u64,
    pub size: u32,
    /// The union of `pad` and `pio`.
    pub pio: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct kvm_coalesced_mmio {
    pub phys_addr: u64,
    pub len: u32,
    /// The union of `pad` and `pio`.
    pub pio: u32,
    pub data: [u8; 8],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct kvm_userspace_memory_region {
    pub slot: u32,
    pub flags: u32,
    pub guest_phys_addr: u64,
    pub memory_size: u64,
    pub userspace_addr: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct kvm_userspace_memory_region2 {
    pub slot: u32,
    pub flags: u32,
    pub guest_phys_addr: u64,
    pub memory_size: u64,
    pub userspace_addr: u64,
    pub guest_memfd_offset: u64,
    pub guest_memfd: u32,
    pub pad1: u32,
    pub pad2: [u64; 14],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct kvm_dirty_log {
    pub slot: u32,
    pub padding1: u32,
    /// The union of `dirty_bitmap` and `padding2`.
    pub dirty_bitmap: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct kvm_clear_dirty_log {
    pub slot: u32,
    pub num_pages: u32,
    pub first_page: u64,
    /// The union of `dirty_bitmap` and `padding2`.
    pub dirty_bitmap: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct iovec {
    pub iov_base: *mut c_void,
    pub iov_len: usize,
}

zero_default!(kvm_ioeventfd kvm_coalesced_mmio_zone kvm_coalesced_mmio
    kvm_userspace_memory_region kvm_userspace_memory_region2 kvm_dirty_log kvm_clear_dirty_log
    iovec);
