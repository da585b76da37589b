//! Link arguments of a Node addon.

fn main() {
    napi_build::setup();
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // Node closes the library when the last worker thread that loaded it ends;
        // svidex's own threads may still be running in it then. (macOS unloads no
        // library that has thread-local variables.)
        println!("cargo:rustc-link-arg-cdylib=-Wl,-z,nodelete");
    }
}
