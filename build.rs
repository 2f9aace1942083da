//! How the program is linked.

use std::env;

/// Links the program to a fixed address. It has some 70,000 pointers in its tables, and a program that can lie anywhere mends them all at each
/// start: 2 ms of the 4 that `kiln --version` takes. Go links its programs so, too. Nothing that is loaded into other programs is concerned.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let target = |part: &str| env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    let fits =
        target("OS") == "linux" && target("ENV") == "gnu" && ["x86_64", "aarch64"].contains(&target("ARCH").as_str());
    // The wheel is linked by Zig, with which this was not tried.
    let zig = env::var("RUSTC_LINKER").is_ok_and(|linker| linker.contains("zig"));
    if fits && !zig {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
