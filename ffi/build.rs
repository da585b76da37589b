//! Linker arguments of the shared library.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // The name that programs record: it changes when the ABI breaks.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libsvidex.so.0");
        // Our threads run this code, and dlclose() would unmap it under them.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
