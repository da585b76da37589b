//! Link arguments of an extension module, and what its sources may know of the interpreter
//! (`cfg(Py_GIL_DISABLED)`).

fn main() {
    // Nothing of the package; a file that both packages have, for some has to be named.
    println!("cargo:rerun-if-changed=Cargo.toml");
    pyo3_build_config::use_pyo3_cfgs();
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("macos") {
        // What the module needs of Python is in the process that loads it.
        println!("cargo:rustc-link-arg-cdylib=-undefined");
        println!("cargo:rustc-link-arg-cdylib=dynamic_lookup");
    }
}
