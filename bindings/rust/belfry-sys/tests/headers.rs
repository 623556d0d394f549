// SPDX-License-Identifier: MIT
//! Compares this crate with the C headers: the test writes a C file with one
//! assertion for each size, offset and constant, and one declaration for each
//! function, after the headers themselves, and compiles it.  A difference is an
//! error of the C compiler.
//!
//! `BELFRY_INCLUDE_DIR` is the folder with `belfry/srcu.h`; without it the test
//! takes the headers of the source tree.

use belfry_sys::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::mem::{align_of, size_of, MaybeUninit};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const HEADERS: [&str; 11] = [
    "front", "io_bus", "io_ring", "io_stats", "io_txn", "log", "memslots", "srcu", "vcpus",
    "version", "vm",
];

const SOURCES: [&str; 10] = [
    "front", "io_bus", "io_ring", "io_stats", "io_txn", "log", "memslots", "srcu", "vcpus", "vm",
];

/// Asserts the layout of structures.  The pattern lists every member, or the
/// test does not compile.
macro_rules! structures {
    ($out:expr, $($name:ident { $($member:ident),* })*) => {$(
        #[allow(unused_variables)]
        fn $name(value: &$name) {
            let $name { $($member),* } = value;
        }
        let _ = $name;
        size($out, stringify!($name), size_of::<$name>(), align_of::<$name>());
        let value = MaybeUninit::<$name>::uninit();
        $(
            // SAFETY: only the addresses are used.
            let offset = unsafe {
                std::ptr::addr_of!((*value.as_ptr()).$member) as usize
            } - value.as_ptr() as usize;
            writeln!($out,
                "_Static_assert(offsetof(struct {0}, {1}) == {2}, \"offset of {0}.{1}\");",
                stringify!($name), stringify!($member), offset).unwrap();
        )*
    )*};
}

macro_rules! constants {
    ($out:expr, $($name:ident)*) => {$(
        writeln!($out, "_Static_assert({0} == {1}, \"{0}\");", stringify!($name), $name).unwrap();
    )*};
}

fn size(out: &mut String, name: &str, size: usize, align: usize) {
    writeln!(
        out,
        "_Static_assert(sizeof(struct {0}) == {1}, \"size of {0}\");\n\
         _Static_assert(_Alignof(struct {0}) == {2}, \"alignment of {0}\");",
        name, size, align
    )
    .unwrap();
}

fn layouts(out: &mut String) {
    size(out, "bf_srcu", size_of::<bf_srcu>(), align_of::<bf_srcu>());
    structures!(out,
        bf_front_config { policy, install_after, quiet_ms, zones_at_once, bus, memslots, reserved }
        bf_front_stats { assigned, deassigned, never_installed, installed, refused, signalled, zones,
            zones_installed, install_after, reserved }
        bf_io_access { addr, data, len, space, write, taken_by, source }
        bf_io_conflict { wanted, existing }
        bf_io_doorbell_desc { addr, datamatch, len, space, wildcard, counted, consumer, eventfd, callback,
            opaque, reserved }
        bf_io_ops { read, write }
        bf_io_party { kind, space, wildcard, addr, size, datamatch, name }
        bf_io_range_desc { addr, size, space, name, ops, opaque, priority, reserved }
        bf_io_ring_desc { entries, wake, eventfd, reserved }
        bf_io_section { words }
        bf_io_stats { reads, writes, ns, last_ns }
        bf_io_zone_desc { addr, size, space, name, ring, reserved }
        bf_memslots { srcu, view }
        bf_memslots_backing { hva, size, page_size, fd }
        bf_memslots_backing_desc { size, name, huge, bind, node, reserved }
        bf_memslots_config { forward, vm_fd, spaces, slots, gpa_bits, pause, resume, opaque, dirty_log, slot_flags, reserved }
        bf_memslots_conflict { index, wanted, existing }
        bf_memslots_listener_desc { begin, remove, add, flags, commit, opaque, reserved }
        bf_memslots_pin_desc { gpa, len, space, write, revoke, opaque, reserved }
        bf_memslots_snapshot { map, view, idx }
        bf_srcu_head { next, func }
        bf_srcu_stats { grace_periods, expedited, promoted, callbacks, longest_wait_ns, membarriers, reserved }
        bf_vcpu_boot64_desc { rip, rsp, args, page_tables, page_tables_hva, reserved }
        bf_vcpu_entry { vcpus, ops, id, index, state, lock, flags, seq, locked_before, done, opaque, head,
            reserved }
        bf_vcpu_entry_ops { release, kick }
        bf_vcpus_config { srcu, max_ids, max_vcpus, flags, reserved }
        bf_vcpus_iter { vcpus, next, end, seq }
        bf_vm_config { engine, engine_config, policy, kvm_path, install_after, quiet_ms, zones_at_once,
            kick_signal, pause, resume, opaque, vm_type, reserved }
        iovec { iov_base, iov_len }
        kvm_coalesced_mmio { phys_addr, len, pio, data }
        kvm_coalesced_mmio_zone { addr, size, pio }
        kvm_ioeventfd { datamatch, addr, len, fd, flags, pad }
        kvm_userspace_memory_region { slot, flags, guest_phys_addr, memory_size, userspace_addr }
        kvm_userspace_memory_region2 { slot, flags, guest_phys_addr, memory_size, userspace_addr, guest_memfd_offset, guest_memfd, pad1, pad2 }
        kvm_dirty_log { slot, padding1, dirty_bitmap }
        kvm_clear_dirty_log { slot, num_pages, first_page, dirty_bitmap }
    );
    constants!(out,
        BF_IO_CCW BF_IO_CONSUMER_CALLBACK BF_IO_CONSUMER_EVENTFD BF_IO_CONSUMER_NONE BF_IO_DOORBELL
        BF_IO_MAX_LEN BF_IO_MMIO BF_IO_NONE BF_IO_PIO BF_IO_PRIORITY_MAX BF_IO_PRIORITY_MIN
        BF_IO_RANGE BF_IO_SPACES BF_IO_SPACE_FREE
        BF_IO_WAKE_HALF BF_IO_WAKE_NEVER BF_IO_WAKE_NONEMPTY BF_IO_ZONE BF_MEMSLOTS_SPACES
        BF_POLICY_EAGER BF_POLICY_FIRST_RUN BF_POLICY_LAZY BF_POLICY_NEVER
        BF_SRCU_DEFAULT_PACE_NS BF_SRCU_FLOOD BF_SRCU_LIMIT
        BF_SRCU_REPORT_CALLBACK BF_SRCU_REPORT_DEADLOCK BF_SRCU_REPORT_FLAVOUR
        BF_SRCU_REPORT_MEMBARRIER BF_SRCU_REPORT_STALL BF_SRCU_REPORT_UNLOCK BF_VCPUS_REUSE_INDEX);
}

/// The C type of a Rust type of this crate.
fn c_type(rust: &str) -> String {
    let rust = rust.trim();
    if let Some(to) = rust.strip_prefix("*mut ") {
        return c_type(to) + " *";
    }
    if let Some(to) = rust.strip_prefix("*const ") {
        return c_type(to) + " const *";
    }
    match rust {
        "c_int" => "int".into(),
        "c_uint" => "unsigned int".into(),
        "c_ulong" => "unsigned long".into(),
        "c_char" => "char".into(),
        "c_void" => "void".into(),
        "bool" => "_Bool".into(),
        "usize" => "size_t".into(),
        "u16" | "u32" | "u64" => format!("uint{}_t", &rust[1..]),
        "FILE" => "FILE".into(),
        "bf_srcu_report" => format!("enum {}", rust),
        name if name.ends_with("_fn") => format!("rust_{}", name),
        name => format!("struct {}", name),
    }
}

/// The C parameters of `a: T, b: U`.
fn c_parameters(rust: &str) -> String {
    let types: Vec<_> = rust
        .split(',')
        .filter(|p| !p.trim().is_empty())
        .map(|p| c_type(p.split_once(':').expect("name: type").1))
        .collect();
    if types.is_empty() {
        "void".into()
    } else {
        types.join(", ")
    }
}

/// Splits `(parameters) -> result` into the C parameters and the C result.
fn signature(rust: &str) -> (String, String) {
    let (inside, after) = rust[1..].split_once(')').expect("parameters");
    let result = after
        .trim()
        .strip_prefix("->")
        .map_or("void".into(), c_type);
    (c_parameters(inside), result)
}

/// Declares each function of a source file once more, in C.
fn declarations(source: &str, out: &mut String, names: &mut BTreeSet<String>) {
    let flat = source.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in flat.split("pub type ").skip(1) {
        let (name, rest) = part.split_once(" = ").expect("a type");
        if let Some(function) = rest.strip_prefix("Option<unsafe extern \"C\" fn") {
            let (parameters, result) = signature(function.split_once(">;").expect(">;").0);
            writeln!(out, "typedef {} (*rust_{})({});", result, name, parameters).unwrap();
        }
    }
    for part in flat.split("pub fn ").skip(1) {
        let part = part.split_once(';').expect("a declaration").0;
        let (name, rest) = part.split_at(part.find('(').expect("parameters"));
        let (parameters, result) = signature(rest);
        writeln!(out, "{} {}({});", result, name, parameters).unwrap();
        names.insert(name.to_string());
    }
}

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn include_folder() -> PathBuf {
    std::env::var_os("BELFRY_INCLUDE_DIR")
        .map_or(crate_folder().join("../../../include"), PathBuf::from)
}

fn all_declarations(out: &mut String) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut types = String::new();
    let mut functions = String::new();
    for file in SOURCES {
        let source =
            std::fs::read_to_string(crate_folder().join("src").join(file).with_extension("rs"))
                .unwrap();
        let mut text = String::new();
        declarations(&source, &mut text, &mut names);
        for line in text.lines() {
            let to = if line.starts_with("typedef") {
                &mut types
            } else {
                &mut functions
            };
            to.push_str(line);
            to.push('\n');
        }
    }
    out.push_str(&types);
    out.push_str(&functions);
    names
}

/// Compiles a C file, and returns the errors; empty: none.
fn compile(text: &str) -> String {
    let compiler = std::env::var("CC").unwrap_or("cc".into());
    let mut words = compiler.split_whitespace();
    let mut child = Command::new(words.next().expect("CC"))
        .args(words)
        .args(["-std=gnu11", "-fsyntax-only", "-x", "c", "-I"])
        .arg(include_folder())
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a C compiler");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        String::new()
    } else {
        String::from_utf8_lossy(&output.stderr).into_owned() + "no success"
    }
}

fn includes() -> String {
    let mut text = "#include <stddef.h>\n#include <stdio.h>\n#include <sys/uio.h>\n".to_string();
    for header in HEADERS {
        writeln!(text, "#include <belfry/{}.h>", header).unwrap();
    }
    text
}

#[test]
fn structures_and_constants_are_those_of_the_headers() {
    let mut text = includes();
    layouts(&mut text);
    assert_eq!(compile(&text), "");
}

#[test]
fn functions_are_those_of_the_headers() {
    let mut text = includes();
    all_declarations(&mut text);
    assert_eq!(compile(&text), "");
}

/// The two tests above can fail.
#[test]
fn differences_are_errors() {
    let mut text = includes();
    size(
        &mut text,
        "bf_io_access",
        size_of::<bf_io_access>() + 8,
        align_of::<bf_io_access>(),
    );
    assert!(compile(&text).contains("size of bf_io_access"));

    let mut text = includes();
    declarations(
        "pub fn bf_io_synchronize(bus: *mut bf_io_ring) -> c_int;",
        &mut text,
        &mut BTreeSet::new(),
    );
    assert!(compile(&text).contains("bf_io_synchronize"));
}

/// Names with two underscores are no interface.
#[test]
fn every_exported_function_has_a_binding() {
    let map = match std::fs::read_to_string(crate_folder().join("../../../src/belfry.map")) {
        Ok(map) => map,
        Err(_) => return println!("outside of the source tree: not compared with src/belfry.map"),
    };
    let exported: BTreeSet<String> = map
        .lines()
        .filter_map(|line| line.trim().strip_suffix(';'))
        .filter(|name| name.starts_with("bf_"))
        .map(str::to_string)
        .collect();
    assert_eq!(exported, all_declarations(&mut String::new()));
}
