//! Paths as people write them: what only a shell would expand is expanded or
//! refused here, at once. Taken as it stands it would name a file that never
//! comes, and whoever keeps the file would be blamed for it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

use super::environment::Environment;
use super::field::{CA_FILE, Field};
use crate::error::Error;
use crate::limits::{Wanted, exhausted};
use crate::threads::glance;

/// Fixed now: the working directory may change under us.
pub(super) fn fixed(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    // It fails where there is no working directory: then nothing can be fixed.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Looked at now, read at each fetch.
pub(super) fn parse_token_file(
    field: Field,
    text: &str,
    env: &Environment,
) -> Result<PathBuf, Error> {
    let path = parse_path(field, text, env)?;
    let bad = |problem: &str| Err(field.error(format_args!("{problem}: {}", path.display())));
    // A missing file may still come (sidecars start when they start), and a file system
    // that hangs may wake up; a thing that is there and is no file will not turn into one.
    match what_is_at(&path) {
        Some(Ok(there)) if there.is_dir() => bad("is a directory; name the file in it"),
        Some(Ok(there)) if there.file_type().is_socket() => bad(
            "is a socket; a Workload API is set as endpoint_socket (SPIFFE_ENDPOINT_SOCKET), in \
             the form unix:///path",
        ),
        Some(Err(error)) if can_never_be(&error) => {
            bad(&format!("can never name a file ({error})"))
        }
        _ => Ok(path),
    }
}

/// `None` where the file system hangs: that is nobody's setting.
pub(super) fn what_is_at(path: &Path) -> Option<io::Result<Metadata>> {
    let path = path.to_owned();
    glance(move || path.metadata())
}

/// Looked at now, read when it is first needed. Opening it would block on a FIFO.
pub(super) fn parse_ca_file(text: &str, env: &Environment) -> Result<PathBuf, Error> {
    let path = parse_path(CA_FILE, text, env)?;
    let there = path.clone();
    let look = move || {
        let metadata = std::fs::metadata(&there).map_err(|error| error.to_string())?;
        if metadata.is_dir() {
            return Err("it is a directory".to_owned());
        }
        if !metadata.is_file() {
            return Err("it is not a regular file".to_owned());
        }
        match std::fs::File::open(there) {
            // What the process lacks is no fault of the file's.
            Err(error) if exhausted(Wanted::Descriptor, &error).is_none() => Err(error.to_string()),
            _ => Ok(()),
        }
    };
    match glance(look) {
        Some(Err(problem)) => Err(CA_FILE.error(format_args!(
            "{}: {problem}; name a PEM file with the CA certificates to trust",
            path.display()
        ))),
        _ => Ok(path),
    }
}

/// Whether no file can come to where `error` was met: part of the path is a file,
/// or too long for any file system.
pub(super) fn can_never_be(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
    )
}

/// For what is no setting of a provider, and is written by the same people.
pub(crate) fn parse_path_called(
    name: &'static str,
    text: &str,
    env: &Environment,
) -> Result<PathBuf, Error> {
    let field = Field::path(name);
    field.check(Some(text))?;
    parse_path(field, text, env)
}

fn parse_path(field: Field, text: &str, env: &Environment) -> Result<PathBuf, Error> {
    let text = text.trim();
    let bad = |problem: String| Err(field.error(problem));
    // Whoever has a file of just that name means it.
    let is_there = || {
        let path = PathBuf::from(text);
        glance(move || path.symlink_metadata().is_ok()).unwrap_or_default()
    };
    if let Some(rest) = text.strip_prefix('~')
        && !is_there()
    {
        return match rest.strip_prefix('/').or(rest.is_empty().then_some("")) {
            None => bad(format!(
                "begins with ~{}, which only a shell expands: write the path in full",
                rest.split('/').next().unwrap_or_default()
            )),
            Some(rest) => match env.home() {
                Some(home) => Ok(home.join(rest.trim_start_matches('/'))),
                None => bad(
                    "begins with ~, and HOME does not name a directory: write the path in full"
                        .to_owned(),
                ),
            },
        };
    }
    if let Some(rest) = strip_scheme(text) {
        return match file_uri_path(rest) {
            Ok(path) => Ok(path),
            Err(problem) => bad(format!(
                "{problem}: write file:///absolute/path, or the path alone"
            )),
        };
    }
    match oddity(text) {
        Some(problem) if !is_there() => bad(format!("{problem}: write the path itself, in full")),
        _ => Ok(fixed(text)),
    }
}

fn strip_scheme(text: &str) -> Option<&str> {
    const SCHEME: &str = "file:";
    let (scheme, rest) = text.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(rest)
}

/// RFC 8089 §2: of this host, and nothing but a path.
fn file_uri_path(rest: &str) -> Result<PathBuf, &'static str> {
    let path = match rest.strip_prefix("//") {
        None => rest,
        Some(rest) => {
            let (host, _) = rest.split_once('/').unwrap_or((rest, ""));
            if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
                return Err("is a file: URI that names a host");
            }
            &rest[host.len()..]
        }
    };
    if !path.starts_with('/') {
        return Err("is a file: URI without an absolute path");
    }
    if path.contains(['?', '#']) {
        return Err("is a file: URI with a query or a fragment");
    }
    let path = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| "is a file: URI whose path is not valid UTF-8")?;
    if path.chars().any(char::is_control) {
        return Err("is a file: URI with an escaped control character or NUL");
    }
    if let Some(problem) = ends_as_a_directory(&path) {
        return Err(problem);
    }
    Ok(PathBuf::from(path.as_ref()))
}

/// What no path of a file has in it, in words that go on from a setting's name.
pub(super) fn oddity(path: &str) -> Option<String> {
    let quote = ['"', '\'', '`'].into_iter().find(|&quote| {
        // One alone is left where a value was cut at a blank.
        path.starts_with(quote) || path.ends_with(quote)
    });
    if let Some(quote) = quote {
        return Some(format!(
            "has a quote ({quote}) that is part of the value here"
        ));
    }
    let words = if is_assignment(path) {
        "begins with NAME=, which belongs before the value"
    } else if path.split_once('$').is_some_and(|(_, rest)| {
        rest.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '{' | '('))
    }) {
        "has a variable ($…) in it, which only a shell expands"
    } else if has_percent_variable(path) {
        "has a variable (%…) in it, which nothing here expands"
    } else if path.contains("{{") || path.starts_with('<') && path.ends_with('>') {
        "is a placeholder that nothing has filled in"
    } else if path.contains(" #") {
        "has a comment (#) behind it that is part of the value here"
    } else if is_windows_path(path) {
        "is a path of Windows"
    } else if path.contains("://") {
        "is a URL, and not one of a file (a Workload API is set as endpoint_socket)"
    } else {
        return ends_as_a_directory(path).map(str::to_owned);
    };
    Some(words.to_owned())
}

fn ends_as_a_directory(path: &str) -> Option<&'static str> {
    let last = path.rsplit('/').next().unwrap_or_default();
    matches!(last, "" | "." | "..").then_some("names a directory, not a file")
}

/// `NAME=/path`, as a line of an env file is.
fn is_assignment(path: &str) -> bool {
    path.split_once('=').is_some_and(|(name, _)| {
        let name = name.trim_start_matches("export ").trim();
        let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        !name.is_empty() && name.bytes().all(is_name)
    })
}

/// `%NAME%` of Windows, and the specifiers of systemd (`%h/…`), which it expands in
/// units and not in env files.
fn has_percent_variable(path: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let parts: Vec<_> = path.split('%').collect();
    let windows = parts.len() > 2 && parts[1..parts.len() - 1].iter().any(|part| is_name(part));
    let rest = path.strip_prefix('%').unwrap_or_default();
    windows || rest.len() > 1 && rest.as_bytes()[1] == b'/' && is_name(&rest[..1])
}

fn is_windows_path(path: &str) -> bool {
    let bytes = path.as_bytes();
    path.starts_with("\\\\")
        || bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && &bytes[1..3] == b":\\"
}

#[cfg(test)]
mod tests {
    use super::super::field::IDENTITY_TOKEN_FILE;
    use super::*;

    fn parsed(text: &str) -> Result<PathBuf, Error> {
        let env = Environment::of(&[("HOME", "/home/me")]);
        parse_path(IDENTITY_TOKEN_FILE, text, &env)
    }

    #[test]
    fn what_can_be_meant_is_taken() {
        for (text, path) in [
            ("/run/token", "/run/token"),
            (" /run/token\u{a0}", "/run/token"),
            ("~/a b/token", "/home/me/a b/token"),
            ("~//token", "/home/me/token"),
            ("~", "/home/me/"),
            ("file:///run/a%20b/token", "/run/a b/token"),
            ("FILE://LocalHost/run/token", "/run/token"),
            ("file:/run/token", "/run/token"),
            ("/run/50%/token", "/run/50%/token"),
            ("/run/a%20b/token", "/run/a%20b/token"),
            ("/run/c$/a#b/~/it's/token", "/run/c$/a#b/~/it's/token"),
            ("/run/a=b/token", "/run/a=b/token"),
        ] {
            assert_eq!(parsed(text).unwrap(), PathBuf::from(path), "{text}");
        }
        let relative = parsed("nowhere/token").unwrap();
        assert_eq!(
            relative,
            std::env::current_dir().unwrap().join("nowhere/token")
        );
    }

    #[test]
    fn a_file_of_just_that_name_is_meant() {
        let dir = tempfile::TempDir::new().unwrap();
        for name in ["$HOME", "a #b", "'quoted'", "%h"] {
            let path = dir.path().join(name);
            std::fs::write(&path, "").unwrap();
            assert_eq!(parsed(path.to_str().unwrap()).unwrap(), path);
        }
    }

    #[test]
    fn home_may_be_unset_or_make_no_sense() {
        for env in [&[][..], &[("HOME", "relative")]] {
            let error = parse_path(CA_FILE, "~/ca.pem", &Environment::of(env)).unwrap_err();
            assert!(error.message().contains("HOME"), "{error}");
            assert!(error.message().starts_with("ca_file "), "{error}");
        }
    }
}
