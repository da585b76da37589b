//! Token text, and what must not hold any.

/// Panics if any 12 characters in a row of `token` stand in `text`.
pub(crate) fn assert_no_piece_of(token: &str, text: &str, what: &str) {
    for piece in token.as_bytes().windows(12) {
        let piece = std::str::from_utf8(piece).expect("tokens are ASCII");
        assert!(!text.contains(piece), "{what}: token text in {text}");
    }
}
