//! Prints the public API of a crate, one item a line, from what rustdoc wrote as JSON.
//!
//! usage: svidex-api FILE
//! Exit status 3: this compiler's rustdoc writes a format that is not known here.

use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: svidex-api FILE")?;
    let json: serde_json::Value = serde_json::from_reader(BufReader::new(File::open(&path)?))?;
    let api = public_api::Builder::from_rustdoc_json(path)
        .omit_blanket_impls(true)
        .sorted(true)
        .build();
    let api = match api {
        Ok(api) => api,
        Err(error) => {
            eprintln!("format {}: {error}", json["format_version"]);
            return Ok(ExitCode::from(3));
        }
    };
    for item in api.items().map(ToString::to_string) {
        if !is_incidental(&item) {
            println!("{item}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What nobody promises (whether a type may cross threads is something else), and the
/// methods of derived traits, whose `impl` has a line.
fn is_incidental(item: &str) -> bool {
    const TRAITS: [&str; 6] = [
        "Freeze",
        "Unpin",
        "UnsafeUnpin",
        "RefUnwindSafe",
        "UnwindSafe",
        "StructuralPartialEq",
    ];
    const METHODS: [&str; 6] = [
        "::clone(&self) -> ",
        "::eq(&self, ",
        "::fmt(&self, &mut core::fmt::Formatter",
        "::hash<__H",
        "::serialize<__S>",
        "::partial_cmp(&self, ",
    ];
    match item.starts_with("impl") {
        true => TRAITS
            .iter()
            .any(|it| item.contains(&format!("::{it} for "))),
        false => METHODS.iter().any(|it| item.contains(it)),
    }
}
