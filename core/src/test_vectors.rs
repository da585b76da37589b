//! Reads `tests/vectors/*.json`.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One vector. Members that nobody knows are refused: a misspelt expectation
/// would otherwise pass for ever.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector<Given, Expected> {
    pub(crate) id: String,
    pub(crate) given: Given,
    pub(crate) expected: Expected,
}

/// What every expected error may say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Words {
    pub(crate) message_contains: Vec<String>,
    pub(crate) message_lacks: Vec<String>,
}

impl Words {
    pub(crate) fn check(&self, id: &str, message: &str) {
        for words in &self.message_contains {
            assert!(
                message.contains(words.as_str()),
                "{id}: no {words:?} in {message:?}"
            );
        }
        for words in &self.message_lacks {
            assert!(
                !message.contains(words.as_str()),
                "{id}: {words:?} in {message:?}"
            );
        }
    }
}

/// All vectors of a file, which must be at least `least`; remarks left out.
pub(crate) fn load<G: DeserializeOwned, E: DeserializeOwned>(
    text: &str,
    least: usize,
) -> Vec<Vector<G, E>> {
    let mut document: Value = serde_json::from_str(text).unwrap();
    strip_remarks(&mut document);
    let vectors: Vec<Vector<G, E>> = serde_json::from_value(document).unwrap();
    assert!(vectors.len() >= least, "only {} vectors", vectors.len());
    let mut ids: Vec<_> = vectors.iter().map(|vector| vector.id.as_str()).collect();
    ids.sort_unstable();
    for pair in ids.windows(2) {
        assert_ne!(pair[0], pair[1], "an id twice");
    }
    vectors
}

fn strip_remarks(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !name.starts_with('_'));
            members.values_mut().for_each(strip_remarks);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_remarks),
        _ => {}
    }
}

/// Texts too long for a file that people read: `{"text": "a", "times": 4097}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Text {
    Plain(String),
    Repeated { text: String, times: usize },
}

impl Text {
    pub(crate) fn expand(&self) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Repeated { text, times } => text.repeat(*times),
        }
    }
}

/// Numbers that JSON has no literal for: `{"number": "nan"}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Number {
    Plain(f64),
    Special { number: String },
}

impl Number {
    pub(crate) fn expand(&self) -> f64 {
        match self {
            Self::Plain(number) => *number,
            Self::Special { number } => number.parse().unwrap(),
        }
    }
}
