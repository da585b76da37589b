//! The token file, and what is in it instead of a token.

use std::os::unix::fs::PermissionsExt as _;

use svidex::TokenKind::Subject;

use crate::row::{Row, World, row};

/// The file holds what is made of a good token.
fn content(
    name: &str,
    words: &[&str],
    make: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
) -> Row {
    row(name, "svid_alg", words, move |world| {
        let content = make(&world.token());
        world.file(content);
    })
    .lacks(&["part(s)", "base64url without", "spirlctl"])
    .in_error(Subject)
}

fn text(name: &str, words: &[&str], make: impl Fn(&str) -> String + Send + Sync + 'static) -> Row {
    content(name, words, move |token| make(token).into_bytes())
}

fn missing(world: &mut World) {
    let path = world.dir.path().join("secrets/token");
    world.use_file(path);
}

pub(crate) fn rows() -> Vec<Row> {
    let pem = |label: &'static str| {
        move |_: &str| format!("-----BEGIN {label}-----\nMIIBszCCAVmgAwIB\n-----END {label}-----\n")
    };
    vec![
        row(
            "no file",
            "source",
            &["it is not there", "sidecar", "secrets does not", "mounted"],
            missing,
        )
        .in_error(Subject),
        row(
            "a directory",
            "configuration",
            &["is a directory", "name the file in it"],
            |world| {
                let path = world.dir.path().to_owned();
                world.use_file(path);
            },
        ),
        row("a mebibyte", "source", &["larger than 64 KiB"], |world| {
            world.file("a".repeat(1 << 20));
        })
        .in_error(Subject),
        row("an empty file", "svid_alg", &["it is empty"], |world| {
            world.file("\n")
        })
        .in_error(Subject),
        row("half a token", "svid_alg", &["not a JWT"], |world| {
            let token = world.token();
            world.file(&token[..token.len() / 2]);
        })
        .in_error(Subject),
        row(
            "readable by others",
            "source",
            &["readable by others", "0600"],
            |world| {
                let token = world.token();
                world.file(token);
                let path = world.dir.path().join("token");
                let mode = std::fs::Permissions::from_mode(0o644);
                std::fs::set_permissions(path, mode).expect("allowed");
            },
        )
        .warns(),
        text(
            "a certificate",
            &["it is a certificate (PEM)", "X.509-SVID"],
            pem("CERTIFICATE"),
        ),
        text(
            "a private key",
            &["it is a private key (PEM)"],
            pem("PRIVATE KEY"),
        ),
        text(
            "JSON",
            &["it is JSON with a token inside", "token alone"],
            |token| format!(r#"{{"access_token":"{token}"}}"#),
        ),
        text(
            "JSON of spire-agent",
            &["the whole output of `spire-agent api fetch jwt`"],
            |token| format!(r#"[{{"svids":[{{"svid":"{token}"}}]}}]"#),
        ),
        text(
            "the output of spire-agent",
            &[
                "the whole output of `spire-agent api fetch jwt`",
                "endpoint_socket",
            ],
            |token| format!("token(spiffe://a/b):\n\t{token}\nbundle(spiffe://a):\n\t{{}}\n"),
        ),
        text("Bearer", &["`Bearer …`", "without `Bearer`"], |token| {
            format!("Bearer {token}\n")
        }),
        text("an assignment", &["an assignment"], |token| {
            format!("TOKEN={token}\n")
        }),
        text("two tokens", &["more than one token"], |token| {
            format!("{token}\n{token}\n")
        }),
        text("wrapped lines", &["broken into lines"], |token| {
            let (head, tail) = token.split_at(76);
            format!("{head}\n{tail}\n")
        }),
        text("a comment behind it", &["other text beside it"], |token| {
            format!("{token} # mine")
        }),
        text("NULs", &["NUL bytes"], |token| {
            let (head, tail) = token.split_at(76);
            format!("{head}\0\0{tail}")
        }),
        text(
            "an API key",
            &["it is an API key", "svidex is not needed"],
            |_| "sk-proj-canary0123456789abcdef0123456789".to_owned(),
        ),
        text("an encrypted token", &["encrypted", "five parts"], |_| {
            "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo.48V1_ALb.5eym8TW.XFBoMY"
                .to_owned()
        }),
        text("a login page", &["HTML"], |_| {
            "<!DOCTYPE html><html>".to_owned()
        }),
        text("a SPIFFE ID", &["it is a SPIFFE ID"], |_| {
            "spiffe://example.org/x".to_owned()
        }),
        text("a path", &["a path or URL"], |_| {
            "/var/run/secrets/token".to_owned()
        }),
        row("UTF-16", "source", &["UTF-16", "UTF-8"], |world| {
            let wide: Vec<u8> = world
                .token()
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect();
            world.file([vec![0xff, 0xfe], wide].concat());
        })
        .in_error(Subject),
        row(
            "UTF-16 without a mark",
            "svid_alg",
            &["UTF-16", "UTF-8"],
            |world| {
                let wide: Vec<u8> = world
                    .token()
                    .encode_utf16()
                    .flat_map(u16::to_le_bytes)
                    .collect();
                world.file(wide);
            },
        )
        .in_error(Subject),
    ]
}
