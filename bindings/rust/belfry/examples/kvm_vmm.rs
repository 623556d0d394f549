// SPDX-License-Identifier: MIT
//! A VMM with its own descriptors and run loop on `/dev/kvm`.
//!
//! The guest rings four doorbells in turn, 100,000 times, and then writes to a
//! device.  Each policy is run once, and each ring must arrive exactly once,
//! whether user space or the kernel signals the eventfd.  Exit status 77: there
//! is no `/dev/kvm` here.

#[cfg(target_arch = "x86_64")]
#[path = "kvm/mod.rs"]
mod kvm;

#[cfg(target_arch = "x86_64")]
fn main() -> Result<(), belfry::Error> {
    use belfry::front::Policy;

    let kvm = match kvm::open() {
        Ok(kvm) => kvm,
        Err(error) => {
            println!("/dev/kvm: {}: nothing was run", error);
            std::process::exit(77);
        }
    };
    for policy in [Policy::Lazy, Policy::FirstRun, Policy::Never, Policy::Eager] {
        kvm::run(&kvm, policy)?;
    }
    Ok(())
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!("the guest of this example is x86 code: nothing was run");
    std::process::exit(77);
}
