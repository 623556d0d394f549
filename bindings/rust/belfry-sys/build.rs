// SPDX-License-Identifier: MIT
//! Finds libbelfry: in `BELFRY_LIB_DIR` if that is set, by pkg-config
//! otherwise.  `BELFRY_STATIC=1` links the static library.

use std::env;
use std::process::{exit, Command};

/// Returns the folders that pkg-config names.
fn pkg_config() -> Vec<String> {
    let output = Command::new(env::var("PKG_CONFIG").unwrap_or("pkg-config".into()))
        .args(["--libs-only-L", "belfry"])
        .output();
    match output {
        Ok(o) if o.status.success() => String::from_utf8_lossy(&o.stdout)
            .split_whitespace()
            .map(|word| word.trim_start_matches("-L").to_string())
            .collect(),
        _ => {
            eprintln!("belfry-sys: pkg-config does not know belfry: install libbelfry-dev, or set BELFRY_LIB_DIR");
            exit(1);
        }
    }
}

fn main() {
    let kind = if env::var("BELFRY_STATIC").map_or(false, |v| v == "1") {
        "static"
    } else {
        "dylib"
    };
    let folders = match env::var("BELFRY_LIB_DIR") {
        Ok(folder) => vec![folder],
        Err(_) => pkg_config(),
    };
    for folder in folders {
        println!("cargo:rustc-link-search=native={}", folder);
    }
    println!("cargo:rustc-link-lib={}=belfry", kind);
    for name in [
        "BELFRY_LIB_DIR",
        "BELFRY_STATIC",
        "PKG_CONFIG",
        "PKG_CONFIG_PATH",
    ] {
        println!("cargo:rerun-if-env-changed={}", name);
    }
}
