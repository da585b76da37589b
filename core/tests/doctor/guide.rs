//! The page about the checks is the one that the checks make.

use std::path::Path;

use svidex::doctor::guide;

#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/troubleshooting.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        std::fs::write(&path, guide()).expect("docs/ is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == guide(),
        "docs/troubleshooting.md is not what core/src/doctor/guide.rs makes: run \
         UPDATE_DOCS=1 cargo test -p svidex --test doctor guide"
    );
}
