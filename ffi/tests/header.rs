//! The committed header is the one that the sources make.
//!
//! `UPDATE_HEADER=1 cargo test -p svidex-ffi --test header` writes it anew.

use std::path::Path;

#[test]
fn header_is_up_to_date() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config =
        cbindgen::Config::from_file(here.join("cbindgen.toml")).expect("cbindgen.toml");
    config.after_includes = Some(version_macros());
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in SOURCES {
        builder = builder.with_src(here.join("src").join(file));
    }
    let mut generated = Vec::new();
    builder
        .generate()
        .expect("the sources parse")
        .write(&mut generated);
    let generated = String::from_utf8(generated).expect("UTF-8");

    let path = here.join("../include/svidex.h");
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&path, &generated).expect("include/ is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "include/svidex.h is not what ffi/src makes: run \
         UPDATE_HEADER=1 cargo test -p svidex-ffi --test header"
    );
}

/// The workspace's version, for the preprocessor.
fn version_macros() -> String {
    format!(
        "
/**
 * The version of this header. `svidex_version` gives that of the library that is loaded.
 */
#define SVIDEX_VERSION \"{}\"
#define SVIDEX_VERSION_MAJOR {}
#define SVIDEX_VERSION_MINOR {}
#define SVIDEX_VERSION_PATCH {}",
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION_PATCH"),
    )
}

/// In the order in which the header shows them.
const SOURCES: [&str; 11] = [
    "version.rs",
    "result.rs",
    "error.rs",
    "config.rs",
    "provider.rs",
    "token.rs",
    "operation.rs",
    "identity.rs",
    "status.rs",
    "event.rs",
    "doctor.rs",
];
