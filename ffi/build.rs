//! Linker arguments of the shared library.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{}", soname());
        // Our threads run this code, and dlclose() would unmap it under them.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}

/// The name that programs record, and by which the loader tells that they fit: the
/// part of the version that a change of the ABI changes (semver.org, items 4 and 8).
fn soname() -> String {
    let part = |name| std::env::var(name).expect("cargo sets it");
    let major = part("CARGO_PKG_VERSION_MAJOR");
    if major == "0" {
        format!("libsvidex.so.0.{}", part("CARGO_PKG_VERSION_MINOR"))
    } else {
        format!("libsvidex.so.{major}")
    }
}
