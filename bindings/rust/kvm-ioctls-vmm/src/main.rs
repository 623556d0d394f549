// SPDX-License-Identifier: MIT
//! A VMM on the crate kvm-ioctls, with belfry's front before its VM.
//!
//! kvm-ioctls owns the descriptors, maps the run page and decodes the exits; the
//! front has a mapping of its own and serves the exits of doorbells.  The guest
//! rings a doorbell 100,000 times, and each ring must arrive exactly once.  Exit
//! status 77: there is no `/dev/kvm` here.

use belfry::front::{Config, Front, Ioeventfd};
use kvm_bindings::{kvm_regs, kvm_userspace_memory_region};
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};
use std::error::Error;
use std::os::fd::{AsRawFd, BorrowedFd};
use vmm_sys_util::eventfd::{EventFd, EFD_NONBLOCK};

const RINGS: u32 = 100_000;
const PORT: u16 = 0x600;

/// Real mode: mov $RINGS, %ecx; mov $PORT, %dx; 1: out %al, %dx; dec %ecx; jnz
/// 1b; hlt
const GUEST: [u8; 15] = [
    0x66, 0xb9, 0xa0, 0x86, 0x01, 0x00, 0xba, 0x00, 0x06, 0xee, 0x66, 0x49, 0x75, 0xfb, 0xf4,
];

#[repr(C, align(4096))]
struct Memory([u8; 4096]);

/// kvm-ioctls has the older trait alone.
fn borrow(fd: &impl AsRawFd) -> BorrowedFd<'_> {
    // SAFETY: the object owns the descriptor, and is borrowed as long.
    unsafe { BorrowedFd::borrow_raw(fd.as_raw_fd()) }
}

fn set_memory(vm: &VmFd, front: &Front, memory: &mut Memory) -> Result<(), Box<dyn Error>> {
    memory.0[..GUEST.len()].copy_from_slice(&GUEST);
    let region = kvm_userspace_memory_region {
        memory_size: 4096,
        userspace_addr: memory as *mut Memory as u64,
        ..Default::default()
    };
    const KVM_SET_USER_MEMORY_REGION: u64 = 0x4020_ae46;
    // SAFETY: the memory outlives the VM.
    front.around(KVM_SET_USER_MEMORY_REGION, || unsafe {
        vm.set_user_memory_region(region)
    })?;
    Ok(())
}

fn set_registers(vcpu: &VcpuFd) -> Result<(), Box<dyn Error>> {
    let mut sregs = vcpu.get_sregs()?;
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    vcpu.set_sregs(&sregs)?;
    vcpu.set_regs(&kvm_regs {
        rflags: 2,
        ..Default::default()
    })?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let kvm = match Kvm::new() {
        Ok(kvm) => kvm,
        Err(error) => {
            println!("/dev/kvm: {}: nothing was run", error);
            std::process::exit(77);
        }
    };
    let mut memory = Box::new(Memory([0; 4096]));
    let vm = kvm.create_vm()?;
    let front = Front::attach(borrow(&vm), &Config::default())?;
    let queue = EventFd::new(EFD_NONBLOCK)?;
    front.assign(&Ioeventfd::pio(PORT, 1), borrow(&queue))?;
    set_memory(&vm, &front, &mut memory)?;
    let mut vcpu = vm.create_vcpu(0)?;
    set_registers(&vcpu)?;
    let mut front_vcpu = front.attach_vcpu(borrow(&kvm), borrow(&vcpu))?;

    loop {
        front_vcpu.before_run();
        let exit = vcpu.run();
        if front_vcpu.after_run(if exit.is_ok() { 0 } else { -1 }) {
            continue;
        }
        match exit? {
            VcpuExit::Hlt => break,
            other => return Err(format!("unexpected exit {:?}", other).into()),
        }
    }
    assert_eq!(queue.read()?, u64::from(RINGS));
    println!("kvm-ioctls: {} rings", RINGS);
    Ok(())
}
