//! Link arguments of a Node addon.

fn main() {
    napi_build::setup();
    // Node closes the library when the last worker thread that loaded it ends;
    // svidex's own threads may still be running in it then.
    println!("cargo:rustc-link-arg-cdylib=-Wl,-z,nodelete");
}
