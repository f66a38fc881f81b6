//! How the binary is linked, and nothing else: it must never look at the network, write a file, or make a build fail that would
//! have gone without it.

// What a build script prints is how it speaks to cargo.
#![allow(clippy::print_stdout)]

use std::process::Command;

/// The first glibc whose loader reads packed relative relocations.
const PACKED_SINCE: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if of("CARGO_CFG_TARGET_OS") == "linux"
        && of("CARGO_CFG_TARGET_ENV") == "gnu"
        // What is known of the loader is known of this machine's alone.
        && of("HOST") == of("TARGET")
        && glibc().is_some_and(|version| version >= PACKED_SINCE)
    {
        // Each start reads all relative relocations. Packed they have 1 % of their size, so a start reads (and counts as memory) two
        // megabytes less. An older linker says that it does not know this, and links as before.
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

fn of(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Which glibc there is here: `None` where nothing says so.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?.stdout;
    let (major, rest) = std::str::from_utf8(&said).ok()?.trim().strip_prefix("glibc ")?.split_once('.')?;
    let minor = rest.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
