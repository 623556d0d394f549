// SPDX-License-Identifier: MIT
//! What needs no guest; `examples/kvm_vmm.rs` runs one.

use belfry::front::{Config, Front};
use belfry::Error;
use std::fs::File;
use std::os::raw::{c_int, c_ulong};
use std::os::unix::io::{AsRawFd, FromRawFd, OwnedFd};

const ENOTTY: i32 = 25;
const KVM_CREATE_VM: c_ulong = 0xae01;
const KVM_IOEVENTFD: u64 = 0x4040_ae79;

extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
}

/// `/dev/kvm` and a VM, where this machine has them.
fn kvm() -> Option<(File, OwnedFd)> {
    let kvm = File::options().read(true).write(true).open("/dev/kvm");
    let kvm = kvm
        .map_err(|error| println!("/dev/kvm: {}: skipped", error))
        .ok()?;
    // SAFETY: the request takes a number, and returns a new descriptor.
    let vm = unsafe { ioctl(kvm.as_raw_fd(), KVM_CREATE_VM, 0 as c_ulong) };
    assert!(vm >= 0);
    Some((kvm, unsafe { OwnedFd::from_raw_fd(vm) }))
}

#[test]
fn a_descriptor_that_is_no_vm_is_refused() {
    let file = File::open("/dev/null").unwrap();
    let error = Front::attach(&file, &Config::default()).err().unwrap();
    assert_eq!(error.errno(), ENOTTY);
}

#[test]
fn a_descriptor_that_is_no_vcpu_is_refused() {
    let (kvm, vm) = match kvm() {
        Some(both) => both,
        None => return,
    };
    let front = Front::attach(&vm, &Config::default()).unwrap();
    let file = File::open("/dev/null").unwrap();
    assert_eq!(front.attach_vcpu(&kvm, &file).err(), Some(Error::INVALID));
    assert_eq!(front.attach_vcpu(&file, &vm).err().unwrap().errno(), ENOTTY);
}

#[test]
fn a_device_of_the_front_may_hold_the_front() {
    let (_kvm, vm) = match kvm() {
        Some(both) => both,
        None => return,
    };
    let front = Front::attach(&vm, &Config::default()).unwrap();
    let bus = front.bus();
    let own = front.clone();
    let range = belfry::bus::Range::new(belfry::bus::Space::Mmio, 0, 8);
    let device = bus.add_range(&range, move |_, _| {
        own.around(KVM_IOEVENTFD, || ());
        Ok(())
    });
    drop((front, bus, vm));
    drop(device.unwrap());
}
