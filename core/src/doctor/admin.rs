//! What an administrator has set on the OpenAI Platform: the Workload Identity Provider
//! and its mappings, read with an admin key from the organization's endpoints. Nothing
//! depends on them: what cannot be read here is said, and stands in nobody's way.

use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::report::Check;
use crate::config::{Environment, is_loopback};
use crate::http::{Client, Progress, Request};
use crate::secret::{Secret, without_pieces};

const API: &str = "https://api.openai.com/v1";
const PROVIDERS: [&str; 2] = ["organization", "workload_identity_providers"];
/// Small enough for the bound on an answer's size, with long names and descriptions.
const PAGE: usize = 20;
/// A provider has 50 mappings at most, an organization 50 providers.
const MOST_PAGES: usize = 10;

/// A key, and where alone it is sent.
pub(super) struct AdminKey {
    key: Secret,
    api: Url,
}

/// What the Platform has for the provider that is configured.
pub(super) struct Platform {
    pub(super) provider: Provider,
    /// Or why they are not known.
    pub(super) rules: Result<Vec<Value>, String>,
}

pub(super) enum Provider {
    Found(Value),
    /// The organization has no such one; these it has, as far as they could be read.
    Missing(Vec<Value>),
}

impl AdminKey {
    /// From the environment variable `name`. The words of an error repeat neither what
    /// the variable holds nor a name that may be a key itself.
    pub(super) fn of_variable(name: &str) -> Result<Self, String> {
        let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || name.len() > 128 || !name.bytes().all(in_name) {
            return Err(
                "admin_key_env is not the name of an environment variable (letters, digits and _; \
                 it is not repeated here): it takes the name of the variable that holds the key, \
                 never the key"
                    .to_owned(),
            );
        }
        let is_usual =
            |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let shown = match name.len() <= 64 && name.bytes().all(is_usual) {
            true => format!("the environment variable {name}"),
            false => "the environment variable that admin_key_env names".to_owned(),
        };
        let value = Environment::variable(name).ok_or_else(|| format!("{shown} is not set"))?;
        let value = value.to_str().map(|value| Secret::new(value.trim()));
        let Some(Ok(key)) = value else {
            return Err(format!(
                "{shown} holds no key: it has bytes that no header may carry"
            ));
        };
        let base = Environment::variable("OPENAI_BASE_URL").unwrap_or_default();
        Ok(Self {
            key,
            api: api_of(&base.to_string_lossy()),
        })
    }

    /// For tests, which have an API of their own.
    pub(super) fn at(key: &str, base: &str) -> Result<Self, String> {
        let key = Secret::new(key).map_err(|_| "no key".to_owned())?;
        Ok(Self {
            key,
            api: api_of(base),
        })
    }

    /// Everything, within `limit`.
    pub(super) async fn look(
        &self,
        client: &Client,
        provider_id: &str,
        limit: Duration,
    ) -> Result<Platform, String> {
        let asked = self.platform(client, provider_id);
        match tokio::time::timeout(limit, asked).await {
            Ok(found) => found,
            Err(_) => Err(format!(
                "{} did not answer within {} s",
                self.api,
                limit.as_secs_f64()
            )),
        }
    }

    async fn platform(&self, client: &Client, provider_id: &str) -> Result<Platform, String> {
        let url = self.url(&[provider_id]);
        let provider = match self.get(client, &url).await? {
            Some(provider) if provider["id"] == provider_id => Provider::Found(provider),
            Some(_) => return Err(format!("{url}: what answers describes something else")),
            None => {
                let others = self.pages(client, &self.url(&[])).await.unwrap_or_default();
                return Ok(Platform {
                    provider: Provider::Missing(others),
                    rules: Err("there is no such provider".to_owned()),
                });
            }
        };
        let rules = self.url(&[provider_id, "federation_rules"]);
        Ok(Platform {
            provider,
            rules: self.pages(client, &rules).await,
        })
    }

    fn url(&self, rest: &[&str]) -> Url {
        let mut url = self.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(PROVIDERS).extend(rest);
        }
        url
    }

    /// All of a list.
    async fn pages(&self, client: &Client, url: &Url) -> Result<Vec<Value>, String> {
        let mut all = Vec::new();
        let mut after = None::<String>;
        for _ in 0..MOST_PAGES {
            let mut page = url.clone();
            page.query_pairs_mut()
                .append_pair("limit", &PAGE.to_string());
            if let Some(after) = &after {
                page.query_pairs_mut().append_pair("after", after);
            }
            let answer = self.get(client, &page).await?;
            let answer = answer.ok_or_else(|| format!("{url} answers HTTP 404"))?;
            let Some(data) = answer["data"].as_array() else {
                return Err(format!("{url}: the answer has no list of `data`"));
            };
            all.extend(data.iter().cloned());
            let last = answer["last_id"].as_str();
            let last = last.or_else(|| data.last().and_then(|it| it["id"].as_str()));
            match last.filter(|&last| after.as_deref() != Some(last)) {
                Some(last) if answer["has_more"] == true => after = Some(last.to_owned()),
                // One that promises more and says not after what would be asked for ever.
                _ => return Ok(all),
            }
        }
        Ok(all)
    }

    /// `None` for what is not there.
    async fn get(&self, client: &Client, url: &Url) -> Result<Option<Value>, String> {
        let request = Request {
            method: Method::GET,
            url,
            body: Vec::new(),
            bearer: Some(&self.key),
            only_internet: false,
        };
        let answer = client.send(request, &Progress::default()).await;
        let answer = answer.map_err(|fault| format!("{url}: {fault}"))?;
        let status = answer.status;
        match status {
            StatusCode::OK => {}
            // What a proxy says in HTML is about another address.
            StatusCode::NOT_FOUND if is_json(&answer.body) => return Ok(None),
            StatusCode::UNAUTHORIZED => {
                return Err(format!(
                    "{url} answers HTTP 401: the key is not one of OpenAI's admin keys, or no longer"
                ));
            }
            StatusCode::FORBIDDEN => {
                return Err(format!(
                    "{url} answers HTTP 403: the key may not read this (it takes an admin key of an \
                     administrator of that organization)"
                ));
            }
            _ if status.is_redirection() => {
                return Err(format!(
                    "{url} answers HTTP {} (a redirect: the key is not sent along one)",
                    status.as_u16()
                ));
            }
            _ => return Err(format!("{url} answers HTTP {}", status.as_u16())),
        }
        let body = answer.body.map_err(|fault| format!("{url}: {fault}"))?;
        let parsed = serde_json::from_slice::<Value>(&body);
        match parsed {
            Ok(value @ Value::Object(_)) => Ok(Some(value)),
            _ => Err(format!("{url}: the answer is not a JSON object")),
        }
    }

    /// Words of who has seen the key: they may have it in them.
    pub(super) fn scrub(&self, check: &mut Check) {
        let words = std::iter::once(&mut check.seen).chain(&mut check.advice);
        words.for_each(|words| *words = without_pieces(words, self.key.expose()));
    }
}

fn is_json<B: AsRef<[u8]>, E>(body: &Result<B, E>) -> bool {
    let body = body.as_ref().ok();
    body.is_some_and(|body| serde_json::from_slice::<Value>(body.as_ref()).is_ok())
}

/// Where the key goes: to OpenAI's API, one of its regions, or to an emulator on this
/// host. A gateway that `OPENAI_BASE_URL` names for model calls gets no admin key.
fn api_of(base: &str) -> Url {
    let fits = |url: &Url| {
        let host = url.host_str().unwrap_or_default();
        let is_openai = host == "api.openai.com" || host.ends_with(".api.openai.com");
        url.username().is_empty()
            && url.password().is_none()
            && (url.scheme() == "https" && (is_openai || is_loopback(url))
                || url.scheme() == "http" && is_loopback(url))
    };
    let named = Url::parse(base.trim()).ok().filter(fits);
    let mut url = named.unwrap_or_else(openai);
    url.set_query(None);
    url.set_fragment(None);
    url
}

#[allow(clippy::expect_used, reason = "a constant, which a test parses")]
fn openai() -> Url {
    Url::parse(API).expect("a URL")
}

/// As the report has it.
pub(super) type Looked = Result<Platform, String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_goes_to_openai_or_to_this_host() {
        for (base, host) in [
            ("", "api.openai.com"),
            ("https://eu.api.openai.com/v1", "eu.api.openai.com"),
            ("https://gateway.example/v1", "api.openai.com"),
            ("https://api.openai.com.example/v1", "api.openai.com"),
            ("https://evilapi.openai.com.example", "api.openai.com"),
            ("http://api.openai.com/v1", "api.openai.com"),
            ("https://me@api.openai.com/v1", "api.openai.com"),
            ("http://127.0.0.1:7/v1", "127.0.0.1"),
            ("no URL", "api.openai.com"),
        ] {
            let api = api_of(base);
            assert_eq!(api.host_str(), Some(host), "{base}");
            assert!(api.username().is_empty(), "{base}");
        }
    }

    #[test]
    fn a_key_in_place_of_a_name_is_not_repeated() {
        for name in ["", "sk-admin-canary", "sk_admin_canary", "CANARY=x", "a b"] {
            let Err(words) = AdminKey::of_variable(name) else {
                panic!("{name} is no variable");
            };
            assert!(!words.to_lowercase().contains("canary"), "{words}");
        }
        let words = AdminKey::of_variable("SVIDEX_NO_SUCH_KEY").err().unwrap();
        assert!(words.contains("SVIDEX_NO_SUCH_KEY is not set"), "{words}");
    }

    #[test]
    fn an_id_is_one_part_of_the_path() {
        let key = AdminKey::at("k", "http://127.0.0.1:7/v1/").unwrap();
        assert_eq!(
            key.url(&["a/../b?c", "federation_rules"]).as_str(),
            "http://127.0.0.1:7/v1/organization/workload_identity_providers/a%2F..%2Fb%3Fc/federation_rules"
        );
    }
}
