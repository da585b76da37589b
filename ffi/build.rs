//! Linker arguments of the shared library.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let system = std::env::var("CARGO_CFG_TARGET_OS").expect("cargo sets it");
    if system == "macos" {
        // Found along the run path of who links to it, wherever that leads.
        let name = format!("libsvidex.{}.dylib", abi_version());
        println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/{name}");
    }
    if system == "linux" {
        let name = format!("libsvidex.so.{}", abi_version());
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{name}");
        // Our threads run this code, and dlclose() would unmap it under them.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}

/// In the name that programs record, and by which the loader tells that they fit: the
/// part of the version that a change of the ABI changes (semver.org, items 4 and 8).
fn abi_version() -> String {
    let part = |name| std::env::var(name).expect("cargo sets it");
    let major = part("CARGO_PKG_VERSION_MAJOR");
    if major == "0" {
        format!("0.{}", part("CARGO_PKG_VERSION_MINOR"))
    } else {
        major
    }
}
