// SPDX-License-Identifier: MIT
//! The VMM of the example: one vCPU, one page of memory.

use belfry::bus::{Operation, Range, Space};
use belfry::front::{Config, Front, Ioeventfd, Policy};
use belfry::memslots::{Backing, Change, Memslots, Slot};
use belfry::Error;
use std::fs::File;
use std::io;
use std::os::raw::{c_int, c_ulong, c_void};
use std::os::unix::io::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

const RINGS: u64 = 100_000;
const DOORBELLS: u16 = 4;
const PORT: u16 = 0x600;
const DEVICE: u16 = 0x700;

const KVM_CREATE_VM: c_ulong = 0xae01;
const KVM_CREATE_VCPU: c_ulong = 0xae41;
const KVM_RUN: c_ulong = 0xae80;
const KVM_SET_REGS: c_ulong = 0x4090_ae82;
const KVM_GET_SREGS: c_ulong = 0x8138_ae83;
const KVM_SET_SREGS: c_ulong = 0x4138_ae84;
const KVM_EXIT_HLT: u32 = 5;

/// Real mode:
///
/// ```text
///     mov $RINGS / DOORBELLS, %ecx
///  1: mov $PORT, %dx
///     out %al, %dx; inc %dx           (four times)
///     dec %ecx
///     jnz 1b
///     mov $DEVICE, %dx
///     mov $0x2a, %al
///     out %al, %dx
///     hlt
/// ```
const GUEST: [u8; 33] = [
    0x66, 0xb9, 0xa8, 0x61, 0x00, 0x00, 0xba, 0x00, 0x06, 0xee, 0x42, 0xee, 0x42, 0xee, 0x42, 0xee,
    0x42, 0x66, 0x49, 0x75, 0xf1, 0xba, 0x00, 0x07, 0xb0, 0x2a, 0xee, 0xf4, 0x90, 0x90, 0x90, 0x90,
    0x90,
];

extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn eventfd(value: u32, flags: c_int) -> c_int;
    fn read(fd: c_int, data: *mut c_void, len: usize) -> isize;
}

fn check(ret: c_int) -> io::Result<c_int> {
    if ret < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(ret)
}

/// A new descriptor of a system call.
fn owned(ret: c_int) -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is new.
    check(ret).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

pub fn open() -> io::Result<OwnedFd> {
    let file = File::options().read(true).write(true).open("/dev/kvm")?;
    Ok(file.into())
}

/// Gives the VM a page with the guest.
fn add_memory(map: &Memslots) -> Result<(), Error> {
    let memory = Arc::new(Backing::new(4096)?);
    map.commit(&[Change::Set(Slot::new(0, 0, memory))])?;
    assert_eq!(map.write(0, 0, &GUEST), GUEST.len());
    Ok(())
}

/// Begins at address 0 in real mode.
fn set_registers(vcpu: &OwnedFd) -> io::Result<()> {
    let mut sregs = [0u64; 0x138 / 8];
    let mut regs = [0u64; 0x90 / 8];
    regs[17] = 2; // rflags
    let fd = vcpu.as_raw_fd();
    // SAFETY: the buffers have the sizes of the requests.
    unsafe {
        check(ioctl(fd, KVM_GET_SREGS, sregs.as_mut_ptr()))?;
        sregs[0] = 0; // the base of cs
        sregs[1] &= !0xffff_0000_0000; // and its selector, behind the limit
        check(ioctl(fd, KVM_SET_SREGS, sregs.as_ptr()))?;
        check(ioctl(fd, KVM_SET_REGS, regs.as_ptr()))?;
    }
    Ok(())
}

pub fn run(kvm: &OwnedFd, policy: Policy) -> Result<(), Error> {
    // SAFETY: none of these takes a pointer.
    let vm = owned(unsafe { ioctl(kvm.as_raw_fd(), KVM_CREATE_VM, 0 as c_ulong) })?;
    let map = Memslots::of_vm(&vm, Default::default())?;
    let front = Front::attach(
        &vm,
        &Config {
            policy,
            quiet_ms: 1,
            memslots: Some(map.clone()),
            ..Config::default()
        },
    )?;
    let queues = (0..DOORBELLS)
        .map(|_| owned(unsafe { eventfd(0, 0o2004000) }))
        .collect::<io::Result<Vec<_>>>()?;
    for (port, queue) in (PORT..).zip(&queues) {
        front.assign(&Ioeventfd::pio(port, 1), queue)?;
    }
    let written = Arc::new(AtomicU64::new(0));
    let device = written.clone();
    let _device = front.bus().add_range(
        &Range::new(Space::Pio, DEVICE.into(), 1).name("device"),
        move |_, operation: Operation| {
            if let Operation::Write(data) = operation {
                device.store(data[0].into(), Ordering::Relaxed);
            }
            Ok(())
        },
    )?;
    add_memory(&map)?;
    let vcpu = owned(unsafe { ioctl(vm.as_raw_fd(), KVM_CREATE_VCPU, 0 as c_ulong) })?;
    set_registers(&vcpu)?;
    let mut front_vcpu = front.attach_vcpu(kvm, &vcpu)?;

    // The run loop: exits of doorbells and of the device never leave it.
    let ret = front_vcpu.run(|| unsafe { ioctl(vcpu.as_raw_fd(), KVM_RUN, 0 as c_ulong) });
    check(ret)?;
    // SAFETY: the exit reason is the word behind 8 bytes of the page.
    let reason = unsafe { (front_vcpu.page() as *const u32).add(2).read_volatile() };
    assert_eq!(reason, KVM_EXIT_HLT);
    assert_eq!(written.load(Ordering::Relaxed), 0x2a);
    for queue in &queues {
        assert_eq!(signals(queue)?, RINGS / u64::from(DOORBELLS));
    }
    let stats = front.stats();
    println!(
        "{:?}: {} rings, {} of them by user space, {} doorbells installed",
        policy, RINGS, stats.signalled, stats.installed
    );
    if policy == Policy::Never {
        assert_eq!((stats.signalled, stats.installed), (RINGS, 0));
    }
    Ok(())
}

fn signals(queue: &OwnedFd) -> io::Result<u64> {
    let mut value = 0u64;
    // SAFETY: an eventfd has 8 bytes.
    let len = unsafe { read(queue.as_raw_fd(), &mut value as *mut u64 as *mut c_void, 8) };
    if len != 8 {
        return Err(io::Error::last_os_error());
    }
    Ok(value)
}
