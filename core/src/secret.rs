//! Token text in memory.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// Token text that is wiped when the last holder lets go of it.
///
/// Only visible ASCII gets in (a token goes into an HTTP header, RFC 9110 §5.5),
/// so no reader has to check again. A trailing NUL lets C borrow it in place. A
/// clone is a copy, of the right size at once, and wiped like the first.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<Box<str>>);

/// The text has a byte that may not appear in a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotVisibleAscii;

impl Secret {
    /// Takes a copy of `text`. The caller wipes its own.
    pub(crate) fn new(text: &str) -> Result<Self, NotVisibleAscii> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NotVisibleAscii);
        }
        // Sized once: a growing buffer would leave unwiped copies behind.
        let mut with_nul = String::with_capacity(text.len() + 1);
        with_nul.push_str(text);
        with_nul.push('\0');
        Ok(Self(Zeroizing::new(with_nul.into_boxed_str())))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0[..self.0.len() - 1]
    }

    /// The text and the NUL behind it.
    pub(crate) fn expose_with_nul(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

const REDACTED: &str = "[redacted]";

/// Removes token text from words that came from outside (an error description,
/// say): `secret` and every piece of it, and whatever else looks like a token. The
/// rest is made fit to print: one line, no control characters, bounded.
pub(crate) fn printable(words: &str, secret: &str) -> String {
    // Far more than is shown, and little enough to search at leisure.
    const LIMIT: usize = 4_096;
    let words = &words[..boundary(words, LIMIT)];
    // On one line first: a token with control characters in it is whole again
    // once they are gone.
    let line = plain(words);
    line_of(&without_pieces(&line, secret), looks_like_a_token)
}

/// `text` without any run of characters that also stands in `secret`: what
/// echoes a token may echo a part of it.
pub(crate) fn without_pieces(text: &str, secret: &str) -> String {
    // Shorter runs are there by chance.
    const PIECE: usize = 12;
    let piece = secret.len().min(PIECE);
    if piece == 0 {
        return text.to_owned();
    }
    let mut kept = String::with_capacity(text.len());
    let mut redacted_to = 0;
    for (at, c) in text.char_indices() {
        // A window that ends inside a character stands in no token: those are ASCII.
        let found = text
            .get(at..at + piece)
            .is_some_and(|window| secret.contains(window));
        if found {
            if at >= redacted_to {
                kept.push_str(REDACTED);
            }
            redacted_to = at + piece;
        } else if at >= redacted_to {
            kept.push(c);
        }
    }
    kept
}

/// Makes a name from outside (a claim, say) fit to print, like [`printable`],
/// but whole: key IDs and SPIFFE IDs can look like tokens.
pub(crate) fn one_line(name: &str) -> String {
    line_of(&plain(name), |_| false)
}

/// `text` on one line, without what disturbs a line.
fn plain(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        let kept: String = word.chars().filter(|&c| is_plain(c)).collect();
        kept
    });
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// At most 300 bytes of a line, without the words that are secret.
fn line_of(text: &str, is_secret: impl Fn(&str) -> bool) -> String {
    const LIMIT: usize = 300;
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(if is_secret(word) { REDACTED } else { word });
        if line.len() > LIMIT {
            line.truncate(boundary(&line, LIMIT));
            line.push('…');
            break;
        }
    }
    line
}

/// Where to cut `text`, not inside a character and after at most `limit` bytes.
fn boundary(text: &str, limit: usize) -> usize {
    let mut cuts = (0..=limit.min(text.len())).rev();
    cuts.find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Neither a control character nor one that turns the direction of a line.
fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether `word`, which came from outside, had better not be shown. What only may
/// be a token counts as one here: a word too few is no loss.
fn looks_like_a_token(word: &str) -> bool {
    // An opaque token is one long run of the characters of RFC 6750 §2.1 with no
    // separator that words have.
    const OPAQUE: usize = 48;
    const KEY: usize = 8;
    word.contains("eyJ")
        || holds_a_token(word)
        || after_key_prefixes(word).any(|rest| run(rest) >= KEY)
        || longest_run(word, is_in_token) >= OPAQUE
}

/// Whether `text` holds a JWT or an API key, anywhere in it. For text of the user's
/// own that belongs to a setting: paths with long names in them (digests, UUIDs)
/// are none of that.
pub(crate) fn holds_a_token(text: &str) -> bool {
    holds_a_jwt(text) || holds_an_api_key(text) || holds_a_bearer(text)
}

/// Whether `text`, which should name a file, is or holds a token or an API key.
#[must_use]
pub fn is_no_path(text: &str) -> bool {
    holds_a_token(text) || is_a_bare_token(text.trim().trim_matches(['"', '\'']))
}

/// Whether `text` is nothing but what may be a token: one run of its characters,
/// longer than names are or marked as a key.
fn is_a_bare_token(text: &str) -> bool {
    const OPAQUE: usize = 48;
    const KEY: usize = 16;
    text.bytes().all(is_in_token)
        && (text.len() >= OPAQUE || has_key_prefix(text) && text.len() >= KEY)
}

/// Whether `text` begins as API keys do.
pub(crate) fn has_key_prefix(text: &str) -> bool {
    KEY_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}

/// Replaces the words of `text` that look like tokens or keys and leaves the rest as it
/// is, line ends included: for what a parser of arguments has to say.
#[must_use]
pub fn without_tokens(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut after_bearer = false;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let is_secret = looks_like_a_token(bare) || after_bearer && !bare.is_empty();
        kept.push_str(if is_secret { REDACTED } else { bare });
        kept.push_str(&word[bare.len()..]);
        if !bare.is_empty() {
            after_bearer = ends_with_bearer(bare);
        }
    }
    kept
}

/// OpenAI's keys and those of its sessions, and what else lies about in the
/// environment of a job.
const KEY_PREFIXES: [&str; 8] = [
    "sk-",
    "sess-",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "hvs.",
];

/// A JWT begins with the base64url of a JSON object. Half a JWT is as secret.
fn holds_a_jwt(text: &str) -> bool {
    // Of `{"`, and of a brace with white space behind it.
    let begins = |start: &'static str| text.match_indices(start);
    begins("ey")
        .chain(begins("ew"))
        .any(|(at, _)| begins_an_object(&text[at..]))
}

fn begins_an_object(text: &str) -> bool {
    // Nine bytes, as `{"alg":"E`: names that begin like it do not read like it.
    let head = text
        .get(..12)
        .and_then(|it| URL_SAFE_NO_PAD.decode(it).ok());
    head.is_some_and(|head| {
        let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
        let inside = head.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
        head.iter().all(is_text) && inside.is_some_and(|it| it.starts_with(b"\""))
    })
}

/// Words can begin like a key (`sk-learn`): what follows tells them apart.
fn holds_an_api_key(text: &str) -> bool {
    const KINDS: [&str; 4] = ["proj-", "svcacct-", "admin-", "ant-"];
    after_key_prefixes(text).any(|rest| {
        let kind = KINDS.iter().find_map(|kind| rest.strip_prefix(kind));
        let key = &rest[..run(rest)];
        longest_run(key, |byte| byte.is_ascii_alphanumeric()) >= 16
            || kind.is_some_and(|key| run(key) >= 8)
    })
}

/// What stands behind each beginning of a key.
fn after_key_prefixes(text: &str) -> impl Iterator<Item = &str> {
    let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    KEY_PREFIXES.iter().flat_map(move |prefix| {
        let at = text.match_indices(prefix).map(|(at, _)| at);
        // Dashes may be those of an option.
        let at = at.filter(move |&at| !text[..at].trim_end_matches('-').ends_with(in_word));
        at.map(|at| &text[at + prefix.len()..])
    })
}

/// What an Authorization header carries (RFC 6750 §2.1).
fn holds_a_bearer(text: &str) -> bool {
    let mut words = text.split_whitespace();
    words.any(ends_with_bearer) && words.next().is_some()
}

fn ends_with_bearer(word: &str) -> bool {
    const BEARER: &str = "bearer";
    let start = word.len().checked_sub(BEARER.len());
    let split = start.and_then(|at| word.split_at_checked(at));
    split.is_some_and(|(before, end)| {
        end.eq_ignore_ascii_case(BEARER) && !before.ends_with(|c: char| c.is_ascii_alphanumeric())
    })
}

fn is_in_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'=')
}

/// How long the part of a token is that `text` begins with.
fn run(text: &str) -> usize {
    let end = text.bytes().position(|byte| !is_in_token(byte));
    end.unwrap_or(text.len())
}

fn longest_run(text: &str, within: impl Fn(u8) -> bool) -> usize {
    let runs = text.as_bytes().split(|&byte| !within(byte));
    runs.map(<[u8]>::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_visible_ascii_is_a_secret() {
        assert_eq!(Secret::new("abc.def").unwrap().expose(), "abc.def");
        for text in ["", "a b", "a\nb", "a\0b", "é", "\u{7f}"] {
            assert_eq!(Secret::new(text).err(), Some(NotVisibleAscii), "{text:?}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new("canary").unwrap();
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(secret.expose_with_nul(), "canary\0");
    }

    #[test]
    fn printable_removes_tokens_and_bounds_the_length() {
        let words = printable("bad\r\n token eyJhbGciOi.x.y\u{7} and s3cr3t", "s3cr3t");
        assert_eq!(words, "bad token [redacted] and [redacted]");
        let opaque = "a1b2".repeat(20);
        assert_eq!(printable(&format!("got {opaque}."), ""), "got [redacted]");
        assert!(printable(&"word ".repeat(500), "").len() < 320);
        assert!(printable(&"ß".repeat(40_000), "").len() < 320);
    }

    #[test]
    fn printable_removes_pieces_of_a_secret_too() {
        let secret = "abcdefghijklmnopqrstuvwxyz0123456789";
        for (words, shown) in [
            ("at fghijklmnopqrstu here", "at [redacted] here"),
            ("(abcdefghijkl)", "([redacted])"),
            ("efghijklmnopZopqrstuvwxyz0", "[redacted]Z[redacted]"),
            ("abcdefghijklabcdefghijkl,", "[redacted][redacted],"),
            ("abcdefghijk is by chance", "abcdefghijk is by chance"),
            ("größe: abcdefghijklm", "größe: [redacted]"),
        ] {
            assert_eq!(printable(words, secret), shown);
        }
        assert_eq!(printable("words", ""), "words");
        assert_eq!(printable("abcdef\u{7f}\u{1b}ghijkl", secret), REDACTED);
    }

    /// `{"alg":"ES256"}`, `{ "typ":"JWT"}` and `{\n "alg"…`, each of them enough.
    const JWTS: [&str; 3] = [
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzcGlmZmU6Ly9hL2IifQ.c2ln",
        "eyAidHlwIjoiSldUIn0.e30.",
        "ewogImFsZyI6ICJFUzI1NiJ9",
    ];

    #[test]
    fn tokens_are_found_wherever_they_stand() {
        let keys = [
            "sk-proj-a1B2c3D4",
            "sk-0123456789abcdef0123",
            "sk-svcacct-abcd_efgh",
            "sess-abcdefghijklmnop",
            "Bearer abc",
            "bearer  x",
            "ghp_0123456789abcdefABCD",
        ];
        for token in JWTS.iter().chain(&keys) {
            for (before, after) in [
                ("", ""),
                ("/run/", "/token"),
                ("unix:///", ".sock"),
                ("\"", "\""),
                ("Authorization: ", ""),
                ("TOKEN=", " # mine"),
                ("--", ""),
            ] {
                let text = format!("{before}{token}{after}");
                assert!(holds_a_token(&text), "{text}");
                let shown = without_tokens(&format!("error: invalid value '{text}'\n\nUsage"));
                assert!(!shown.contains(token), "{shown}");
                assert!(shown.ends_with("\n\nUsage"), "{shown:?}");
            }
        }
    }

    #[test]
    fn long_names_are_no_tokens() {
        let digest = "0123456789abcdef".repeat(4);
        for name in [
            &format!("/var/lib/docker/overlay2/{digest}/merged/run/token"),
            "/var/lib/kubelet/pods/7b3a1f0e-5d0c-4c52-9d0e-0a1b2c3d4e5f/volumes/\
             kubernetes.io~projected/openai-token/token",
            "/srv/sk-learn-model-2024-11-25/token",
            "/opt/risk-0123456789abcdef0123/desk-proj-12345678/a-sk-proj-12345678",
            "/nix/store/mbb1xyyxz3lmq0nvj0z4bd1xdbyv53dk-svidex/token",
            "keyJournal_of_the_year_2024",
            "/home/bearer/token",
            "https://api.openai.com/v1",
            "spiffe://example.org/ns/inference/sa/worker",
            "idp_0123456789abcdef0123456789abcdef",
        ] {
            assert!(!holds_a_token(name), "{name}");
        }
        assert!(is_a_bare_token(&digest));
        assert!(is_a_bare_token("sk-this-is-a-secret"));
        assert!(!is_a_bare_token("sk-learn"));
        assert!(!is_a_bare_token(&format!("/{digest}")));
    }

    #[test]
    fn names_stay_whole_on_one_line() {
        let kid = "0123abcd".repeat(8);
        assert_eq!(one_line(&kid), kid);
        assert_eq!(one_line("a\u{1b}[31m\nb\u{202e}c"), "a[31m bc");
        assert!(one_line(&"x".repeat(5_000)).len() < 320);
    }
}
