//! Where OpenAI can ask for an issuer's keys: nowhere but on the internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Who can reach a host, by its name or address alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Internet,
    /// And why not.
    Inside(&'static str),
}

impl Scope {
    pub(super) fn of(url: &Url) -> Self {
        match url.host() {
            Some(Host::Ipv4(address)) => Self::of_ip(address.into()),
            Some(Host::Ipv6(address)) => Self::of_ip(address.into()),
            Some(Host::Domain(name)) => Self::of_name(name),
            None => Self::Inside("it names no host"),
        }
    }

    /// RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`, and what clusters use.
    fn of_name(name: &str) -> Self {
        const LAST: [&str; 9] = [
            "local",
            "internal",
            "svc",
            "localdomain",
            "lan",
            "home",
            "corp",
            "intranet",
            "test",
        ];
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let labels: Vec<_> = name.split('.').collect();
        match labels.last() {
            Some(&"localhost") => Self::Inside("it is this host itself"),
            _ if labels.len() == 1 => {
                Self::Inside("a name without a dot is known inside a network alone")
            }
            Some(last) if LAST.contains(last) => {
                Self::Inside("names that end like that are known inside a network or cluster alone")
            }
            _ if name.ends_with(".home.arpa") => {
                Self::Inside("names that end like that are known inside a network or cluster alone")
            }
            _ => Self::Internet,
        }
    }

    pub(super) fn of_ip(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    pub(super) fn why_not(self) -> Option<&'static str> {
        match self {
            Self::Internet => None,
            Self::Inside(why) => Some(why),
        }
    }
}

/// IANA's registry of special-purpose IPv4 addresses (RFC 6890).
fn of_v4(address: Ipv4Addr) -> Scope {
    let [a, b, c, _] = address.octets();
    match () {
        () if address.is_loopback() || a == 0 => Scope::Inside("it is this host itself"),
        () if address.is_private() => Scope::Inside("it is a private address"),
        () if address.is_link_local() => Scope::Inside("it is a link-local address"),
        () if a == 100 && b & 0xc0 == 64 => {
            Scope::Inside("it is an address behind a carrier's NAT (100.64.0.0/10)")
        }
        () if address.is_documentation()
            || (a, b, c) == (192, 0, 0)
            || a == 198 && b & 0xfe == 18
            || a >= 224 =>
        {
            Scope::Inside("it is an address that is not routed on the internet")
        }
        () => Scope::Internet,
    }
}

fn of_v6(address: Ipv6Addr) -> Scope {
    let first = address.segments()[0];
    match () {
        () if address.is_loopback() || address.is_unspecified() => {
            Scope::Inside("it is this host itself")
        }
        () if first & 0xfe00 == 0xfc00 => Scope::Inside("it is a private address"),
        () if first & 0xffc0 == 0xfe80 => Scope::Inside("it is a link-local address"),
        // All that has been given out is in 2000::/3, and 2001:db8::/32 is for documents.
        () if first & 0xe000 != 0x2000 || address.segments()[..2] == [0x2001, 0xdb8] => {
            Scope::Inside("it is an address that is not routed on the internet")
        }
        () => Scope::Internet,
    }
}

/// Why a document of this issuer's must not send anybody to `url`: who asks for it
/// stands inside a network that the issuer does not.
pub(super) fn leads_inside(issuer: &Url, url: &Url) -> Option<&'static str> {
    let is_elsewhere = issuer.host() != url.host();
    let is_public = Scope::of(issuer) == Scope::Internet;
    Scope::of(url)
        .why_not()
        .filter(|_| is_elsewhere && is_public)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_internet_is_told_from_what_is_not() {
        for (host, is_public) in [
            ("issuer.example.com", true),
            ("oidc-discovery.example.org.", true),
            ("localhost.example.com", true),
            ("local.example.com", true),
            ("localhost", false),
            ("a.localhost", false),
            ("spire-oidc", false),
            ("spire-oidc.spire", true),
            ("spire-oidc.spire.svc", false),
            ("spire-oidc.spire.svc.cluster.local", false),
            ("issuer.LOCAL", false),
            ("issuer.corp.internal", false),
            ("router.home.arpa", false),
            ("8.8.8.8", true),
            ("127.0.0.1", false),
            ("127.9.9.9", false),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("172.16.0.1", false),
            ("172.32.0.1", true),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("0x7f.1", false),
            ("2130706433", false),
            ("[::1]", false),
            ("[::]", false),
            ("[fd00::1]", false),
            ("[fe80::1]", false),
            ("[::ffff:10.0.0.1]", false),
            ("[::ffff:8.8.8.8]", true),
            ("[2606:4700::1]", true),
            ("[2001:db8::1]", false),
        ] {
            let url = Url::parse(&format!("https://{host}/keys")).unwrap();
            let scope = Scope::of(&url);
            assert_eq!(scope == Scope::Internet, is_public, "{host}: {scope:?}");
        }
    }

    #[test]
    fn a_document_leads_no_further_inside_than_its_issuer_is() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (issuer, keys, refused) in [
            (
                "https://issuer.example.com",
                "https://issuer.example.com/keys",
                false,
            ),
            (
                "https://issuer.example.com",
                "https://keys.example.net/",
                false,
            ),
            (
                "https://issuer.example.com",
                "http://127.0.0.1:9/admin?x",
                true,
            ),
            (
                "https://issuer.example.com",
                "https://169.254.169.254/",
                true,
            ),
            (
                "https://issuer.example.com",
                "https://vault.corp.internal/",
                true,
            ),
            ("https://issuer.example.com", "https://[::1]/", true),
            ("https://127.0.0.1:1/", "http://127.0.0.1:2/keys", false),
            (
                "https://spire-oidc.spire.svc",
                "https://10.0.0.7/keys",
                false,
            ),
        ] {
            let found = leads_inside(&url(issuer), &url(keys));
            assert_eq!(found.is_some(), refused, "{issuer} {keys}: {found:?}");
        }
    }
}
