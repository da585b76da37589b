//! SPIFFE IDs, judged by the rules of the SPIFFE ID standard (sections 2 and 3).

/// The path of a SPIFFE ID and the trust domain it belongs to, borrowed from the
/// text that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpiffeId<'a> {
    /// The name after `spiffe://`.
    pub(crate) trust_domain: &'a str,
    /// Empty, or a slash and what follows.
    pub(crate) path: &'a str,
}

impl<'a> SpiffeId<'a> {
    /// Checks `text`.
    ///
    /// # Errors
    /// The rule that it breaks, in words.
    pub(crate) fn parse(text: &'a str) -> Result<Self, &'static str> {
        let rest = text
            .strip_prefix("spiffe://")
            .ok_or("scheme is missing or invalid")?;
        let (trust_domain, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        if trust_domain.is_empty() {
            return Err("trust domain is missing");
        }
        let in_name = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_');
        if !trust_domain.bytes().all(in_name) {
            return Err(
                "trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores",
            );
        }
        if path.ends_with('/') {
            return Err("path cannot have a trailing slash");
        }
        path.split('/').skip(1).try_for_each(check_segment)?;
        Ok(Self { trust_domain, path })
    }
}

fn check_segment(segment: &str) -> Result<(), &'static str> {
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    match segment {
        "" => Err("path cannot contain empty segments"),
        "." | ".." => Err("path cannot contain dot segments"),
        _ if segment.bytes().all(in_path) => Ok(()),
        _ => Err(
            "path segment characters are limited to letters, numbers, dots, dashes, and underscores",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::SpiffeId;

    #[test]
    fn accepts_what_the_standard_allows() {
        let id = SpiffeId::parse("spiffe://example.org/ns/a_B-c.d/sa/1").expect("valid");
        assert_eq!(
            (id.trust_domain, id.path),
            ("example.org", "/ns/a_B-c.d/sa/1")
        );
        assert_eq!(SpiffeId::parse("spiffe://td").expect("valid").path, "");
    }

    #[test]
    fn names_the_rule_that_is_broken() {
        for (text, rule) in [
            ("", "scheme"),
            ("https://example.org/a", "scheme"),
            ("spiffe:///a", "trust domain is missing"),
            ("spiffe://Example.org/a", "trust domain characters"),
            ("spiffe://example.org:80/a", "trust domain characters"),
            ("spiffe://example.org/", "trailing slash"),
            ("spiffe://example.org//a", "empty segments"),
            ("spiffe://example.org/../a", "dot segments"),
            ("spiffe://example.org/a b", "path segment characters"),
        ] {
            let error = SpiffeId::parse(text).expect_err(text);
            assert!(error.contains(rule), "{text}: {error}");
        }
    }
}
