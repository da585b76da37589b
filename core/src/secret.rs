//! Token text in memory.

use std::fmt;

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
fn without_pieces(text: &str, secret: &str) -> String {
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

/// A JWT begins with `eyJ` (base64url of `{"`); an opaque token is one long run
/// of the characters of RFC 6750 §2.1 with no separator that words have.
fn looks_like_a_token(word: &str) -> bool {
    if word.contains("eyJ") {
        return true;
    }
    let mut run = 0;
    word.bytes().any(|byte| {
        let in_token = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'=');
        run = if in_token { run + 1 } else { 0 };
        run >= 48
    })
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

    #[test]
    fn names_stay_whole_on_one_line() {
        let kid = "0123abcd".repeat(8);
        assert_eq!(one_line(&kid), kid);
        assert_eq!(one_line("a\u{1b}[31m\nb\u{202e}c"), "a[31m bc");
        assert!(one_line(&"x".repeat(5_000)).len() < 320);
    }
}
