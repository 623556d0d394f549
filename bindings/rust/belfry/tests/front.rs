// SPDX-License-Identifier: MIT
//! What needs no guest; `examples/kvm_vmm.rs` runs one.

use belfry::bus::Space;
use belfry::front::{Config, Front, Ioeventfd, Policy, Zone};
use belfry::memslots::{Backing, Change, Memslots, Slot};
use belfry::Error;
use std::fs::File;
use std::os::raw::{c_int, c_ulong};
use std::os::unix::io::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

const ENOENT: i32 = 2;
const EBUSY: i32 = 16;
const ENOTTY: i32 = 25;
const KVM_CREATE_VM: c_ulong = 0xae01;
const KVM_IOEVENTFD: u64 = 0x4040_ae79;

extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn eventfd(value: u32, flags: c_int) -> c_int;
}

fn new_eventfd() -> OwnedFd {
    // SAFETY: the descriptor is new.
    unsafe { OwnedFd::from_raw_fd(eventfd(0, 0)) }
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

#[test]
fn zones_and_counts_of_a_front() {
    let (_kvm, vm) = match kvm() {
        Some(both) => both,
        None => return,
    };
    let config = Config {
        policy: Policy::Never,
        ..Config::default()
    };
    let front = Front::attach(&vm, &config).unwrap();
    front.register_zone(&Zone::mmio(0x1000, 0x100)).unwrap();
    front.register_zone(&Zone::pio(0x600, 4)).unwrap();
    front.unregister_zone(&Zone::pio(0x600, 4)).unwrap();
    assert_eq!(front.stats().zones, 2);

    let doorbell = Ioeventfd::mmio(0x4000, 4);
    let error = front.signals(&doorbell).unwrap_err();
    assert_eq!(error.errno(), ENOENT);
    front.assign(&doorbell, new_eventfd()).unwrap();
    assert_eq!(front.signals(&doorbell), Ok((0, false)));
    front.bus().write(Space::Mmio, 0x4000, &[0; 4]).unwrap();
    assert_eq!(front.signals(&doorbell), Ok((1, false)));
}

#[test]
fn a_front_hands_its_doorbells_to_the_kernel() {
    let (_kvm, vm) = match kvm() {
        Some(both) => both,
        None => return,
    };
    let config = Config {
        policy: Policy::Never,
        ..Config::default()
    };
    let front = Front::attach(&vm, &config).unwrap();
    let eventfd = new_eventfd();
    let doorbell = Ioeventfd::mmio(0x4000, 4);
    front.assign(&doorbell, &eventfd).unwrap();
    let clone = front.clone();
    let (error, front) = front.detach().err().unwrap();
    assert_eq!(error.errno(), EBUSY);
    drop(clone);
    front.detach().map_err(|(error, _)| error).unwrap();

    // The kernel has the doorbell: a new front passes the removal to it.
    let front = Front::attach(&vm, &config).unwrap();
    front.deassign(&doorbell, &eventfd).unwrap();
    let error = front.deassign(&doorbell, &eventfd).unwrap_err();
    assert_eq!(error.errno(), ENOENT);
}

#[test]
fn a_front_keeps_its_map() {
    let (_kvm, vm) = match kvm() {
        Some(both) => both,
        None => return,
    };
    let map = Memslots::of_vm(&vm, Default::default()).unwrap();
    let config = Config {
        memslots: Some(map.clone()),
        ..Config::default()
    };
    let front = Front::attach(&vm, &config).unwrap();
    drop((config, vm));
    let memory = Arc::new(Backing::new(0x1_0000).unwrap());
    map.commit(&[Change::Set(Slot::new(0, 0, memory))]).unwrap();
    drop(map);
    drop(front);
}
