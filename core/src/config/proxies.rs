//! Which proxy is on the way to a URL: the variables that curl, Go and the SDKs
//! read, in the forms that they take.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use url::Url;

use super::Environment;
use crate::error::Error;

/// The first that is set counts. The last two speak for every scheme.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// What the variables say. A value that cannot be used matters to those alone
/// who would go through it.
#[derive(Clone, Default)]
pub(crate) struct Proxies {
    proxy: Option<Result<Arc<Proxy>, Error>>,
    direct: Option<Result<Direct, Error>>,
}

impl Proxies {
    /// This one on every way.
    pub(super) fn always(proxy: Proxy) -> Self {
        Self {
            proxy: Some(Ok(Arc::new(proxy))),
            direct: None,
        }
    }

    pub(super) fn read(env: &Environment) -> Self {
        let proxy = env.first(&VARIABLES).transpose().map(|found| {
            let (variable, value) = found?;
            parse_proxy(variable, &value).map(Arc::new)
        });
        let direct = env.first(&["NO_PROXY", "no_proxy"]).transpose();
        Self {
            proxy,
            direct: direct.map(|found| found.map(|(_, list)| Direct::parse(&list))),
        }
    }

    /// The proxy to go through, if any. Without TLS there is nothing to tunnel,
    /// and a proxy would see the token.
    pub(crate) fn towards(&self, url: &Url) -> Result<Option<&Arc<Proxy>>, Error> {
        let (Some(proxy), "https") = (&self.proxy, url.scheme()) else {
            return Ok(None);
        };
        match &self.direct {
            Some(Ok(direct)) if direct.covers(url) => return Ok(None),
            Some(Err(error)) => return Err(error.clone()),
            _ => {}
        }
        proxy.as_ref().map(Some).map_err(Clone::clone)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
    /// The proxy looks the name up itself, also where curl would do that here
    /// (`socks5` without the h): so Go has it, and there names are known.
    Socks5,
}

/// A proxy that can be gone through. Its `Display` is for messages: host and
/// port, and the variable that names it; no user, no password.
pub(crate) struct Proxy {
    pub(crate) scheme: Scheme,
    /// IPv6 literals stand in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// User and password, decoded.
    pub(crate) credentials: Option<(String, String)>,
    variable: &'static str,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            port,
            variable,
            ..
        } = self;
        write!(f, "the proxy {host}:{port} ({variable})")
    }
}

pub(crate) fn parse_proxy(variable: &'static str, value: &str) -> Result<Proxy, Error> {
    // curl, Go and Python all take `host:port` for an http proxy.
    let value = value.trim();
    let text = match value.contains("://") {
        true => value.to_owned(),
        false => format!("http://{value}"),
    };
    // The value may hold a password: no part of it is quoted.
    let bad = || {
        Error::invalid_config(format!(
            "{variable} is not a proxy URL: write http://host:port, and in a user name or password \
             %40 for @, %3A for :, %2F for /, %23 for #"
        ))
    };
    let url = Url::parse(&text).map_err(|_| bad())?;
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(bad)?;
    let (scheme, default_port) = match url.scheme() {
        "http" => (Scheme::Http, 80),
        "https" => (Scheme::Https, 443),
        "socks5" | "socks5h" => (Scheme::Socks5, 1080),
        other => {
            return Err(Error::invalid_config(format!(
                "{variable}: a {other}:// proxy is not supported; use one of http://, https://, \
                 socks5:// and socks5h://"
            )));
        }
    };
    let decoded = |text| {
        let text = percent_decode_str(text).decode_utf8().map_err(|_| bad())?;
        // Of a header, or of a length byte.
        match text.len() < 256 && !text.contains(char::is_control) {
            true => Ok(text.into_owned()),
            false => Err(bad()),
        }
    };
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => Some((decoded(user)?, decoded(password.unwrap_or_default())?)),
    };
    Ok(Proxy {
        scheme,
        host: host.to_owned(),
        port: url.port().unwrap_or(default_port),
        credentials,
        variable,
    })
}

/// `NO_PROXY`: the hosts that are reached without one.
#[derive(Clone, Debug)]
struct Direct(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    host: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum Hosts {
    All,
    /// This one, and all below it.
    Name(String),
    /// All below it.
    Below(String),
    /// An address, as far as this many bits.
    Network(IpAddr, u32),
}

impl Direct {
    fn parse(list: &str) -> Self {
        let separators = |c: char| c == ',' || c.is_whitespace();
        let entries = list.split(separators).filter(|entry| !entry.is_empty());
        Self(entries.map(Entry::parse).collect())
    }

    fn covers(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default();
        let address = bare(host).parse::<IpAddr>().ok();
        let name = host.trim_end_matches('.');
        self.0.iter().any(|entry| {
            let below = |parent: &str| {
                let rest = name.strip_suffix(parent);
                rest.is_some_and(|rest| rest.ends_with('.'))
            };
            let host_is = match (&entry.host, address) {
                (Hosts::All, _) => true,
                (Hosts::Network(network, bits), Some(address)) => {
                    within(address.to_canonical(), *network, *bits)
                }
                (Hosts::Name(parent), None) => name == parent || below(parent),
                (Hosts::Below(parent), None) => below(parent),
                _ => false,
            };
            host_is && (entry.port.is_none() || entry.port == port)
        })
    }
}

impl Entry {
    fn parse(text: &str) -> Self {
        if text == "*" {
            return Self {
                host: Hosts::All,
                port: None,
            };
        }
        if let Some(host) = network(text) {
            return Self { host, port: None };
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => match port.parse() {
                Ok(port) => (host, Some(port)),
                Err(_) => (text, None),
            },
            None => (text, None),
        };
        let host = network(host).unwrap_or_else(|| {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            match host.strip_prefix("*.") {
                Some(parent) => Hosts::Below(parent.to_owned()),
                None if host == "*" => Hosts::All,
                None => Hosts::Name(host.trim_start_matches('.').to_owned()),
            }
        });
        Self { host, port }
    }
}

/// An address or a network, if it is one.
fn network(text: &str) -> Option<Hosts> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = bare(address).parse().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(all);
    (bits <= all).then_some(Hosts::Network(address, bits))
}

fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differs = address.to_bits() ^ network.to_bits();
            differs.checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differs = address.to_bits() ^ network.to_bits();
            differs.checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// An IPv6 literal without its brackets.
fn bare(host: &str) -> &str {
    let inside = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    inside.unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(pairs: &[(&str, &str)]) -> Proxies {
        Proxies::read(&Environment::of(pairs))
    }

    fn towards(pairs: &[(&str, &str)], url: &str) -> Result<Option<String>, Error> {
        let proxies = proxies(pairs);
        let proxy = proxies.towards(&Url::parse(url).unwrap())?;
        Ok(proxy.map(ToString::to_string))
    }

    #[test]
    fn every_form_of_a_proxy() {
        let cases = [
            ("proxy:3128", Scheme::Http, "proxy", 3128, None),
            ("http://proxy", Scheme::Http, "proxy", 80, None),
            (" http://proxy:8080/ ", Scheme::Http, "proxy", 8080, None),
            ("HTTPS://Proxy", Scheme::Https, "proxy", 443, None),
            ("[::1]:3128", Scheme::Http, "[::1]", 3128, None),
            ("http://[fd00::1]", Scheme::Http, "[fd00::1]", 80, None),
            ("10.0.0.1:80", Scheme::Http, "10.0.0.1", 80, None),
            ("socks5://proxy", Scheme::Socks5, "proxy", 1080, None),
            ("socks5h://[::1]:9", Scheme::Socks5, "[::1]", 9, None),
            (
                "me:pass@proxy:1",
                Scheme::Http,
                "proxy",
                1,
                Some(("me", "pass")),
            ),
            (
                "http://corp%5Cme:p%40s%3As@proxy:1",
                Scheme::Http,
                "proxy",
                1,
                Some(("corp\\me", "p@s:s")),
            ),
            (
                "http://me@proxy",
                Scheme::Http,
                "proxy",
                80,
                Some(("me", "")),
            ),
        ];
        for (value, scheme, host, port, credentials) in cases {
            let proxy = parse_proxy("HTTPS_PROXY", value).unwrap();
            assert_eq!(proxy.scheme, scheme, "{value}");
            assert_eq!(proxy.host, host, "{value}");
            assert_eq!(proxy.port, port, "{value}");
            let got = proxy.credentials.as_ref();
            let got = got.map(|(user, password)| (user.as_str(), password.as_str()));
            assert_eq!(got, credentials, "{value}");
            let shown = format!("the proxy {host}:{port} (HTTPS_PROXY)");
            assert_eq!(proxy.to_string(), shown, "{value}");
        }
        for value in [
            "http://",
            "socks4://p",
            "ftp://p",
            "my secret",
            "a:secret#@p:1",
        ] {
            let error = parse_proxy("HTTPS_PROXY", value).err().expect(value);
            assert!(error.message().contains("HTTPS_PROXY"), "{error}");
            assert!(!error.message().contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_first_variable_that_is_set() {
        let url = "https://api.example/x";
        let all = [
            ("all_proxy", "d"),
            ("ALL_PROXY", "c"),
            ("https_proxy", "b"),
            ("HTTPS_PROXY", "a"),
        ];
        for (from, host) in [(0, "a"), (1, "b"), (2, "c"), (3, "d")] {
            let proxy = towards(&all[..4 - from], url).unwrap().unwrap();
            assert!(
                proxy.starts_with(&format!("the proxy {host}:80")),
                "{proxy}"
            );
        }
        assert_eq!(towards(&[("HTTP_PROXY", "a")], url).unwrap(), None);
        assert_eq!(towards(&all, "http://127.0.0.1/x").unwrap(), None);
    }

    #[test]
    fn a_proxy_that_cannot_be_used_matters_only_on_the_way_through_it() {
        let bad = ("HTTPS_PROXY", "socks4://proxy");
        let url = "https://api.example/x";
        assert!(towards(&[bad], url).is_err());
        for covered in ["*", "api.example"] {
            let way = towards(&[bad, ("NO_PROXY", covered)], url);
            assert_eq!(way.unwrap(), None, "{covered}");
        }
        assert_eq!(towards(&[bad], "http://127.0.0.1/x").unwrap(), None);
    }

    #[test]
    fn every_form_of_an_exception() {
        let cases = [
            ("https://api.example/x", "api.example", true),
            ("https://api.example/x", "API.Example.", true),
            ("https://api.example./x", "api.example", true),
            ("https://a.api.example/x", "api.example", true),
            ("https://a.api.example/x", ".api.example", true),
            ("https://api.example/x", ".api.example", true),
            ("https://a.api.example/x", "*.api.example", true),
            ("https://api.example/x", "*.api.example", false),
            ("https://api.example/x", "example", true),
            ("https://myapi.example/x", "api.example", false),
            ("https://api.example.org/x", "api.example", false),
            ("https://api.example/x", "api.example:443", true),
            ("https://api.example/x", "api.example:8443", false),
            ("https://api.example:8443/x", "api.example:8443", true),
            ("https://api.example/x", "other, api.example", true),
            ("https://api.example/x", "other api.example", true),
            ("https://api.example/x", "other,\tapi.example,", true),
            ("https://api.example/x", "*", true),
            ("https://10.1.2.3/x", "*", true),
            ("https://10.1.2.3/x", "10.1.2.3", true),
            ("https://10.1.2.3/x", "10.1.2.3:443", true),
            ("https://10.1.2.3/x", "10.1.2.3:1", false),
            ("https://10.1.2.3/x", "10.0.0.0/8", true),
            ("https://11.1.2.3/x", "10.0.0.0/8", false),
            ("https://11.1.2.3/x", "0.0.0.0/0", true),
            ("https://10.1.2.3/x", "10.1.2.3/33", false),
            ("https://[::1]/x", "[::1]", true),
            ("https://[::1]/x", "::1", true),
            ("https://[::1]:8443/x", "[::1]:8443", true),
            ("https://[::1]:8443/x", "[::1]:443", false),
            ("https://[fd00::5]/x", "fd00::/8", true),
            ("https://[fe00::5]/x", "fd00::/8", false),
            ("https://[fe00::5]/x", "::/0", true),
            ("https://api.example/x", "", false),
            ("https://api.example/x", ",", false),
        ];
        for (url, list, covered) in cases {
            let url = Url::parse(url).unwrap();
            assert_eq!(Direct::parse(list).covers(&url), covered, "{url} {list}");
        }
    }
}
